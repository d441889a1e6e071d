"""Makes every generated file of the repository, or with --check tells which are stale.

Each step is a module with two names:

- ``OWNS``: the glob patterns, from the repository's root, of the files that are its own;
  one that it no longer renders is deleted.
- ``render()``: returns each file's text by its path from the root. It reads only what is
  in the working tree, so that two runs give the same bytes.

To add a generated file, write such a module and name it in ``STEPS``.
"""

import argparse
import importlib
import sys
from collections.abc import Iterator

from tools.contract import ROOT

# In this order: a later step may import what an earlier one has written.
STEPS = ("tools.stubs", "tools.api_status", "tools.activities_schema")


def stale_files(step: str) -> Iterator[tuple[str, str | None]]:
    """Yield path and wanted text of each file of *step* that is not as it should be.

    A text of None means that the file should not be there.
    """
    # Imported only now: a step may import the stubs that the step before it has made.
    module = importlib.import_module(step)
    rendered = module.render()
    for path, text in rendered.items():
        current = ROOT / path
        if not current.is_file() or current.read_text("utf-8") != text:
            yield path, text
    owned = {
        found.relative_to(ROOT).as_posix()
        for pattern in module.OWNS
        for found in ROOT.glob(pattern)
    }
    for path in sorted(owned - set(rendered)):
        yield path, None


def write(path: str, text: str | None) -> None:
    """Make the file at *path* hold *text*, or be absent if that is None."""
    target = ROOT / path
    if text is None:
        target.unlink()
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, "utf-8")


def main() -> int:
    """Run the steps; return 1 if --check found a stale file."""
    parser = argparse.ArgumentParser(prog="make generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail if stale")
    check = parser.parse_args().check
    found = 0
    for step in STEPS:
        for path, text in stale_files(step):
            found += 1
            if check:
                print(f"stale: {path} (mend: make generate)")
            else:
                write(path, text)
                print(f"{'removed' if text is None else 'wrote'} {path}")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())
