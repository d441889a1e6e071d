"""Recording interactions: what moves the day that retention is counted from (S11, S12).

Only the day is kept, in the tenant's time zone: retention needs no more, and a person who
chats all day costs one write. A second interaction of the same day therefore changes
nothing, and has no ledger entry either: an entry for each would be the very profile of
somebody's habits that day precision avoids. Its outcome is kept like any other's, so that a
repeat of the call gets the same answer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from server.domain.change import Insert, Replace
from server.domain.commands import Commands, Decision
from server.domain.errors import (
    ChatbotNotFoundError,
    DomainError,
    InvalidError,
    SubjectErasedError,
)
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.retention.activity import Activity, day_of, interactions
from server.domain.subjects import Subjects, saved
from server.domain.tenants import CHATBOTS, Chatbot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.domain.call import Call
    from server.domain.change import Committed, Write
    from server.domain.ledger import Entry
    from server.domain.ports import Ports
    from server.domain.subject import Subject
    from server.domain.tenants import Tenant, Tenants
    from server.domain.values import Role, SubjectId


@dataclass(frozen=True, slots=True)
class NewInteraction:
    """What a caller reports. `chatbot` is its id or ""; `time` None means now."""

    who: SubjectId
    chatbot: str = ""
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class InteractionRecorded:
    """What the caller of `record` is told, now and at a repeat: the subject's last day."""

    last_date: str


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """What became of one interaction of a batch: the subject's last day, or why it failed."""

    last_date: str = ""
    reason: str = ""
    message: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class BatchRecorded:
    """What the caller of `record_batch` is told, now and at a repeat, in the order asked."""

    items: tuple[ItemOutcome, ...]


@dataclass(slots=True)
class _Person:
    """A subject, its activity as it is kept, and as it will be."""

    subject: Subject
    kept: Activity | None
    current: Activity | None = None

    def __post_init__(self) -> None:
        if self.kept is not None and self.kept.generation == self.subject.generation:
            self.current = self.kept

    def include(self, day: str) -> Activity:
        if self.current is not None:
            self.current = self.current.including(day)
        else:
            self.current = Activity(
                id=self.subject.id,
                tenant=self.subject.tenant,
                subject=self.subject.id,
                generation=self.subject.generation,
                version=self.kept.version if self.kept else 0,
                first_date=day,
                last_date=day,
            )
        return self.current

    @property
    def has_moved(self) -> bool:
        return self.current is not None and self.current != self.kept

    def writes(self, entry: Entry) -> list[Write]:
        """Return what keeps the activity, which has moved, as *entry* says."""
        assert self.current is not None, "only what has moved is written"  # noqa: S101 – narrows
        activity = replace(self.current, version=self.current.version + 1)
        table = interactions(self.subject.role)
        if self.kept is not None and self.kept.generation == self.subject.generation:
            return [Replace(table, activity)]
        # The first of a life is written with its subject: an erasure at the same time then
        # conflicts, where otherwise it would leave the activity of somebody erased behind.
        known = replace(
            self.subject,
            version=self.subject.version + 1,
            entry=self.subject.entry or entry.id,
        )
        write = Insert(table, activity) if self.kept is None else Replace(table, activity)
        return [saved(known), write]


@dataclass(slots=True)
class _Intake:
    """What some interactions of one tenant and role change, while it is being found out."""

    tenant: Tenant
    now: datetime
    people: dict[str, _Person | SubjectErasedError]
    chatbots: dict[str, Chatbot | None]
    used: dict[str, str] = field(default_factory=dict[str, str])

    def take(self, new: NewInteraction, *, field: str) -> str:
        """Take *new*, whose time is in *field* of the request, in and return the last day.

        Raises:
            DomainError: it is refused, and changes nothing.
        """
        day = day_of(new.time, self.tenant.time_zone, self.now, field=field)
        person = self.people[new.who.known_as]
        if isinstance(person, SubjectErasedError):
            raise person
        person.subject.require_active(new.who, event_time=new.time)
        if new.chatbot:
            self._use(new.chatbot, new.time, day)
        return person.include(day).last_date

    def _use(self, id: str, time: datetime | None, day: str) -> None:
        chatbot = self.chatbots[id]
        if chatbot is None:
            raise ChatbotNotFoundError
        # What happened before a chatbot was deleted may arrive after.
        if chatbot.delete_time is not None and (time or self.now) > chatbot.delete_time:
            raise ChatbotNotFoundError
        self.used[id] = max(day, self.used.get(id, chatbot.last_interaction_date))

    def moved_people(self) -> list[_Person]:
        """Return whose activity is another now."""
        return [p for p in self.people.values() if isinstance(p, _Person) and p.has_moved]

    def moved_chatbots(self) -> list[Chatbot]:
        """Return the chatbots whose last day is a later one now; most often none."""
        return [
            replace(chatbot, version=chatbot.version + 1, last_interaction_date=day)
            for id, day in self.used.items()
            if (chatbot := self.chatbots[id]) is not None and day > chatbot.last_interaction_date
        ]


class Interactions:
    """Records interactions."""

    def __init__(self, ports: Ports, tenants: Tenants) -> None:
        """Work on *ports*, for *tenants*."""
        self._ports = ports
        self._tenants = tenants
        self._subjects = Subjects(ports)
        self._commands = Commands(ports)

    async def record(self, call: Call, new: NewInteraction) -> Committed[InteractionRecorded]:
        """Record one interaction; it makes the subject known.

        Raises:
            TimeInFutureError, InvalidArgumentError: of its time.
            TenantNotFoundError, ChatbotNotFoundError: of the tenant or chatbot.
            SubjectErasedError: the subject was erased; an interaction resurrects nobody.
        """

        async def decide() -> Decision[InteractionRecorded]:
            intake = await self._look(call, new.who.role, new.who.tenant, (new,))
            last_date = intake.take(new, field="interaction.interaction_time")
            writes, entries = await self._writes(call, new.who.role, intake)
            return Decision(writes, entries, InteractionRecorded(last_date))

        return await self._commands.run(call, new.who.tenant, InteractionRecorded, decide)

    async def record_batch(
        self, call: Call, role: Role, tenant: str, news: Sequence[NewInteraction]
    ) -> Committed[BatchRecorded]:
        """Record the interactions *news* of one tenant and role in one change, each by itself.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """

        async def decide() -> Decision[BatchRecorded]:
            intake = await self._look(call, role, tenant, news)
            items = tuple(_outcome(intake, new) for new in news)
            writes, entries = await self._writes(call, role, intake)
            return Decision(writes, entries, BatchRecorded(items))

        committed = await self._commands.run(call, tenant, BatchRecorded, decide)
        # The call is about many: the log line must not name the one that was looked up last.
        call.notes.pop("subject", None)
        return committed

    async def _look(
        self, call: Call, role: Role, tenant: str, news: Sequence[NewInteraction]
    ) -> _Intake:
        now = self._ports.clock.now()
        people = {new.who.known_as: replace(new.who, generation=0) for new in news}
        chatbots = {new.chatbot for new in news if new.chatbot}
        found_tenant, found_people, found_chatbots = await asyncio.gather(
            self._tenants.get(tenant),
            asyncio.gather(*(self._person(call, role, who, now) for who in people.values())),
            asyncio.gather(*(self._chatbot(tenant, id) for id in chatbots)),
        )
        return _Intake(
            tenant=found_tenant,
            now=now,
            people=dict(zip(people, found_people, strict=True)),
            chatbots=dict(zip(chatbots, found_chatbots, strict=True)),
        )

    async def _person(
        self, call: Call, role: Role, who: SubjectId, now: datetime
    ) -> _Person | SubjectErasedError:
        try:
            subject = await self._subjects.open(call, who, now=now)
        except SubjectErasedError as error:
            return error
        kept = await self._ports.reader.get(interactions(role), who.tenant, subject.id, Activity)
        return _Person(subject, kept)

    async def _chatbot(self, tenant: str, id: str) -> Chatbot | None:
        return await self._ports.reader.get(CHATBOTS, tenant, f"{tenant}/{id}", Chatbot)

    async def _writes(
        self, call: Call, role: Role, intake: _Intake
    ) -> tuple[Sequence[Write], Sequence[Entry]]:
        tenant, keyring = intake.tenant.id, self._ports.keyring
        writes: list[Write] = []
        entries: list[Entry] = []
        for person in intake.moved_people():
            entry = new_entry(
                call,
                self._ports.ids,
                tenant=tenant,
                type="interaction.recorded",
                time=intake.now,
                role=role,
                subject=person.subject.reference,
            )
            writes += person.writes(entry)
            subject = person.subject
            entries.append(await committing(keyring, entry, person.current, subject=subject))
        for chatbot in intake.moved_chatbots():
            writes.append(Replace(CHATBOTS, chatbot))
            entry = new_entry(
                call,
                self._ports.ids,
                tenant=tenant,
                type="chatbot.used",
                time=intake.now,
                target=f"tenants/{tenant}/chatbots/{chatbot.chatbot}",
            )
            entries.append(await committing(keyring, entry, chatbot))
        return writes, entries


def _outcome(intake: _Intake, new: NewInteraction) -> ItemOutcome:
    try:
        return ItemOutcome(last_date=intake.take(new, field="interaction_time"))
    except DomainError as error:
        path = error.violations[0].field if isinstance(error, InvalidError) else ""
        return ItemOutcome(reason=error.reason, message=error.message, field=path)
