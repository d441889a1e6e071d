"""What a page of documentation says is refused is refused for the reason that it gives."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.house.pages import Block, blocks, script


def run(folder: Path, commands: str, reason: str) -> int:
    """Return how a page ends whose one block, *commands*, is to fail for *reason*."""
    page = folder / "page.md"
    page.write_text(f"Words.\n\n```bash fails {reason}\n{commands}\n```\n", encoding="utf-8")
    assert [Block(f"{commands}\n", reason)] == blocks(page)
    return subprocess.run(
        ["bash", "-c", script(page)],
        capture_output=True,
        check=False,
    ).returncode


def test_the_reason_given_is_the_one(tmp_path: Path) -> None:
    """A command that fails and says why is what the page promised."""

    assert 0 == run(tmp_path, "echo 'Code: NotFound, TENANT_NOT_FOUND' >&2; false", "NotFound")


@pytest.mark.parametrize(
    "commands",
    [
        "echo FIELD_INVALID",
        "echo TENANT_NOT_FOUND >&2; false",
        "false",
        "echo FIELD_INVALIDATED; false",
    ],
    ids=["not refused", "another reason", "no reason", "a longer word"],
)
def test_anything_else_fails_the_page(tmp_path: Path, commands: str) -> None:
    """What isn't refused, or is refused for something else, is noticed."""

    assert 3 == run(tmp_path, commands, "FIELD_INVALID")
