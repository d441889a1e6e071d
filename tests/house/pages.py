"""The commands of a page of documentation, as a reader would run them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_BLOCK = re.compile(r"^```bash(?P<mark> fails)?\n(?P<commands>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of commands; `fails`: the page says that it is refused."""

    commands: str
    fails: bool


def blocks(page: Path) -> list[Block]:
    """Return the blocks of *page* that are shell commands, in order."""
    return [
        Block(found["commands"], fails=found["mark"] is not None)
        for found in _BLOCK.finditer(page.read_text(encoding="utf-8"))
    ]


def script(page: Path) -> str:
    """Return *page* as one script that ends at the first command that doesn't do what it says.

    Each block is said on standard output before it runs.
    """
    lines = ["set -euo pipefail"]
    for number, block in enumerate(blocks(page), 1):
        lines.append(f"echo '# block {number}'")
        if block.fails:
            lines.append(f"if (\n{block.commands}\n) 2>&1; then echo 'not refused'; exit 3; fi")
        else:
            lines.append(block.commands)
    return "\n".join(lines)
