"""Finds in the repository's files what holds on one machine only.

Absolute paths of somebody's machine, and addresses of package registries: those belong
to the configuration of the machine, never to the repository.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.contract import ROOT

# Each is written so that it does not find itself.
PATTERNS = {
    "a path of one machine": r"(?<![\w.~}$-])/(?:[r]oot|[h]ome/\w|[U]sers/\w|[w]ork/\w|[o]pt/\w)",
    "a registry's address": (
        r"[p]ypi\.org|[p]ythonhosted\.org|[n]pmjs\.(?:com|org)|[p]roxy\.golang\.org"
        r"|[i]ndex-url|[m]aven\.org|[r]egistry\.\w+\.\w+"
    ),
}
# Words of a law or a policy are data, not configuration; generated files repeat the contract.
SKIPPED_SUFFIXES = {".pyi", ".bin", ".png", ".svg"}


def tracked() -> Iterator[Path]:
    """Yield the files that are in git, or would be with the next ``git add``."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in sorted(filter(None, listed.stdout.decode().split("\0"))):
        path = ROOT / name
        if path.is_file() and path.suffix not in SKIPPED_SUFFIXES:
            yield path


def complaints() -> Iterator[str]:
    """Yield place and kind of everything that holds on one machine only."""
    for path in tracked():
        lines = path.read_text("utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, start=1):
            for kind, pattern in PATTERNS.items():
                if re.search(pattern, line):
                    yield f"{path.relative_to(ROOT)}:{number}: {kind}"


def main() -> int:
    """Print the complaints; return 1 if there is one."""
    try:
        lines = list(complaints())
    except (FileNotFoundError, subprocess.CalledProcessError):
        print("skipped: without git there is no list of the repository's files")
        return 0
    print(*lines, sep="\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
