"""The end of the log in memory: bounded, shared, and found without any hint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from server.domain.feed import tails as module
from server.domain.feed.tails import PAGE, READERS, RECENT_BYTES, RECENT_ENTRIES, Tail, Tails
from tests.domain.feeds import MemoryLog, entries


@asynccontextmanager
async def followed(log: MemoryLog) -> AsyncGenerator[tuple[Tails, asyncio.Queue[frozenset[int]]]]:
    """Follow *log* during the block, with one who listens."""
    tails = Tails(log.as_log)
    grown: asyncio.Queue[frozenset[int]] = asyncio.Queue()
    tails.listen(grown.put_nowait)
    running = asyncio.create_task(tails.run())
    try:
        yield tails, grown
    finally:
        running.cancel()
        await asyncio.wait((running,))


def test_a_tail_keeps_so_many_entries_and_no_more() -> None:
    """The oldest are dropped, by number and by size, and what is left is without a gap."""
    by_number, by_size = Tail(), Tail()
    for begin in range(0, 3_000, 100):
        by_number.append(entries(begin, begin + 100))
        by_size.append(entries(begin, begin + 100, reason="x" * 10_000))

    assert (3_000 - RECENT_ENTRIES, 3_000) == (by_number.first, by_number.next)
    assert by_size.next - by_size.first <= RECENT_BYTES // 10_000
    assert by_size.first == by_size.since(by_size.first)[0].feed_position


def test_a_page_begins_where_it_is_asked_for() -> None:
    """A page has what comes from a position on, up to a page's length."""
    tail = Tail()
    tail.append(entries(0, 900))

    assert [899] == [each.feed_position for each in tail.since(899)]
    assert list(range(10, 10 + PAGE)) == [each.feed_position for each in tail.since(10)]


async def test_streams_at_the_end_share_one_reading() -> None:
    """However many listen, what is new is read once, and served from memory."""
    log = MemoryLog(entries(0, 3))
    async with followed(log) as (tails, grown):
        await grown.get()
        log.kept += entries(3, 5)
        log.hint.set()
        await grown.get()
        reads = len(log.reads)
        served = [await tails.read(0, 3) for _ in range(200)]

    assert [[3, 4]] * 200 == [[each.feed_position for each in page] for page in served]
    assert reads == len(log.reads)


async def test_who_is_behind_reads_for_himself_and_in_turn() -> None:
    """What is not in memory any more is read from the log, by a few at a time."""
    log = MemoryLog(entries(0, 5_000))
    async with followed(log) as (tails, grown):
        await grown.get()
        pages = await asyncio.gather(*(tails.read(0, number) for number in range(50)))

    assert list(range(50)) == [page[0].feed_position for page in pages]
    assert {PAGE} == {len(page) for page in pages}
    assert READERS == log.most_readers


async def test_without_any_hint_it_is_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change stream that is dead makes the feed later, and nothing else."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    log = MemoryLog()
    async with followed(log) as (_, grown):
        log.kept += entries(0, 1)

        assert frozenset({0}) == await asyncio.wait_for(grown.get(), 5)


async def test_nothing_is_read_while_nobody_listens() -> None:
    """A server without subscribers doesn't follow the log; it goes on where the log is by then."""
    log = MemoryLog(entries(0, 2))
    async with followed(log) as (tails, grown):
        await grown.get()
        tails.forget(grown.put_nowait)
        log.kept += entries(2, 3_000)
        log.hint.set()
        await asyncio.sleep(0)
        log.hint.set()
        reads = len(log.reads)
        tails.listen(grown.put_nowait)
        await grown.get()

        assert 3_000 == tails.ends[0]
        assert reads == len(log.reads)
