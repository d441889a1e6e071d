"""The commands of a page of documentation, as a reader would run them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_BLOCK = re.compile(
    r"^```bash(?: fails (?P<reason>\w+))?\n(?P<commands>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of commands; `reason`: why the page says that it is refused, or ""."""

    commands: str
    reason: str


def blocks(page: Path) -> list[Block]:
    """Return the blocks of *page* that are shell commands, in order."""
    return [
        Block(found["commands"], found["reason"] or "")
        for found in _BLOCK.finditer(page.read_text(encoding="utf-8"))
    ]


def script(page: Path) -> str:
    """Return *page* as one script that ends at the first command that doesn't do what it says.

    Each block is said on standard output before it runs.
    """
    lines = ["set -euo pipefail"]
    for number, block in enumerate(blocks(page), 1):
        lines.append(f"echo '# block {number}'")
        lines.append(_refused(block) if block.reason else block.commands)
    return "\n".join(lines)


def _refused(block: Block) -> str:
    """Return commands that go on only if *block* is refused, and for its reason."""
    return (
        f"if output=$( (\n{block.commands}\n) 2>&1 ); then echo 'not refused'; exit 3; fi\n"
        'echo "$output"\n'
        f'if ! grep -qw {block.reason} <<<"$output"; then\n'
        f"  echo 'refused, but not for {block.reason}'; exit 3\nfi"
    )
