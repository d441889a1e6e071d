"""Compares the contract with the one that others already build on.

That is the newest release tag (v*) behind the checkout, else the last commit of main.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tools.contract import ROOT, sources

CONTRACT = ("protos", "buf.yaml")


def git(*arguments: str) -> bytes | None:
    """Return what git prints, or None if it fails or there is no git."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def baseline() -> str | None:
    """Return the commit to compare with, or None if this clone has none."""
    if tag := git("describe", "--tags", "--abbrev=0", "--match", "v*"):
        return tag.decode().strip()
    for branch in ("origin/main", "main"):
        if commit := git("merge-base", "HEAD", branch):
            return commit.decode().strip()
    return None


def main() -> int:
    """Run buf breaking; return its exit code, or 0 with the reason if it can't be run."""
    commit = baseline()
    if commit is None:
        print("skipped: no git history with a release tag or main to compare with")
        return 0
    archive = git("archive", "--format=tar", commit, "--", *CONTRACT)
    if archive is None or not sources():
        print(f"skipped: {commit[:12]} has no contract to compare with")
        return 0
    buf = Path(sys.executable).with_name("buf")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        return subprocess.run(
            [buf, "breaking", "--against", folder], cwd=ROOT, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
