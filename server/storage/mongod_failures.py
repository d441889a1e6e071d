"""What can go wrong as the embedded database starts, each with its mend."""

import shutil
from pathlib import Path

from server.startup import StartupError
from server.storage.data_folder import (
    DataFolder,
    DataFolderInUseError,
    DataFolderUnwritableError,
    DiskFullError,
)
from server.storage.mongod_binary import Mongod
from server.storage.mongod_log import first_trouble

_EXIT_WRONG_RELEASE = 62
_LEAST_FREE_BYTES = 64 * 1024


class MongodExitedError(StartupError):
    """The embedded database ended by itself while it was starting."""

    def __init__(self, code: int, log: Path, words: str) -> None:
        """Quote the *words* with which it told of its trouble, and point to its *log*."""
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        super().__init__(f"the embedded MongoDB {how} at start: {words}", f"see {log}")
        self.code = code


class MongodSlowError(StartupError):
    """The embedded database runs, but did not become ready in time."""

    def __init__(self, log: Path, seconds: float) -> None:
        """Point to its *log*, and tell how long it was waited for."""
        super().__init__(f"the embedded MongoDB was not ready after {seconds:.0f} s", f"see {log}")


class MongodRefusedError(StartupError):
    """The embedded database runs, but won't be a replica set of one."""

    def __init__(self, log: Path, kind: str, code: int | None) -> None:
        """Name the *kind* and *code* of its refusal, and point to its *log*."""
        super().__init__(
            f"the embedded MongoDB could not be set up ({kind}, code {code})", f"see {log}"
        )


class DataFolderReleaseError(StartupError):
    """The data folder was written by a MongoDB release that this one can't continue from."""

    def __init__(self, folder: Path, mongod: Mongod) -> None:
        """Name the *folder* and the release that can't read it."""
        release = ".".join(map(str, mongod.version))
        super().__init__(
            f"another MongoDB release wrote the data folder {folder}; {mongod.path} is {release}",
            "set PRIVACYRIGHTS_MONGOD to that one, or PRIVACYRIGHTS_DATA_DIR to another folder",
        )


def failure_of(code: int, folder: DataFolder, mongod: Mongod) -> StartupError:
    """Return why *mongod*, which ended with *code*, could not start on *folder*."""
    if code == _EXIT_WRONG_RELEASE:
        return DataFolderReleaseError(folder.path, mongod)
    trouble = first_trouble(folder.log, folder.errors)
    # A disk can be too full for the log to say so.
    if trouble.is_full_disk or shutil.disk_usage(folder.path).free < _LEAST_FREE_BYTES:
        return DiskFullError(folder.path)
    if "DBPathInUse" in trouble.words:
        return DataFolderInUseError(folder.path, "another MongoDB")
    if "Permission denied" in trouble.words:
        return DataFolderUnwritableError(folder.path, "Permission denied")
    return MongodExitedError(code, folder.log, trouble.words)
