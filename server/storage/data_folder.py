"""The folder of the embedded database: private, and held by one server at a time."""

import asyncio
import errno
import fcntl
import hashlib
import os
import re
import signal
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from server.startup import StartupError

REPLICA_SET = "embedded"

_REPLICA_SET_ARGUMENT = f"\0--replSet\0{REPLICA_SET}\0".encode()
_OTHER_FOLDER = "set PRIVACYRIGHTS_DATA_DIR to a folder that this user can write to"
_FULL = {errno.ENOSPC, errno.EDQUOT}
# A socket's address holds 107 bytes (unix(7)), and the name `/mongod.sock` takes 12.
_SOCKET_FOLDER_BYTES = 107 - 12
# What reads unescaped as one host of a replica set: no port colon, no comma between hosts.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+@=-]+")
_CLEAN_EXIT_SECONDS = 20.0
_KILL_SECONDS = 5.0


class DataFolderInUseError(StartupError):
    """Another server, or a database that this one may not end, works on the same folder."""

    def __init__(self, folder: Path, holder: str) -> None:
        """Name the *folder* and who holds it."""
        super().__init__(
            f"the data folder {folder} is in use by {holder}",
            "stop it, or set PRIVACYRIGHTS_DATA_DIR to another folder",
        )


class DataFolderUnwritableError(StartupError):
    """The folder can't be made or written to by this user."""

    def __init__(self, folder: Path, reason: str) -> None:
        """Name the *folder* and the system's *reason*."""
        super().__init__(f"the data folder {folder} is not writable ({reason})", _OTHER_FOLDER)


class DiskFullError(StartupError):
    """The file system of the data folder has no room."""

    def __init__(self, folder: Path) -> None:
        """Name the *folder*."""
        super().__init__(
            f"the disk of the data folder {folder} is full",
            "free at least 200 MB there, or set PRIVACYRIGHTS_DATA_DIR to a folder on another disk",
        )


class DataFolder:
    """A private folder with its database's files, log, and socket.

    `claim` makes it this process's own until `release`; the claim is a kernel lock, so it
    ends with the process however the process ends.
    """

    def __init__(self, path: Path) -> None:
        """Describe the folder at *path*; nothing is touched before `claim`."""
        self.path = path.expanduser().absolute()
        self.log = self.path / "mongod.log"
        self.errors = self.path / "mongod.stderr"
        self.private = self.path
        self._lock: int | None = None

    @property
    def socket(self) -> Path:
        """Where the database listens: a file that only this user can open."""
        return self.private / "mongod.sock"

    async def claim(self) -> None:
        """Make the folder if need be, lock it, and end a database that outlived its server.

        Raises:
            DataFolderInUseError: another server has it.
            DataFolderUnwritableError: it can't be made or written to.
            DiskFullError: there is no room in it.
        """
        try:
            self._lock = self._locked()
            self.private = _socket_folder(self.path)
            await self._end_orphans()
        except OSError as error:
            self.release()
            raise self._failure(error) from error
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let another server have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def fresh_log(self) -> BinaryIO:
        """Keep the last run's log in place of the one before it, and open the errors' file.

        Raises:
            DataFolderUnwritableError: as `claim`.
            DiskFullError: as `claim`.
        """
        try:
            with suppress(FileNotFoundError):
                self.log.replace(self.log.with_suffix(".log.1"))
            return self.errors.open("wb")
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> StartupError:
        if error.errno in _FULL:
            return DiskFullError(self.path)
        return DataFolderUnwritableError(self.path, error.strerror or type(error).__name__)

    def _locked(self) -> int:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        lock = os.open(self.path / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip()
            os.close(lock)
            raise DataFolderInUseError(
                self.path, f"another server (process {holder or 'unknown'})"
            ) from error
        except BaseException:
            os.close(lock)
            raise
        return lock

    async def _end_orphans(self) -> None:
        # We hold the server's lock, so a database at work here has lost its server, and is
        # already told to stop by its tether. It is reminded, and waited for.
        for pid in _databases_of(self.path):
            if not await _ended(pid):
                raise DataFolderInUseError(self.path, f"a process that can't be ended ({pid})")


def _databases_of(folder: Path) -> Iterator[int]:
    # Not by the process id in mongod.lock: it is written some time after the start, and the
    # number may belong to another program by now.
    named = b"\0--dbpath\0" + os.fsencode(folder) + b"\0"
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_bytes()
            if named in command and _REPLICA_SET_ARGUMENT in command:
                yield int(process.name)


async def _ended(pid: int) -> bool:
    # A killed database loses nothing: what was acknowledged is in its journal.
    for sign, seconds in ((signal.SIGTERM, _CLEAN_EXIT_SECONDS), (signal.SIGKILL, _KILL_SECONDS)):
        if await _ended_by(sign, pid, seconds):
            return True
    return False


async def _ended_by(sign: signal.Signals, pid: int, seconds: float) -> bool:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        signal.pidfd_send_signal(handle, sign)
        await asyncio.wait_for(ended.wait(), seconds)
    except ProcessLookupError:
        return True
    except (TimeoutError, PermissionError):
        return False
    finally:
        loop.remove_reader(handle)
        os.close(handle)
    return True


def _socket_folder(folder: Path) -> Path:
    """Return *folder* if a replica set can be addressed by a socket in it, else a private one."""
    if (
        len(os.fsencode(folder)) <= _SOCKET_FOLDER_BYTES
        and _PLAIN_PATH.fullmatch(str(folder))
        and _takes_sockets(folder)
    ):
        return folder
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    private = Path(tempfile.gettempdir(), f"privacyrights-{os.getuid()}-{name}")
    private.mkdir(mode=0o700, exist_ok=True)
    found = private.lstat()
    # Anyone may have made a folder of that name in /tmp before us.
    if (
        not stat.S_ISDIR(found.st_mode)
        or found.st_uid != os.getuid()
        or stat.S_IMODE(found.st_mode) & 0o077
    ):
        raise PermissionError(errno.EPERM, f"{private} is not private to this user")
    return private


def _takes_sockets(folder: Path) -> bool:
    # Some shared and network folders don't.
    probe = folder / "probe.sock"
    probe.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as attempt:
        try:
            attempt.bind(str(probe))
        except OSError:
            return False
    probe.unlink()
    return True
