"""Keeping the breaches: reported once, added to in versions, never edited."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from server.domain.breach.affected import Affected
from server.domain.breach.breach import (
    BREACHES,
    Breach,
    BreachState,
    Facts,
    Measure,
    Notice,
    RiskAssessment,
    RiskLevel,
    Scope,
    notices,
    snapshot_id,
)
from server.domain.catalogue.change_states import PLATFORM
from server.domain.change import Insert, Replace
from server.domain.commands import Commands, Decision
from server.domain.errors import BreachNotFoundError
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.ports import Query
from server.domain.values import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from server.domain.breach.affected import Part
    from server.domain.call import Call
    from server.domain.catalogue.catalogue import Category
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.change import Committed
    from server.domain.ledger import Entry
    from server.domain.ports import Ports, Scalar


@dataclass(frozen=True, slots=True)
class BreachChanged:
    """What the caller of a change is told, now and at a repeat: which version it made."""

    breach: str
    version: int


class Breaches:
    """Reports breaches with all their notices, adds to them, and finds them."""

    def __init__(self, ports: Ports, catalogues: Catalogues) -> None:
        """Work on *ports*, with the categories of *catalogues*."""
        self._ports = ports
        self._catalogues = catalogues
        self._affected = Affected(ports)
        self._commands = Commands(ports)

    async def report(self, call: Call, facts: Facts, scope: Scope) -> Committed[BreachChanged]:
        """Record a breach and make a notice for each affected tenant and regime, in one change.

        No breach is ever seen without its notices (S10, Art. 33(2)).

        Raises:
            TenantNotFoundError, CategoryNotFoundError: of what the scope names.
            InvalidArgumentError: the scope contradicts itself, or reaches too many tenants.
        """

        async def decide() -> Decision[BreachChanged]:
            now = self._ports.clock.now()
            categories = [await self._catalogues.category(id) for id in scope.categories]
            regimes = scope.regimes(categories)
            parts = await self._affected.parts(scope, regimes)
            breach = Breach(
                id=self._ports.ids.new(),
                tenant=PLATFORM,
                version=1,
                facts=facts,
                scope=scope,
                state=BreachState.OPEN,
                create_time=now,
                update_time=now,
                notice_count=len(parts),
                regimes=regimes,
                tenant_count=len({part.tenant for part in parts}),
                affected_count=sum(part.affected_count for part in parts),
            )
            made = [self._notice(breach, part, categories, now) for part in parts]
            return Decision(
                writes=(
                    Insert(BREACHES, breach),
                    Insert(BREACHES, breach.snapshot()),
                    *(Insert(notices(notice.role), notice) for notice in made),
                ),
                entries=(
                    await self._entry(call, "breach.reported", breach, now),
                    *await asyncio.gather(
                        *(self._notice_entry(call, breach, notice, now) for notice in made)
                    ),
                ),
                outcome=BreachChanged(breach.id, breach.version),
            )

        # Counting takes seconds where many tenants are reached, and it is then that callers repeat.
        earlier = await self._commands.earlier(call, PLATFORM, BreachChanged)
        return earlier or await self._commands.run(call, PLATFORM, BreachChanged, decide)

    async def log_measure(self, call: Call, id: str, measure: Measure) -> Committed[BreachChanged]:
        """Add *measure* to what was done.

        Raises:
            BreachNotFoundError: there is no such breach.
            BreachClosedError: it is closed.
            InvalidArgumentError: it has as many measures as it takes.
        """
        return await self._amend(
            call,
            id,
            "breach.measure_logged",
            lambda breach, now: breach.with_measure(measure, now=now),
        )

    async def assess(
        self, call: Call, id: str, *, level: RiskLevel, reasoning: str
    ) -> Committed[BreachChanged]:
        """Record how high the risk to people is; earlier assessments stay in earlier versions.

        Raises:
            BreachNotFoundError: there is no such breach.
            BreachClosedError: it is closed.
        """
        return await self._amend(
            call,
            id,
            "breach.risk_assessed",
            lambda breach, now: breach.assessed(RiskAssessment(level, reasoning, now)),
        )

    async def close(self, call: Call, id: str, *, lessons: str) -> Committed[BreachChanged]:
        """Close a breach with what was learnt from it.

        Raises:
            BreachNotFoundError: there is no such breach.
            BreachClosedError: it was closed before.
        """
        return await self._amend(
            call,
            id,
            "breach.closed",
            lambda breach, now: breach.closed(lessons=lessons, time=now),
        )

    async def get(self, id: str, *, version: int = 0) -> Breach:
        """Return a breach as it is known now, or as *version* had it.

        Raises:
            BreachNotFoundError: there is no such breach, or no such version of it.
        """
        stored = snapshot_id(id, version) if version else id
        found = await self._ports.reader.get(BREACHES, PLATFORM, stored, Breach)
        if found is None:
            raise BreachNotFoundError
        return replace(found, id=id)

    async def list(
        self, *, state: BreachState | None, after: tuple[object, str] | None, limit: int
    ) -> Sequence[Breach]:
        """Return one page of the breaches, newest first; *state* None means all."""
        equals: dict[str, Scalar] = {"is_snapshot": False}
        if state is not None:
            equals["state"] = state
        query = Query(
            BREACHES, tenant=PLATFORM, equals=equals, order="-id", after=after, limit=limit
        )
        return await self._ports.reader.find(query, Breach)

    async def acknowledged(self, breaches: Sequence[Breach]) -> Sequence[int]:
        """Return how many notices of each of *breaches* are acknowledged by now."""
        return [await self._acknowledged(breach) for breach in breaches]

    async def _acknowledged(self, breach: Breach) -> int:
        if not breach.notice_count:
            return 0
        # Counted, and not kept in the breach: a thousand tenants acknowledge within minutes, and
        # none of them should wait for another, or make a version of the breach.
        wanted: dict[str, Scalar] = {"breach": breach.id, "is_acknowledged": True}
        counts = await asyncio.gather(
            *(
                self._ports.reader.count(Query(notices(role), tenant=None, equals=wanted))
                for role in Role
            )
        )
        return sum(counts)

    async def _amend(
        self, call: Call, id: str, type: str, amended: Callable[[Breach, datetime], Breach]
    ) -> Committed[BreachChanged]:
        async def decide() -> Decision[BreachChanged]:
            now = self._ports.clock.now()
            following = amended(await self.get(id), now)
            return Decision(
                writes=(Replace(BREACHES, following), Insert(BREACHES, following.snapshot())),
                entries=(await self._entry(call, type, following, now),),
                outcome=BreachChanged(id, following.version),
            )

        return await self._commands.run(call, PLATFORM, BreachChanged, decide)

    def _notice(
        self, breach: Breach, part: Part, categories: Sequence[Category], now: datetime
    ) -> Notice:
        return Notice(
            id=f"{part.tenant}/{self._ports.ids.new(part.role)}",
            tenant=part.tenant,
            version=1,
            breach=breach.id,
            breach_version=breach.version,
            role=part.role,
            affected_count=part.affected_count,
            create_time=now,
            categories=tuple(c.id for c in categories if c.role is part.role),
        )

    async def _entry(self, call: Call, type: str, breach: Breach, now: datetime) -> Entry:
        entry = new_entry(
            call,
            self._ports.ids,
            tenant=PLATFORM,
            type=type,
            time=now,
            target=f"breaches/{breach.id}",
        )
        return await committing(self._ports.keyring, entry, breach.said())

    async def _notice_entry(
        self, call: Call, breach: Breach, notice: Notice, now: datetime
    ) -> Entry:
        entry = new_entry(
            call,
            self._ports.ids,
            tenant=notice.tenant,
            type="breach.notice_created",
            time=now,
            role=notice.role,
            target=notice.name,
        )
        return await committing(self._ports.keyring, entry, notice, breach)
