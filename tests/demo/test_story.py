"""`make demo` tells the whole story; a service that breaks a promise makes it fail."""

from __future__ import annotations

import asyncio
import sys
from io import StringIO

import pytest
from rich.console import Console

from demo.__main__ import CHAPTERS
from demo.narrator import Narrator, StoryError
from tests.house.pages import ROOT


async def test_story_is_told_to_its_end() -> None:
    """The demonstration, run as `make demo` runs it, ends well and tells every chapter."""
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "demo", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await run.communicate()
    text = output.decode()

    assert 0 == run.returncode, text[-2000:]
    assert all(f"\n{number}. " in text for number in range(1, len(CHAPTERS) + 1))
    assert "promises kept" in text


def test_broken_promise_ends_the_story() -> None:
    """A sentence that doesn't hold is an error, not a line among others."""
    narrator = Narrator(Console(file=StringIO()))

    with pytest.raises(StoryError, match="the key is gone"):
        narrator.expect("the key is gone", holds=False)


async def test_call_that_should_be_refused_but_is_not_ends_the_story() -> None:
    """What the service lets through although the policy forbids it is an error as well."""

    async def let_through() -> None: ...

    with pytest.raises(StoryError, match="a shoe size"):
        await Narrator(Console(file=StringIO())).expect_refused(
            "a shoe size", let_through(), "FIELD_NOT_IN_CATEGORY"
        )
