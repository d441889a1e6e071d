"""docs/grpcurl.md is true: a real grpcurl runs its very commands against a real server."""

from __future__ import annotations

import asyncio
import os
import re

from server.compose import App
from server.handlers.registry import implemented
from tests.house.pages import ROOT, blocks, script

PAGE = ROOT / "docs/grpcurl.md"
_CALLED = re.compile(r"(?:privacyrights\.v1\.|call )(\w+Service/\w+)")


def test_page_has_a_command_for_each_method(app: App) -> None:
    """Every method that is built has a command, and no command is of one that isn't."""

    built = {
        f"{row.service.rpartition('.')[2]}/{row.method}"
        for row in implemented(map(type, app.handlers))
        if row.is_built
    }
    shown = {name for block in blocks(PAGE) for name in _CALLED.findall(block.commands)}

    assert built == shown


async def test_commands_of_the_page_work(app: App) -> None:
    """The page's blocks, run in order in one shell, do what the page says."""

    run = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        script(PAGE),
        cwd=ROOT,
        env={**os.environ, "SERVER": app.server.address},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await run.communicate()

    assert 0 == run.returncode, output.decode()[-3000:]
