"""The README's first conversation is true: a real grpcurl has it with a real server."""

from __future__ import annotations

import asyncio
import re

from server.compose import App
from tests.house.pages import ROOT

_CONVERSATION = re.compile(r"## A first conversation.*?```console\n(.*?)```", re.DOTALL)


async def test_first_conversation_goes_as_told(app: App) -> None:
    """The commands work as they stand, and the last answer is the one that is told."""
    found = _CONVERSATION.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found
    commands = re.sub(r"^\$ ", "", found[1], flags=re.MULTILINE)
    script = "set -e; shopt -s expand_aliases\n" + commands.replace(
        "127.0.0.1:50051", app.server.address
    )

    run = await asyncio.create_subprocess_exec(
        "bash", "-c", script, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await run.communicate()

    assert 0 == run.returncode
    assert b"VERDICT_REASON_CONSENT_MISSING" in output
