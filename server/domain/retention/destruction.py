"""Destroying what a sweep has planned: one person at a time, looked at again right before."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, cast
from weakref import WeakValueDictionary

from server.domain.catalogue.catalogue import Anchor
from server.domain.change import Change, Delete, Replace, Table
from server.domain.commands import MAX_ATTEMPTS
from server.domain.errors import ConflictError, DomainError, StorageUnavailableError
from server.domain.ports import Query
from server.domain.retention.activity import Activity, interactions, last_day
from server.domain.retention.retention import counted_from, cutoff_date, is_kept, use_of
from server.domain.retention.sweep import Fate
from server.domain.subject import Subject
from server.domain.subjects import subjects
from server.domain.tenants import CHATBOTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from server.domain.call import Call
    from server.domain.catalogue.catalogue import RetentionRule
    from server.domain.change import Write
    from server.domain.ports import Ports
    from server.domain.retention.anchors import Anchors
    from server.domain.retention.sweep import Sweep, SweepSlice, TenantCount
    from server.domain.rights.erasure import Erasures
    from server.domain.tenants import Chatbot, Roster
    from server.domain.values import Role


class Order(NamedTuple):
    """What is to be done, and on what authority; `planned` are the tenant's counts."""

    call: Call
    sweep: Sweep
    planned: TenantCount

    @property
    def role(self) -> Role:
        """Whose data it is about."""
        return self.sweep.role

    @property
    def tenant(self) -> str:
        """Whose people it is about."""
        return self.planned.tenant


class Seen(NamedTuple):
    """What a decision to destroy somebody rests on, at the versions that were read.

    `roster` tells whether chatbots have been added since, where they matter.
    """

    rule: RetentionRule
    subject: Subject
    activity: Activity | None
    chatbots: Sequence[Chatbot] = ()
    roster: Roster | None = None

    @property
    def own_day(self) -> str:
        """The subject's own last day, or ""."""
        return last_day(self.activity, self.subject.generation)

    def held(self) -> list[Write]:
        """Return the writes that fail if any of it but the subject has changed since.

        An activity goes with its subject; chatbots are written back as they are.
        """
        writes: list[Write] = [
            Replace(CHATBOTS, replace(chatbot, version=chatbot.version + 1))
            for chatbot in self.chatbots
        ]
        if self.roster is not None:
            writes.append(self.roster.changed())
        if self.activity is not None:
            writes.append(Delete(interactions(self.subject.role), self.activity))
        return writes


class Destruction:
    """Ends the lives of planned subjects, each by one change, and nobody's twice.

    Rule and anchors are looked at again right before, and the change holds on to what was seen:
    it deletes the activity, and replaces the subject, at the very versions that were read. An
    interaction that arrives in between changes one of them, so the change fails, and the
    person is looked at anew. Where a period is counted from chatbots, their documents and the
    tenant's roster are written back at the versions read, for the same reason. Nobody is
    destroyed whose anchor says no at the moment of the commit. A rule that is changed in the
    milliseconds between the look and the commit holds for the next person.
    """

    def __init__(self, ports: Ports, anchors: Anchors, erasures: Erasures) -> None:
        """Work on *ports*: look with *anchors*, and end lives with *erasures*."""
        self._ports = ports
        self._anchors = anchors
        self._erasures = erasures
        self._turns = WeakValueDictionary[str, asyncio.Lock]()

    async def destroy(
        self, call: Call, sweep: Sweep, count: TenantCount, planned: SweepSlice
    ) -> dict[str, Fate]:
        """Destroy whoever of *planned* is still due: reference → what became of the subject.

        Raises:
            StorageUnavailableError: the database can't confirm; nobody knows, and a later look
                tells.
        """
        rule, order = await self._anchors.rule_now(sweep.role), Order(call, sweep, count)
        lives = planned.generations.items()
        if rule.anchor is not Anchor.LAST_INTERACTION:
            # Each writes the same chatbots: side by side they would only be in each other's way.
            turn = self._turns.setdefault(count.tenant, asyncio.Lock())
            async with turn:
                return {life[0]: await self._fate(order, *life) for life in lives}
        seen = await self._look_at_all(order, rule, list(planned.generations))
        fates = await asyncio.gather(
            *(self._fate(order, *life, seen=seen.get(life[0])) for life in lives),
            return_exceptions=True,
        )
        # Those in hand are finished first, whatever became of one of them.
        for fate in fates:
            if isinstance(fate, BaseException):
                raise fate
        return dict(zip(planned.generations, cast("list[Fate]", fates), strict=True))

    def is_due(self, order: Order, seen: Seen) -> bool:
        """Tell whether what was *seen* is to be destroyed: by the plan, and by the rule in force.

        A restriction stands against it: the person may need the data (Art. 18(1)(b), (c)). So
        does a directive in effect that keeps it.
        """
        day = counted_from(seen.rule.anchor, seen.own_day, use_of(seen.chatbots)).day
        now_due = cutoff_date(seen.rule, self._ports.clock.now(), order.planned.time_zone)
        is_over = bool(day) and day <= min(order.planned.cutoff_date, now_due)
        zone = order.planned.time_zone
        kept = is_kept(seen.subject.keep_until_date, self._ports.clock.now(), zone)
        return is_over and not kept and not seen.subject.restriction

    async def _fate(
        self, order: Order, reference: str, generation: int, seen: Seen | None = None
    ) -> Fate:
        try:
            return await self._destroy(order, reference, generation, seen)
        except StorageUnavailableError:
            raise
        except DomainError:
            return Fate.FAILED

    async def _destroy(
        self, order: Order, reference: str, generation: int, seen: Seen | None
    ) -> Fate:
        for _ in range(MAX_ATTEMPTS):
            rule = await self._anchors.rule_now(order.role)
            if seen is None or seen.rule != rule:
                seen = await self._look(order, rule, reference)
            if seen is None or seen.subject.is_erased or seen.subject.generation != generation:
                return await self._fate_of_ended(order, reference, generation)
            if not self.is_due(order, seen):
                return Fate.SKIPPED
            try:
                await self._end(order, seen)
            except ConflictError:
                seen = None
            else:
                return Fate.DESTROYED
        return Fate.FAILED

    async def _end(self, order: Order, seen: Seen) -> None:
        ended = self._erasures.of(
            order.call,
            seen.subject,
            time=self._ports.clock.now(),
            reason=f"the period of retentionRules/{seen.rule.id} is over",
            cause=order.sweep.name,
        )
        change = Change([*ended.writes, *seen.held()], ended.entries)
        await self._ports.committer.commit(change, type(None))

    async def _fate_of_ended(self, order: Order, reference: str, generation: int) -> Fate:
        """Tell who ended that life: this sweep, before it was interrupted, or somebody else."""
        id = f"{order.tenant}/{reference}"
        erasure = await self._erasures.find(order.role, order.tenant, id, generation)
        by_this = erasure is not None and erasure.cause == order.sweep.name
        return Fate.DESTROYED if by_this else Fate.SKIPPED

    async def _look(self, order: Order, rule: RetentionRule, reference: str) -> Seen | None:
        role, tenant, id = order.role, order.tenant, f"{order.tenant}/{reference}"
        # First of all: a chatbot that is added while the others are read must not be missed.
        roster = await self._anchors.roster(rule, tenant)
        subject, activity, chatbots = await asyncio.gather(
            self._ports.reader.get(subjects(role), tenant, id, Subject),
            self._anchors.activity(role, tenant, id),
            self._anchors.chatbots(rule, tenant),
        )
        if subject is None:
            return None
        return Seen(rule, subject, activity, chatbots, roster)

    async def _look_at_all(
        self, order: Order, rule: RetentionRule, references: Sequence[str]
    ) -> Mapping[str, Seen]:
        """Return what is known of each, in two reads, where chatbots don't matter."""
        role, ids = order.role, tuple(f"{order.tenant}/{each}" for each in references)

        def asked(table: Table) -> Query:
            return Query(table, tenant=order.tenant, equals={"id": ids}, limit=len(ids))

        found, activities = await asyncio.gather(
            self._ports.reader.find(asked(subjects(role)), Subject),
            self._ports.reader.find(asked(interactions(role)), Activity),
        )
        by_id = {activity.id: activity for activity in activities}
        return {each.reference: Seen(rule, each, by_id.get(each.id)) for each in found}
