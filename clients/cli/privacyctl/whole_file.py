"""Files that are there as a whole, or as they were before."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO


@contextmanager
def written_whole(path: str) -> Generator[BinaryIO]:
    """Open *path* to write it, or standard output if it is "-".

    The file is replaced when all is written; if that fails, it stays as it was.

    Raises:
        OSError: it can't be written.
    """
    if path == "-":
        yield sys.stdout.buffer
        return
    target = Path(path)
    # click's own atomic files replace the file even if writing failed.
    handle, temporary = mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(handle)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
