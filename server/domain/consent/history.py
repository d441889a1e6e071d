"""What was known of a person, and what the decisions amounted to, at another moment than now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from server.domain.consent.consent import ConsentDecision, consents, state_after
from server.domain.consent.standing import standing_of
from server.domain.ports import Query
from server.domain.rights.erasure import Erasure, erasure_id, erasures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from server.domain.ports import Ports, Reader
    from server.domain.subject import ConsentState, Subject


class Past(NamedTuple):
    """The state of the consent to one purpose, and the decision behind it."""

    state: ConsentState
    decision: ConsentDecision


async def past_consents(
    reader: Reader, subject: Subject, counts: Callable[[ConsentDecision], bool]
) -> Mapping[str, Past]:
    """Return what those decisions of the present life of *subject* amount to that *counts* takes.

    Purpose → state. They are taken in the order in which they were recorded, as they were then.
    """
    query = Query(
        consents(subject.role),
        tenant=subject.tenant,
        equals={"subject": subject.id, "generation": subject.generation},
        order="number",
        limit=1000,
    )
    found: dict[str, Past] = {}
    async for decision in reader.scan(query, ConsentDecision):
        if not counts(decision):
            continue
        known = found.get(decision.purpose)
        before = known.state if known else None
        after = state_after(before, decision)
        if after is not before:
            found[decision.purpose] = Past(after, decision)
    return found


class Then(NamedTuple):
    """A subject as it was known at a moment, and the decisions behind its consents.

    `is_lost` tells that something stood against processing, of which no history is kept.
    """

    subject: Subject
    consents: Mapping[str, Past]
    is_lost: bool = False


async def known_at(ports: Ports, subject: Subject, moment: datetime) -> Then | None:
    """Return *subject* as it was known at *moment*, or None if it wasn't known yet.

    Reconstructed are the life that it was in, its consents, and what stood against processing
    besides, from erasures, decisions and acts, none of which is ever changed; what was recorded
    later doesn't count. The acts of a life that has ended went with it.
    """
    life = await _life_at(ports, subject, moment)
    if life.begin is not None and moment < life.begin:
        return None
    then = replace(
        subject, generation=life.generation, entry="", objections={}, restriction="", consents={}
    )
    if life.end is not None and life.end <= moment:
        return Then(replace(then, key=None, erased_time=life.end, entry=life.entry), {})
    past = await past_consents(ports.reader, then, lambda decision: decision.record_time <= moment)
    states = {id: each.state for id, each in past.items()}
    # Nothing is ever unsealed with this key: that there was one is all that is told.
    then = replace(then, key=b"", erased_time=None, consents=states)
    if life.end is not None:
        is_lost = life.opposed_since is not None and life.opposed_since <= moment
        return Then(then, past, is_lost)
    standing = await standing_of(ports.reader, subject, moment=moment)
    stood = replace(then, objections=dict(standing.objections), restriction=standing.restriction)
    stands = subject.objections or subject.restriction
    return Then(stood, past, is_lost=bool(stands) and subject.opposed_since is None)


class _Life(NamedTuple):
    generation: int
    begin: datetime | None
    end: datetime | None
    entry: str
    opposed_since: datetime | None


async def _life_at(ports: Ports, subject: Subject, moment: datetime) -> _Life:
    """Return the last life of *subject* that had begun at *moment*, or the first of all."""
    life = _Life(
        subject.generation,
        subject.created_time,
        subject.erased_time,
        subject.entry,
        subject.opposed_since,
    )
    while life.generation > 1 and life.begin is not None and moment < life.begin:
        id = erasure_id(subject.id, life.generation - 1)
        ended = await ports.reader.get(erasures(subject.role), subject.tenant, id, Erasure)
        if ended is None:
            break
        life = _Life(
            ended.generation, ended.begin_time, ended.time, ended.entry, ended.opposed_since
        )
    return life
