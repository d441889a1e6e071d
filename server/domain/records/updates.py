"""Fields of records changed, of one person or of many; each record by itself (Art. 5(1)(d), 16).

As in a batch of puts, every record is a change of its own with a request id derived from the
call's, and the call's own id is taken first. So a repeat, also after a crash in the middle,
changes nothing twice: what was changed is counted again, what was not is tried again, and what
was put after the first call isn't touched. At the end the outcome as a whole is kept.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from server.domain.change import Change, Committed, Replace
from server.domain.commands import Commands, Decision
from server.domain.errors import (
    DomainError,
    FieldNotInCategoryError,
    InvalidError,
    RecordNotFoundError,
    StorageUnavailableError,
    SubjectErasedError,
    TenantNotFoundError,
    Violation,
)
from server.domain.ledger.commitment import committing
from server.domain.ports import Query
from server.domain.records.minimisation import (
    canonical,
    field_path,
    require_fields,
    require_in_purpose,
    require_purpose,
)
from server.domain.records.record import Record, Source, records, seal_context
from server.domain.subject import Subject
from server.domain.subjects import Subjects, subjects
from server.domain.tenants import TENANTS, Tenant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from server.domain.call import Call
    from server.domain.catalogue.catalogue import Category
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.catalogue.instructions import Instructions
    from server.domain.ports import Ports, Scalar
    from server.domain.records.minimisation import Json
    from server.domain.records.records import Records
    from server.domain.values import Role, SubjectId

BATCH = 50
"""Records that are changed beside each other, and most that are in memory."""

MAX_FAILURES = 1000
"""How many failures are told one by one; all are counted."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The new values of some fields, the others staying as they are.

    Shapes:
        mask: `source`, `expire_time`, `fields`, or `fields.name`; only what it names is changed.
            `fields` is all of them; one that it names and that has no value is taken out.
        fields: new values, also of such as the mask doesn't name.
    """

    mask: frozenset[str]
    fields: dict[str, Json] = field(repr=False)
    source: Source = Source.UNSPECIFIED
    expire_time: datetime | None = None

    @property
    def names(self) -> frozenset[str]:
        """The names of the fields that are changed one by one."""
        return frozenset(
            path.removeprefix("fields.") for path in self.mask if path.startswith("fields.")
        )

    def of(self, before: dict[str, Json]) -> dict[str, Json]:
        """Return the fields that were *before* as they are to be."""
        if "fields" in self.mask:
            return self.fields
        kept = {name: value for name, value in before.items() if name not in self.names}
        return kept | {name: self.fields[name] for name in self.names if name in self.fields}


@dataclass(frozen=True, slots=True)
class UpdateWanted:
    """Which records to change, and how: all that fits what isn't empty."""

    tenant: str
    role: Role
    purpose: str
    changes: Changes
    who: SubjectId | None = None
    category: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class UpdateFailure:
    """A record that was not changed, and why as a call of its own would be refused."""

    reference: str
    category: str
    key: str
    reason: str
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class RecordsUpdated:
    """What the caller of `update` is told, now and at a repeat."""

    updated: int
    failed: int
    failures: tuple[UpdateFailure, ...]


@dataclass(frozen=True, slots=True)
class UpdateBegun:
    """What the request id of an update stands for: only what was there at *time* is changed."""

    time: datetime


@dataclass(frozen=True, slots=True)
class RecordUpdated:
    """What became of one record."""

    time: datetime


class RecordUpdates:
    """Changes fields of records that are there."""

    def __init__(
        self, ports: Ports, catalogues: Catalogues, instructions: Instructions, records: Records
    ) -> None:
        """Change what *records* has put, by *catalogues*, as *instructions* allow."""
        self._ports = ports
        self._catalogues = catalogues
        self._instructions = instructions
        self._records = records
        self._subjects = Subjects(ports)
        self._commands = Commands(ports)

    async def update(self, call: Call, wanted: UpdateWanted) -> Committed[RecordsUpdated]:
        """Change what is *wanted*, each record by itself; the outcome lists what was not.

        Raises:
            TenantNotFoundError, PurposeNotFoundError, CategoryNotFoundError,
                SubjectNotFoundError: of what is named.
            DomainError: what `require_in_purpose` refuses; FieldNotInCategoryError of the
                category that is named; of the person that is named, why nothing may be changed.
            InstructionMissingError: of the category that is named.
            RequestIdReusedError: the request id belongs to another call.
        """
        end = self._part(call, "end")
        begun = await self._begin(call, wanted)
        earlier = await self._commands.earlier(end, wanted.tenant, RecordsUpdated)
        if earlier is not None:
            return earlier
        updated, failures = 0, list[tuple[Record, DomainError]]()
        failed, is_final = 0, True
        async for batch in self._batches(wanted, begun):
            told = await asyncio.gather(*(self._one(call, wanted, record) for record in batch))
            for record, error in zip(batch, told, strict=True):
                if error is None:
                    updated += 1
                elif not isinstance(error, RecordNotFoundError):
                    failed += 1
                    # A repeat tries again what the database couldn't confirm.
                    is_final = is_final and not isinstance(error, StorageUnavailableError)
                    failures.append((record, error))
                    del failures[MAX_FAILURES:]
        outcome = RecordsUpdated(updated, failed, tuple(_failure(*each) for each in failures))

        async def decide() -> Decision[RecordsUpdated]:
            return Decision((), (), outcome)

        if is_final:
            return await self._commands.run(end, wanted.tenant, RecordsUpdated, decide)
        last = await self._ports.committer.commit(Change((), ()), type(None))
        return Committed(outcome, last.token)

    async def _begin(self, call: Call, wanted: UpdateWanted) -> datetime:
        """Return when the call was first made; take its request id if this is the first time."""

        async def decide() -> Decision[UpdateBegun]:
            found = await self._ports.reader.get(TENANTS, wanted.tenant, wanted.tenant, Tenant)
            if found is None:
                raise TenantNotFoundError
            call.notes["tenant"] = wanted.tenant
            purpose = await self._catalogues.purpose(wanted.purpose)
            now = self._ports.clock.now()
            periods: dict[str, int] = {}
            if wanted.category:
                category = await self._catalogues.category(wanted.category)
                require_in_purpose(purpose, category, wanted.role, now)
                _require_names(wanted.changes, category)
                periods[category.id] = await self._instructions.require(wanted.tenant, category)
            else:
                require_purpose(purpose, wanted.role, now)
                categories = [await self._catalogues.category(id) for id in purpose.categories]
                periods |= await self._instructions.periods(wanted.tenant, categories)
            if wanted.who is not None:
                found_subject = await self._subjects.require(call, wanted.who)
                subject = found_subject.require_active(wanted.who)
                self._records.require_allowed(purpose, subject, now, instructed=periods)
            return Decision((), (), UpdateBegun(now))

        begun = await self._commands.run(call, wanted.tenant, UpdateBegun, decide)
        return begun.outcome.time

    async def _batches(
        self, wanted: UpdateWanted, begun: datetime
    ) -> AsyncIterator[Sequence[Record]]:
        """Yield the records that are wanted and were there when the call was *begun*."""
        equals: dict[str, Scalar] = {"purpose": wanted.purpose}
        if wanted.who is not None:
            reference = await self._ports.keyring.reference(wanted.who)
            equals["subject"] = f"{wanted.tenant}/{reference}"
        if wanted.category:
            equals["category"] = wanted.category
        if wanted.key:
            equals["key"] = wanted.key
        query = Query(records(wanted.role), wanted.tenant, equals=equals, limit=BATCH)
        batch: list[Record] = []
        async for record in self._ports.reader.scan(query, Record):
            if record.create_time <= begun and not record.is_expired(begun):
                batch.append(record)
            if len(batch) == BATCH:
                yield batch
                batch = []
        yield batch

    async def _one(self, call: Call, wanted: UpdateWanted, record: Record) -> DomainError | None:
        """Change *record*; return why not, and RecordNotFoundError if it is gone meanwhile."""
        own = self._part(call, record.id)
        purpose = await self._catalogues.purpose(wanted.purpose)
        category = await self._catalogues.category(record.category)

        async def decide() -> Decision[RecordUpdated]:
            now = self._ports.clock.now()
            before = await self._ports.reader.get(
                records(wanted.role), record.tenant, record.id, Record
            )
            if before is None or before.is_expired(now) or before.purpose != wanted.purpose:
                raise RecordNotFoundError
            subject = await self._subject(before, wanted.role)
            require_in_purpose(purpose, category, wanted.role, now)
            period = await self._instructions.require(wanted.tenant, category)
            if before.mandate not in (0, period):
                raise RecordNotFoundError  # It is put up for erasure.
            self._records.require_allowed(purpose, subject, now, instructed=(category.id,))
            opened = await self._records.opened(subject, category, before)
            fields = wanted.changes.of(opened.fields or {})
            require_fields(fields, category)
            changes = wanted.changes
            after = replace(
                before,
                version=before.version + 1,
                purpose_version=purpose.version,
                update_time=now,
                source=changes.source if "source" in changes.mask else before.source,
                expire_time=(
                    changes.expire_time if "expire_time" in changes.mask else before.expire_time
                ),
                sealed=await self._ports.keyring.seal(
                    subject, canonical(fields), seal_context(before.category, before.key)
                ),
            )
            entry = self._records.entry(
                own, "record.updated", subject, now, purpose=purpose.id, category=category.id
            )
            entry = await committing(
                self._ports.keyring, entry, {"fields": fields}, after, subject=subject
            )
            return Decision((Replace(records(wanted.role), after),), (entry,), RecordUpdated(now))

        try:
            committed = await self._commands.run(own, wanted.tenant, RecordUpdated, decide)
            if not committed.repeated:
                # As with a put: what an erasure or a revocation overtook wasn't changed.
                await self._subject(record, wanted.role)
                await self._instructions.require(wanted.tenant, category)
        except DomainError as error:
            return error
        return None

    async def _subject(self, record: Record, role: Role) -> Subject:
        """Return whom *record* is about, in the life that it belongs to.

        Raises:
            SubjectErasedError: that life is over.
        """
        found = await self._ports.reader.get(subjects(role), record.tenant, record.subject, Subject)
        if found is None or found.is_erased or found.generation != record.generation:
            raise SubjectErasedError(generation=record.generation)
        return found

    def _part(self, call: Call, of: str) -> Call:
        """Return the call that does the part *of* the whole."""
        name = self._ports.keyring.fingerprint(of.encode())
        return replace(
            call,
            request_id=f"{call.request_id}#{name.hex()}",
            content=self._ports.keyring.fingerprint(call.content) + name,
            notes={},
        )


def _require_names(changes: Changes, category: Category) -> None:
    """Do nothing if *category* has every field that *changes* has.

    Raises:
        FieldNotInCategoryError: it hasn't.
    """
    given = set(changes.names)
    if "fields" in changes.mask:
        given.update(changes.fields)
    strange = given - {each.name for each in category.fields}
    if strange:
        rule = f"is no field of {category.id}"
        raise FieldNotInCategoryError(
            tuple(Violation(field_path(name), rule) for name in sorted(strange))
        )


def _failure(record: Record, error: DomainError) -> UpdateFailure:
    first = error.violations[0] if isinstance(error, InvalidError) else None
    return UpdateFailure(
        reference=record.subject.partition("/")[2],
        category=record.category,
        key=record.key,
        reason=error.reason,
        message=f"{first.field}: {first.rule}" if first else error.message,
        field=first.field if first else "",
    )
