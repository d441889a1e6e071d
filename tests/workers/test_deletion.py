"""Verifying a deletion counts what is left of just that life, and nothing when it is purged."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.domain.change import Insert, Kind, Table
from server.domain.clock import SteppingClock
from server.domain.disclosure.disclosure import Disclosure, disclosures
from server.domain.errors import SubjectNotFoundError
from server.domain.ports import Ports
from server.domain.retention.activity import interactions
from server.domain.rights.deletion import PURGED, Deletion, Deletions
from server.domain.rights.exports import exports
from server.domain.subject import Subject
from server.domain.values import Role, SubjectId
from server.workers.purge import PurgeWorker
from tests.workers.lives import CALL, activity, chunk, commit, ended, erase, new_life, new_tenant

KEPT_AS_PROOF = {
    Kind.SUBJECTS: "the tombstone",
    Kind.CONSENTS: "shows what was allowed, by reference, in clear (Art. 17(3)(e))",
    Kind.REQUESTS: "counted while its words are sealed in it",
    Kind.DISCLOSURES: "counted while an authority's demand is sealed in it",
    Kind.DIRECTIVES: "shows what became of it; its words can't be read any more",
    Kind.ERASURES: "the proof of the erasure",
    Kind.CERTIFICATES: "the proof of the erasure, signed",
    Kind.SWEEPS: "about no one person",
    Kind.SWEEP_SLICES: "references only, until the sweep has passed",
    Kind.REVOCATIONS: "about no one person",
    Kind.NOTICES: "about no one person",
}
"""Kinds of documents tagged with a role that aren't purged after an erasure, and why."""


async def verified(ports: Ports, subject: Subject, generation: int = 0) -> Deletion:
    """Return what is left of a life of Ada's."""
    who = SubjectId(subject.role, subject.tenant, "ada", generation)
    return await Deletions(ports).verify(CALL, who)


async def purge(ports: Ports) -> None:
    """Purge until there is nothing to do."""
    worker = PurgeWorker(ports, Role.PROCESSOR)
    while await worker.step():
        pass


async def test_what_is_left_is_counted_until_it_is_purged(ports: Ports) -> None:
    """Records, exports and days of an ended life count until they are deleted."""
    ada = await new_life(ports, await new_tenant(ports), record_count=3)
    await commit(
        ports,
        Insert(interactions(ada.role), activity(ada)),
        Insert(exports(ada.role), await chunk(ports, ada, "c0")),
    )
    assert Deletion(1, 1) == await verified(ports, ada)
    await erase(ports, ada)

    before = await verified(ports, ada)
    await purge(ports)
    after = await verified(ports, ada)

    assert (True, 5) == (before.is_erased, before.remaining)
    assert (True, 0) == (after.is_erased, after.remaining)
    erasure = await ended(ports, ada)
    assert (erasure.time, erasure.entry) == (after.erase_time, after.entry)


async def test_each_life_is_told_apart(ports: Ports, clock: SteppingClock) -> None:
    """Who signed up anew is erased in the earlier life, and not in the one that goes on."""
    tenant = await new_tenant(ports)
    first = await new_life(ports, tenant, record_count=2)
    await erase(ports, first)
    clock.advance(timedelta(seconds=1))
    await new_life(ports, tenant, record_count=4)

    earlier, current = await verified(ports, first, 1), await verified(ports, first)

    assert (True, 1, 2, 2) == (
        earlier.is_erased,
        earlier.generation,
        earlier.current_generation,
        earlier.remaining,
    )
    assert Deletion(2, 2) == current
    assert current == await verified(ports, first, 2)
    with pytest.raises(SubjectNotFoundError):
        await verified(ports, first, 3)


async def test_sealed_words_in_what_is_kept_are_counted(ports: Ports) -> None:
    """A disclosure stays as proof; while it has ciphertext in it, that is said."""
    ada = await new_life(ports, await new_tenant(ports), record_count=0)
    made = [
        Disclosure(
            id=f"{ada.tenant}/{ports.ids.new(ada.role)}",
            tenant=ada.tenant,
            subject=ada.id,
            generation=ada.generation,
            recipient="court",
            purpose="",
            categories=("profile",),
            disclosure_time=ports.clock.now(),
            record_time=ports.clock.now(),
            sealed_demand=sealed,
        )
        for sealed in (None, await ports.keyring.seal(ada, b"{}", "demand"))
    ]
    await commit(ports, *(Insert(disclosures(ada.role), each) for each in made))
    await erase(ports, ada)
    await purge(ports)

    assert 1 == (await verified(ports, ada)).remaining


def test_every_kind_of_document_is_thought_of() -> None:
    """What is kept about people is purged after an erasure, or there is a reason why not."""
    tagged = set[Kind]()
    for kind in Kind:
        try:
            tagged.add(Table(kind, Role.PROCESSOR).kind)
        except ValueError:
            continue

    purged = {table(Role.PROCESSOR).kind for table in PURGED}
    assert tagged == purged | set(KEPT_AS_PROOF)
    assert not purged & set(KEPT_AS_PROOF)
