"""How the story reads on a terminal, and how it fails when an expectation isn't met."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from contextlib import contextmanager
from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table


class StoryError(AssertionError):
    """The service did something else than the policy promises."""


class Narrator:
    """Tells the story, and checks each sentence of it."""

    def __init__(self, console: Console) -> None:
        """Tell it on *console*."""
        self._console = console
        self.kept = 0

    def chapter(self, number: int, title: str, promise: str) -> None:
        """Begin a chapter; *promise* is the policy's."""
        self._console.print()
        self._console.rule(f"[bold]{number}. {title}", align="left")
        self._console.print(f"[dim]{escape(promise)}[/dim]\n")

    def tell(self, sentence: str) -> None:
        """Say what happens."""
        self._console.print(f"  {escape(sentence)}")

    def show(self, text: str) -> None:
        """Show what a person sees, as it is."""
        for line in text.splitlines():
            self._console.print(f"    [cyan]{escape(line)}[/cyan]", highlight=False)

    def table(self, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
        """Show *rows* under *columns*."""
        table = Table(*columns, box=None, padding=(0, 2), header_style="bold")
        for row in rows:
            table.add_row(*map(escape, row))
        self._console.print(table)

    def expect(self, sentence: str, *, holds: bool) -> None:
        """Say that *sentence* holds.

        Raises:
            StoryError: it doesn't.
        """
        if not holds:
            raise StoryError(sentence)
        self.kept += 1
        self._console.print(f"  [green]✓[/green] {escape(sentence)}")

    async def expect_refused(self, sentence: str, call: Awaitable[Any], reason: str) -> None:
        """Say that *call* is refused for *reason*.

        Raises:
            StoryError: it isn't, or for another reason.
        """
        try:
            await call
        except grpc.aio.AioRpcError as error:
            found = reason_of(error)
            self.expect(f"{sentence} → {found}", holds=found == reason)
            self.show(str(error.details()))
        else:
            raise StoryError(f"{sentence}: it was not refused")

    @contextmanager
    def progress(self, title: str, total: int) -> Generator[Progress]:
        """Show how a long step goes; its one task is that of *title*."""
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            progress.add_task(title, total=total)
            yield progress


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Return the reason of *error*, out of the trailers."""
    encoded = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    info = ErrorInfo()
    if isinstance(encoded, bytes):
        for detail in Status.FromString(encoded).details:
            detail.Unpack(info)
    return str(info.reason)
