"""Runs all that the pipeline checks besides tests, two at a time, and sums up.

Every check runs even when one fails, so that one run shows all there is to mend.
"""

import argparse
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.contract import ROOT

BIN = Path(sys.executable).parent
PYTHON = sys.executable


@dataclass(frozen=True)
class Check:
    """A command that fails when something is to mend, and what mends it."""

    name: str
    command: tuple[str, ...]
    mend: str = "see above"


# The slow ones first: the others fit beside them.
CHECKS = (
    Check("pyright", (f"{BIN}/pyright", "--warnings")),
    Check("mypy", (f"{BIN}/mypy",)),
    Check("ruff", (f"{BIN}/ruff", "check", "--quiet", "."), "make format mends some"),
    Check("format", (f"{BIN}/ruff", "format", "--quiet", "--diff", "."), "make format"),
    Check(
        "imports",
        (f"{BIN}/lint-imports", "--no-cache"),
        "CONTRIBUTING.md, What may import what",
    ),
    Check("generated", (PYTHON, "-m", "tools.generate", "--check"), "make generate"),
    Check("buf-lint", (f"{BIN}/buf", "lint")),
    Check("buf-format", (f"{BIN}/buf", "format", "--diff", "--exit-code"), "make format"),
    Check("buf-breaking", (PYTHON, "-m", "tools.breaking")),
    Check("dependencies", (PYTHON, "-m", "tools.dependencies")),
    Check("portability", (PYTHON, "-m", "tools.portability")),
)


def run(check: Check) -> bool:
    """Run *check*, print how it went in one go, and tell whether it passed."""
    started = time.monotonic()
    done = subprocess.run(
        check.command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    passed = done.returncode == 0
    took = f"{time.monotonic() - started:5.1f} s"
    output = done.stdout.strip()
    if passed:
        # A check that was skipped passes, and says in its last line why it was.
        note = output.splitlines()[-1] if output.startswith("skipped") else ""
        print(f"ok    {check.name:<13}{took}  {note}".rstrip(), flush=True)
    else:
        print(f"{output}\nFAIL  {check.name:<13}{took}  mend: {check.mend}", flush=True)
    return passed


def main() -> int:
    """Run the checks that are named, or all; return 1 if any failed."""
    parser = argparse.ArgumentParser(prog="make check", description=__doc__)
    names = [check.name for check in CHECKS]
    parser.add_argument("names", nargs="*", metavar="name", help=f"of: {', '.join(names)}")
    wanted = parser.parse_args().names or names
    # By their beginning, so that "buf" runs all three of them.
    for name in wanted:
        if not any(known.startswith(name) for known in names):
            parser.error(f"no such check: {name}")
    chosen = [check for check in CHECKS if check.name.startswith(tuple(wanted))]
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = list(pool.map(run, chosen))
    print(f"{sum(results)} of {len(results)} checks passed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
