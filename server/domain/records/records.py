"""Records: kept for a purpose, given back for a purpose, and deleted.

A put leaves the document of a known subject alone, so that puts about one person don't wait
for each other. It can therefore be decided before an erasure and committed after it. Why
that brings nobody back, and tells nobody "kept" of what can't be read:

- It is sealed under the key of the life that it was decided for. An erasure destroys the one
  copy of that key, and a later life has another.
- Its id and `generation` are of that life. It replaces nothing of a later one; a reading asks
  for the current generation; and the purge of an ended life, which is repeated when all that
  was decided before the erasure is settled (`erasure.SETTLING`), deletes it.
- Decided again, because somebody else was first, it is still for the life that it was first
  decided for: it doesn't slip into the next one.
- After its commit the subject is read once more. If that life is over, the caller is told so.
  If it isn't, the record was durable and readable at that moment, and an erasure that comes
  later ends something that was kept.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from server.domain.change import Delete, Insert, Replace
from server.domain.commands import Commands, Decision
from server.domain.consent.processing import VerdictReason, judge
from server.domain.errors import (
    CategoryNotInPurposeError,
    InstructionMissingError,
    ProcessingNotAllowedError,
    RecordNotFoundError,
)
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.ports import Query
from server.domain.records.minimisation import (
    canonical,
    in_category,
    parsed,
    require_fields,
    require_in_purpose,
)
from server.domain.records.record import (
    NewRecord,
    Opened,
    Reading,
    Record,
    RecordPut,
    Wanted,
    record_id,
    records,
    seal_context,
)
from server.domain.subjects import Subjects, saved

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from server.domain.call import Call
    from server.domain.catalogue.catalogue import Category, Purpose
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.catalogue.instructions import Instructions
    from server.domain.change import Committed, Write
    from server.domain.ledger import Entry
    from server.domain.ports import Ports
    from server.domain.subject import Subject
    from server.domain.values import SubjectId

PAGE_BYTES = 512 * 1024
"""Most ciphertext in one page, so that what is returned stays a message that clients accept."""

_BATCH = 50
"""Records that are read at a time, so that a page of large ones is never in memory as a whole."""


class Records:
    """Puts, reads and deletes records."""

    def __init__(self, ports: Ports, catalogues: Catalogues, instructions: Instructions) -> None:
        """Work on *ports*, with the purposes of *catalogues*, as *instructions* allow."""
        self._ports = ports
        self._catalogues = catalogues
        self._instructions = instructions
        self._subjects = Subjects(ports)
        self._commands = Commands(ports)

    async def put(self, call: Call, new: NewRecord) -> Committed[RecordPut]:
        """Keep *new*, in place of the record with the same category and key if there is one.

        Raises:
            TenantNotFoundError, PurposeNotFoundError, CategoryNotFoundError: of what is named.
            DomainError: what `require_in_purpose` and `require_fields` refuse.
            InstructionMissingError: the tenant hasn't instructed to collect the category.
            SubjectErasedError: the life that it was meant for is over.
            ProcessingNotAllowedError: the verdict on the purpose is "no".
        """
        purpose = await self._catalogues.purpose(new.purpose)
        category = await self._catalogues.category(new.category)
        who, period = new.who, 0

        async def decide() -> Decision[RecordPut]:
            nonlocal who, period
            now = self._ports.clock.now()
            require_in_purpose(purpose, category, who.role, now)
            require_fields(new.fields, category)
            subject = await self._subjects.open(call, who, now=now)
            who = replace(who, generation=subject.generation)
            period = await self._instructions.require(who.tenant, category)
            self.require_allowed(purpose, subject, now, instructed=(category.id,))
            entry = self.entry(
                call, "record.put", subject, now, purpose=purpose.id, category=category.id
            )
            version = {"purpose_version": purpose.version}
            entry = await committing(self._ports.keyring, entry, new, version, subject=subject)
            return Decision(
                writes=(
                    *_made_known(subject, entry),
                    await self._kept(new, purpose, subject, now, period=period),
                ),
                entries=(entry,),
                outcome=RecordPut(now, subject.generation),
            )

        committed = await self._commands.run(call, who.tenant, RecordPut, decide)
        if not committed.repeated:
            await self._require_alive(call, who)
            # The same for the instruction: what came too late is erased with the rest.
            if await self._instructions.require(who.tenant, category) != period:
                raise InstructionMissingError(category=category.id)
        return committed

    async def read(self, call: Call, wanted: Wanted) -> Reading:
        """Return one page of records, by category and key, once the ledger tells of it.

        Raises:
            TenantNotFoundError, PurposeNotFoundError, CategoryNotFoundError,
                SubjectNotFoundError: of what is named.
            CategoryNotInPurposeError: the purpose doesn't need a category that is asked for.
            InstructionMissingError: the tenant hasn't instructed, or no longer instructs, to
                collect a category that is asked for. Where none is named, it is left out.
            SubjectErasedError: the subject was erased, or the life asked for is over.
            ProcessingNotAllowedError: the verdict on the purpose is "no".
            SealedContentCorruptError: a record isn't what was sealed.
            StorageUnavailableError: the ledger entry can't be written; nothing is returned.
        """
        purpose = await self._catalogues.purpose(wanted.purpose)
        categories = await self._categories(wanted, purpose)
        found = await self._subjects.require(call, wanted.who, freshness=wanted.freshness)
        subject = found.require_active(wanted.who)
        now = self._ports.clock.now()
        periods = await self._instructions.periods(
            subject.tenant, categories.values(), freshness=wanted.freshness
        )
        for id in wanted.categories:
            if id not in periods:
                raise InstructionMissingError(category=id)
        self.require_allowed(purpose, subject, now, instructed=periods)
        page, has_more = await self._page(subject, wanted, periods)
        opened = [
            Opened(r, None)
            if wanted.is_metadata
            else await self.opened(subject, categories[r.category], r)
            for r in page
        ]
        entry = self.entry(
            call, "record.read", subject, now, purpose=purpose.id, reason=wanted.reason
        )
        await self._commands.note(entry)
        return Reading(opened, has_more, entry.id)

    async def delete(
        self, call: Call, who: SubjectId, *, category: str, key: str
    ) -> Committed[None]:
        """Delete one record.

        Raises:
            TenantNotFoundError: there is no such tenant.
            RecordNotFoundError: the subject has no such record, or isn't known at all.
            SubjectErasedError: the subject was erased, or the life asked for is over.
            ProcessingNotAllowedError: the subject's data is restricted.
        """

        async def decide() -> Decision[None]:
            found = await self._subjects.find(call, who)
            if found is None:
                raise RecordNotFoundError
            subject = found.require_active(who)
            now = self._ports.clock.now()
            record = await self._record(subject, category, key)
            if record is None or record.is_expired(now):
                raise RecordNotFoundError
            if subject.restriction:
                # Restricted data may only be stored: whoever restricted it may need it (Art. 18).
                raise ProcessingNotAllowedError(reasons=VerdictReason.RESTRICTION)
            entry = self.entry(
                call, "record.deleted", subject, now, purpose=record.purpose, category=category
            )
            entry = await committing(self._ports.keyring, entry, record, subject=subject)
            return Decision(
                writes=(Delete(records(who.role), record),), entries=(entry,), outcome=None
            )

        return await self._commands.run(call, who.tenant, type(None), decide)

    async def opened(self, subject: Subject, category: Category, record: Record) -> Opened:
        """Return *record* of *subject* with what its *category* has of fields now, in clear."""
        context = seal_context(record.category, record.key)
        content = await self._ports.keyring.unseal(subject, record.sealed, context)
        return Opened(record, in_category(parsed(content), category))

    def require_allowed(
        self, purpose: Purpose, subject: Subject, now: datetime, *, instructed: Collection[str]
    ) -> None:
        """Do nothing if data of *subject* may be processed for *purpose*, as *instructed*.

        Raises:
            ProcessingNotAllowedError: the verdict is "no".
        """
        known, catalogue = subject if subject.version else None, self._catalogues.current
        verdict = judge(purpose, catalogue, known, subject.role, now, instructed=instructed)
        verdict.require_allowed()

    async def _require_alive(self, call: Call, who: SubjectId) -> None:
        """Do nothing if the life that *who* names goes on."""
        (await self._subjects.require(call, who)).require_active(who)

    async def _kept(
        self, new: NewRecord, purpose: Purpose, subject: Subject, now: datetime, *, period: int
    ) -> Write:
        before = await self._record(subject, new.category, new.key) if subject.version else None
        context = seal_context(new.category, new.key)
        record = Record(
            id=record_id(subject, new.category, new.key),
            tenant=subject.tenant,
            version=before.version + 1 if before else 1,
            subject=subject.id,
            generation=subject.generation,
            category=new.category,
            key=new.key,
            purpose=purpose.id,
            purpose_version=purpose.version,
            # What has expired is gone for callers: nothing of it is gone on with.
            create_time=before.create_time if before and not before.is_expired(now) else now,
            update_time=now,
            sealed=await self._ports.keyring.seal(subject, canonical(new.fields), context),
            source=new.source,
            mandate=period,
            expire_time=new.expire_time,
        )
        table = records(subject.role)
        return Replace(table, record) if before else Insert(table, record)

    async def _record(self, subject: Subject, category: str, key: str) -> Record | None:
        id = record_id(subject, category, key)
        return await self._ports.reader.get(records(subject.role), subject.tenant, id, Record)

    async def _categories(self, wanted: Wanted, purpose: Purpose) -> dict[str, Category]:
        for id in wanted.categories:
            await self._catalogues.category(id)
            if id not in purpose.categories:
                raise CategoryNotInPurposeError(purpose=purpose.id, category=id)
        asked = wanted.categories or purpose.categories
        return {id: await self._catalogues.category(id) for id in asked}

    async def _page(
        self, subject: Subject, wanted: Wanted, periods: Mapping[str, int]
    ) -> tuple[list[Record], bool]:
        """Return the records of one page, and whether there are more: at least one fits.

        *periods* are the categories, each with the period in which it is collected.
        """
        query = Query(
            records(subject.role),
            tenant=subject.tenant,
            equals={
                "subject": subject.id,
                "generation": subject.generation,
                "category": tuple(periods),
                **({"key": wanted.keys} if wanted.keys else {}),
            },
            after=wanted.after,
            limit=min(wanted.size + 1, _BATCH),
        )
        page: list[Record] = []
        room, now = PAGE_BYTES, self._ports.clock.now()
        async for record in self._ports.reader.scan(query, Record):
            if not record.is_readable(periods, now):
                continue
            room -= len(record.sealed)
            if page and (room < 0 or len(page) == wanted.size):
                return page, True
            page.append(record)
        return page, False

    def entry(
        self,
        call: Call,
        type: str,
        subject: Subject,
        now: datetime,
        *,
        purpose: str,
        category: str = "",
        reason: str = "",
    ) -> Entry:
        """Return the entry of a *type* that says what *call* did with records of *subject*."""
        return new_entry(
            call,
            self._ports.ids,
            tenant=subject.tenant,
            type=type,
            time=now,
            role=subject.role,
            subject=subject.reference,
            purpose=purpose,
            reason=reason,
            target=f"categories/{category}" if category else "",
        )


def _made_known(subject: Subject, entry: Entry) -> tuple[Write, ...]:
    """Return what makes a new subject known with its first record; nothing for a known one."""
    if subject.version:
        return ()
    return (saved(replace(subject, version=1, entry=entry.id)),)
