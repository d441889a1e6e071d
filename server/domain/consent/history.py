"""What a person's decisions amounted to at another moment than now."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.domain.consent.consent import ConsentDecision, consents, state_after
from server.domain.ports import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from server.domain.ports import Reader
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
        after = state_after(before, decision, entry="")
        if after is not before:
            found[decision.purpose] = Past(after, decision)
    return found
