"""A call that is repeated has one effect and one answer (AIP-155)."""

from __future__ import annotations

import asyncio

import pytest

from server.domain.errors import ConflictError, RequestIdReusedError
from tests.contract.breakage import Forgetful
from tests.contract.samples import LEDGER, Answer, adding, change, once
from tests.contract.store import Store


async def happens_once(store: Store) -> None:
    """Show that three calls with one request id write once, and are answered alike."""
    answers = [
        await store.committer.commit(change(store.tenant, once=once(store.tenant, "r")), Answer)
        for _ in range(3)
    ]

    assert 1 == await store.count(LEDGER)
    assert 1 == len({answer.outcome for answer in answers})
    assert [False, True, True] == [answer.repeated for answer in answers]


async def test_a_repeat_returns_the_first_outcome(store: Store) -> None:
    """A repeated call writes nothing and gets what the first got."""
    await happens_once(store)


async def test_that_forgetting_calls_would_be_noticed(store: Store) -> None:
    """A committer without idempotency records breaks the promise above."""
    store.use(committer=Forgetful)

    with pytest.raises(AssertionError):
        await happens_once(store)


async def test_repeats_at_the_same_time_happen_once(store: Store) -> None:
    """A client that sends a call again before it was answered gets one effect, too."""
    calls = [change(store.tenant, once=once(store.tenant, "r")) for _ in range(10)]

    answers = await asyncio.gather(*(store.committer.commit(call, Answer) for call in calls))

    assert 1 == await store.count(LEDGER)
    assert 1 == len({answer.outcome for answer in answers})
    assert 1 == sum(not answer.repeated for answer in answers)


async def test_repeats_on_two_servers_happen_once(store: Store) -> None:
    """Servers that know nothing of each other agree on the first."""
    first = store.committer
    second = store.use().committer
    calls = [change(store.tenant, once=once(store.tenant, f"r{n // 2}")) for n in range(40)]

    answers = await asyncio.gather(
        *(
            server.commit(call, Answer)
            for server, call in zip((first, second) * 20, calls, strict=True)
        )
    )

    assert 20 == await store.count(LEDGER)
    assert all(answers[n].outcome == answers[n + 1].outcome for n in range(0, 40, 2))
    assert await first.drain(5)


async def test_another_content_under_the_same_id_is_refused(store: Store) -> None:
    """A request id that comes again with another content writes nothing, alone or in company."""
    await store.committer.commit(change(store.tenant, once=once(store.tenant, "r")), Answer)
    other = change(store.tenant, once=once(store.tenant, "r", b"other"))

    results = await asyncio.gather(
        store.committer.commit(other, Answer),
        store.committer.commit(adding(store.tenant, "n"), Answer),
        return_exceptions=True,
    )

    assert isinstance(results[0], RequestIdReusedError)
    assert not isinstance(results[1], BaseException)
    assert 2 == await store.count(LEDGER)


async def test_another_content_at_the_same_time_is_refused(store: Store) -> None:
    """Of two calls that share an id and nothing else, one holds."""
    calls = [
        change(store.tenant, once=once(store.tenant, "r", content)) for content in (b"1", b"2")
    ]

    results = await asyncio.gather(
        *(store.committer.commit(call, Answer) for call in calls), return_exceptions=True
    )

    assert [False, True] == [isinstance(result, RequestIdReusedError) for result in results]


async def test_a_refused_call_may_be_repeated(store: Store) -> None:
    """A call that was refused has left nothing, so that its id is free."""
    await store.committer.commit(adding(store.tenant, "n"), Answer)
    call = once(store.tenant, "r")
    taken = adding(store.tenant, "n")
    with pytest.raises(ConflictError):
        await store.committer.commit(change(store.tenant, *taken.writes, once=call), Answer)

    again = await store.committer.commit(change(store.tenant, once=call), Answer)

    assert not again.repeated
    assert call.outcome == again.outcome


async def test_the_first_outcome_can_be_looked_up(store: Store) -> None:
    """A call that can't be decided any more still finds what it was answered."""
    call = once(store.tenant, "r")
    await store.committer.commit(change(store.tenant, once=call), Answer)

    found = await store.reader.outcome(call.key, call.fingerprint, Answer)

    assert found is not None
    assert (call.outcome, True) == (found.outcome, found.repeated)
    assert found.token
    assert await store.reader.outcome(f"{call.key}0", call.fingerprint, Answer) is None
    with pytest.raises(RequestIdReusedError):
        await store.reader.outcome(call.key, b"other", Answer)
