"""`python -m demo`: tell the story; exit with 1 when the service doesn't keep a promise."""

from __future__ import annotations

import asyncio
import sys
import time

import grpc
from rich.console import Console

from demo import breach, daily_life, proof, retention, rights
from demo.narrator import Narrator, StoryError, reason_of
from demo.stage import stage
from server.startup import EXIT_CODE, StartupError

CHAPTERS = (
    daily_life.begin,
    daily_life.record_end_users,
    daily_life.ask_for_consent,
    daily_life.refuse,
    rights.give_access,
    rights.erase,
    retention.sweep,
    breach.report,
    proof.look_back,
)


async def tell(narrator: Narrator) -> None:
    """Tell all chapters on a stage of their own."""
    async with stage() as set_up:
        for chapter in CHAPTERS:
            await chapter(set_up, narrator)


def main() -> int:
    """Tell the story and return the exit code."""
    # Off a terminal there is no width to fit: a line of a log may be long.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
    begin = time.monotonic()
    narrator = Narrator(console)
    console.print("[bold]The privacy policy of a chatbot platform, kept by running code[/bold]")
    try:
        asyncio.run(tell(narrator))
    except StartupError as error:
        print(error.rendered(), file=sys.stderr)
        return EXIT_CODE
    except StoryError as error:
        console.print(f"\n[bold red]✗ not kept:[/bold red] {error}")
        return 1
    except grpc.aio.AioRpcError as error:
        console.print(
            f"\n[bold red]✗ a call failed:[/bold red] {error.code().name} {reason_of(error)}:"
            f" {error.details()}"
        )
        return 1
    seconds = time.monotonic() - begin
    console.print(f"\n[bold green]{narrator.kept} promises kept[/bold green] in {seconds:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
