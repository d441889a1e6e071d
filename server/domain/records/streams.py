"""The records of everybody who may be processed for a purpose, person by person.

Nothing is given out before the ledger says so, and each person is looked at once more when it
is their turn: who was erased, objected or withdrew meanwhile isn't disclosed, though the ledger
may already say that it would be. Some people are in memory at a time, however many there are:
the next are read when the caller has taken those before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from server.domain.change import Change
from server.domain.consent.processing import judge
from server.domain.errors import (
    CategoryNotInPurposeError,
    PurposeRoleMismatchError,
    SubjectErasedError,
    TenantNotFoundError,
)
from server.domain.ledger import new_entry
from server.domain.ports import DEFAULT_FRESHNESS, Query
from server.domain.reasons import require_impersonal
from server.domain.records.record import Opened, Record, records
from server.domain.records.records import PAGE_BYTES
from server.domain.subject import Subject
from server.domain.subjects import SEALED_ID, subjects
from server.domain.tenants import TENANTS, Tenant
from server.domain.values import SubjectId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from server.domain.call import Call
    from server.domain.catalogue.catalogue import Category, Purpose
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.catalogue.instructions import Instructions
    from server.domain.ledger import Entry
    from server.domain.ports import Freshness, Ports
    from server.domain.records.records import Records
    from server.domain.values import Role

PEOPLE = 100
"""People who are looked at together; after so many comes a sign of life."""

_BATCH = 50
"""Records that are read at a time."""

_PIECE_RECORDS = 200
"""Most records of one person in one piece."""

_GROUP = 25
"""Pieces that the ledger is told of together."""

_BEHIND_ALL = "~"
"""Behind all that a person's records are called."""


@dataclass(frozen=True, slots=True)
class StreamWanted:
    """Whose records a caller asks for, and why.

    Shapes:
        categories: none means all that the purpose needs.
        recorded_for_purpose_only: whether those that were recorded for others are left out.
        is_metadata: whether the data itself, and who it is, stays sealed.
        after: the `position` of a piece to go on after; "" from the beginning.
        left_out: how many people were left out until then.
    """

    tenant: str
    role: Role
    purpose: str
    reason: str
    categories: tuple[str, ...] = ()
    recorded_for_purpose_only: bool = False
    is_metadata: bool = False
    freshness: Freshness = DEFAULT_FRESHNESS
    after: str = ""
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class StreamPiece:
    """Some records of one person, or a sign of life, which has none.

    Shapes:
        who: None in a sign of life, and where only metadata is asked for.
        entry: the id of the ledger entry that tells of it.
        left_out: how many people were left out so far.
        position: what to go on after.
    """

    left_out: int
    position: str
    who: SubjectId | None = None
    reference: str = ""
    records: Sequence[Opened] = ()
    entry: str = ""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What of a catalogue a stream is about."""

    purpose: Purpose
    categories: Mapping[str, Category]


@dataclass(frozen=True, slots=True)
class _Sealed:
    """Some records of one person, still sealed."""

    subject: Subject
    records: Sequence[Record]


class RecordStreams:
    """Streams records of many people."""

    def __init__(
        self, ports: Ports, catalogues: Catalogues, instructions: Instructions, records: Records
    ) -> None:
        """Read like *records*, from *catalogues*, as *instructions* allow."""
        self._ports = ports
        self._catalogues = catalogues
        self._instructions = instructions
        self._records = records

    async def stream(self, call: Call, wanted: StreamWanted) -> AsyncIterator[StreamPiece]:
        """Yield the records of everybody who may be processed, by reference; at last, the count.

        Who was erased is nobody any more, and isn't counted as left out.

        Raises:
            TenantNotFoundError, PurposeNotFoundError, CategoryNotFoundError: of what is named.
            PurposeRoleMismatchError: the purpose belongs to the other role.
            CategoryNotInPurposeError: the purpose doesn't need a category that is asked for.
            SealedContentCorruptError: a record isn't what was sealed.
            InvalidArgumentError: the reason says who one of the next people is.
            StorageUnavailableError: a ledger entry can't be written; no more is given out.
        """
        asked = await self._asked(call, wanted)
        count, after = wanted.left_out, wanted.after
        while True:
            people = await self._people(wanted, after)
            living = [subject for subject in people if not subject.is_erased]
            allowed = {
                subject.id: subject
                for subject in living
                if await self._periods(subject, asked) is not None
            }
            await require_impersonal(self._ports.keyring, wanted.reason, *allowed.values())
            count += len(living) - len(allowed)
            left_out: set[str] = set()
            async for group in self._groups(wanted, asked, allowed, after):
                entries = [self._entry(call, wanted, sealed.subject) for sealed in group]
                await self._note(entries)
                for sealed, entry in zip(group, entries, strict=True):
                    opened = await self._opened(wanted, asked, sealed)
                    if opened is None:
                        left_out.add(sealed.subject.id)
                    elif opened.records:
                        yield replace(opened, entry=entry.id, left_out=count + len(left_out))
            count += len(left_out)
            if people:
                after = f"{people[-1].id}/{_BEHIND_ALL}"
            # A sign of life; at the end, how many were left out in all.
            yield StreamPiece(count, after)
            if len(people) < PEOPLE:
                return

    async def _asked(self, call: Call, wanted: StreamWanted) -> _Asked:
        # What is read later is as fresh as this.
        tenant = await self._ports.reader.get(
            TENANTS, wanted.tenant, wanted.tenant, Tenant, freshness=wanted.freshness
        )
        if tenant is None:
            raise TenantNotFoundError
        call.notes["tenant"] = wanted.tenant
        purpose = await self._catalogues.purpose(wanted.purpose)
        named = {id: await self._catalogues.category(id) for id in wanted.categories}
        if purpose.role is not wanted.role:
            raise PurposeRoleMismatchError(purpose=purpose.id)
        for id in named:
            if id not in purpose.categories:
                raise CategoryNotInPurposeError(purpose=purpose.id, category=id)
        return _Asked(
            purpose,
            named or {id: await self._catalogues.category(id) for id in purpose.categories},
        )

    async def _people(self, wanted: StreamWanted, after: str) -> Sequence[Subject]:
        """Return the next people, beginning with the one whose records were being given out."""
        id, is_through = _subject_of(after), after.endswith(_BEHIND_ALL)
        query = Query(
            subjects(wanted.role),
            tenant=wanted.tenant,
            at_least={"id": id} if id and not is_through else {},
            after=(id, id) if is_through else None,
            limit=PEOPLE,
        )
        return await self._ports.reader.find(query, Subject)

    async def _periods(self, subject: Subject, asked: _Asked) -> Mapping[str, int] | None:
        """Return which categories of *subject* may be read now, with their periods; None: none."""
        periods = await self._instructions.periods(subject.tenant, asked.categories.values())
        now, catalogue = self._ports.clock.now(), self._catalogues.current
        verdict = judge(asked.purpose, catalogue, subject, subject.role, now, instructed=periods)
        return periods if verdict.allowed else None

    async def _groups(
        self, wanted: StreamWanted, asked: _Asked, people: Mapping[str, Subject], after: str
    ) -> AsyncIterator[Sequence[_Sealed]]:
        """Yield the records of *people* in pieces of one person each, some of them together."""
        group: list[_Sealed] = []
        mine: list[Record] = []
        size = 0
        async for record in self._sealed(wanted, asked, people, after):
            size += len(record.sealed)
            is_other = bool(mine) and mine[0].subject != record.subject
            if mine and (is_other or size > PAGE_BYTES or len(mine) == _PIECE_RECORDS):
                group.append(_Sealed(people[mine[0].subject], mine))
                mine = []
                if size > PAGE_BYTES or len(group) == _GROUP:
                    yield group
                    group, size = [], len(record.sealed)
            mine.append(record)
        if mine:
            yield [*group, _Sealed(people[mine[0].subject], mine)]

    async def _sealed(
        self, wanted: StreamWanted, asked: _Asked, people: Mapping[str, Subject], after: str
    ) -> AsyncIterator[Record]:
        if not people:
            return
        query = Query(
            records(wanted.role),
            tenant=wanted.tenant,
            equals={
                "subject": tuple(people),
                "category": tuple(asked.categories),
                **({"purpose": wanted.purpose} if wanted.recorded_for_purpose_only else {}),
            },
            after=(after, after) if after else None,
            limit=_BATCH,
        )
        periods = await self._instructions.periods(wanted.tenant, asked.categories.values())
        async for record in self._ports.reader.scan(query, Record):
            is_of_this_life = record.generation == people[record.subject].generation
            if is_of_this_life and record.is_readable(periods, self._ports.clock.now()):
                yield record

    async def _opened(
        self, wanted: StreamWanted, asked: _Asked, sealed: _Sealed
    ) -> StreamPiece | None:
        """Return the piece as it may be given out at this moment; None: the person is left out."""
        before = sealed.subject
        subject = await self._ports.reader.get(
            subjects(before.role), before.tenant, before.id, Subject
        )
        if subject is None or subject.is_erased or subject.generation != before.generation:
            return None
        periods = await self._periods(subject, asked)
        if periods is None:
            return None
        now = self._ports.clock.now()
        readable = [record for record in sealed.records if record.is_readable(periods, now)]
        return StreamPiece(
            left_out=0,
            position=sealed.records[-1].id,
            who=None if wanted.is_metadata else await self._who(subject),
            reference=subject.reference,
            records=[
                Opened(record, None)
                if wanted.is_metadata
                else await self._records.opened(subject, asked.categories[record.category], record)
                for record in readable
            ],
        )

    async def _who(self, subject: Subject) -> SubjectId:
        if subject.sealed_id is None:
            raise SubjectErasedError(generation=subject.generation)
        known_as = await self._ports.keyring.unseal(subject, subject.sealed_id, SEALED_ID)
        return SubjectId.known(
            subject.role, subject.tenant, known_as.decode(), generation=subject.generation
        )

    async def _note(self, entries: Sequence[Entry]) -> None:
        await self._ports.committer.commit(Change((), entries), type(None))

    def _entry(self, call: Call, wanted: StreamWanted, subject: Subject) -> Entry:
        return new_entry(
            call,
            self._ports.ids,
            tenant=subject.tenant,
            type="record.read",
            time=self._ports.clock.now(),
            role=subject.role,
            subject=subject.reference,
            purpose=wanted.purpose,
            reason=wanted.reason,
        )


def _subject_of(position: str) -> str:
    """Return the id of the subject that *position* is of, `tenant/reference`; "" if of none."""
    return "/".join(position.split("/")[:2])
