"""Sweeps: planned and looked at, and only then executed (S11, S12, Art. 5(1)(e))."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.domain.catalogue.change_states import PLATFORM
from server.domain.change import Insert, Replace
from server.domain.commands import Commands, Decision
from server.domain.errors import (
    BlastRadiusExceededError,
    CertificateNotFoundError,
    PlanHashMismatchError,
    SweepNotFoundError,
)
from server.domain.identifiers import role_of
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.ports import Query
from server.domain.retention.sweep import Sweep, SweepState, sweeps
from server.domain.values import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from server.domain.call import Call
    from server.domain.change import Committed
    from server.domain.ledger import Entry
    from server.domain.ports import Ports
    from server.domain.retention.execution import Execution
    from server.domain.retention.planning import Planning
    from server.domain.values import Role

CERTIFICATE_TYPE = "sweep-certificate+jwt"
"""The `typ` of a certificate's header."""


@dataclass(frozen=True, slots=True)
class ExecutionAsked:
    """What is kept of a call of `execute`: which sweep it was; it streams how that stands."""

    sweep: str


class Sweeps:
    """Plans sweeps, executes them, and certifies what they did."""

    def __init__(self, ports: Ports, planning: Planning, execution: Execution) -> None:
        """Work on *ports*: plan with *planning*, and destroy with *execution*."""
        self._ports = ports
        self._planning = planning
        self._execution = execution
        self._commands = Commands(ports)

    async def plan(self, call: Call, role: Role, only_tenant: str) -> Committed[Sweep]:
        """Work out whom a sweep of *role* would destroy now, of one tenant or of all ("").

        Raises:
            TenantNotFoundError: there is no such tenant.
            RetentionRuleNotFoundError: the catalogue has no rule for the role.
        """
        earlier = await self._commands.earlier(call, only_tenant, Sweep)
        if earlier is not None:
            return earlier
        planned = await self._planning.plan(call, role, only_tenant)

        async def decide() -> Decision[Sweep]:
            entry = _entry(call, self._ports, "retention.sweep_planned", planned)
            entry = await committing(self._ports.keyring, entry, planned)
            return Decision((Insert(sweeps(role), planned),), (entry,), planned)

        committed = await self._commands.run(call, only_tenant, Sweep, decide)
        if committed.repeated:
            await self._planning.discard(call, planned)
        return committed

    async def get(self, id: str) -> Sweep:
        """Return the sweep *id*.

        Raises:
            SweepNotFoundError: there is none.
        """
        try:
            role = role_of(id)
        except InvalidValueError:
            raise SweepNotFoundError from None
        found = await self._ports.reader.get(sweeps(role), PLATFORM, id, Sweep)
        if found is None:
            raise SweepNotFoundError
        return found

    async def list(
        self, role: Role, *, after: tuple[object, str] | None, limit: int
    ) -> Sequence[Sweep]:
        """Return one page of the sweeps of *role*, newest first."""
        query = Query(sweeps(role), tenant=PLATFORM, order="-id", after=after, limit=limit)
        return await self._ports.reader.find(query, Sweep)

    async def execute(
        self, call: Call, id: str, *, plan_hash: str, limit: int
    ) -> AsyncGenerator[Sweep]:
        """Execute what was planned, or go on with it, yielding the sweep as it stands.

        The last one yielded has ended. A sweep that has ended before is yielded once. When
        the caller stops listening, the sweep stops after the subjects in hand; another call
        goes on with it, as after a crash.

        Raises:
            SweepNotFoundError: there is none.
            PlanHashMismatchError: *plan_hash* isn't the plan's.
            BlastRadiusExceededError: more than *limit* subjects are planned.
            StorageUnavailableError: the database can't confirm; the next call goes on.
        """

        async def decide() -> Decision[ExecutionAsked]:
            asked = await self.get(id)
            if plan_hash != asked.plan_hash:
                raise PlanHashMismatchError
            if not asked.is_ended and asked.due > limit:
                raise BlastRadiusExceededError(planned=asked.due, limit=limit)
            return self._begun(call, asked)

        # Also a repeat goes on with what is left: that the first call was cut is why it comes.
        await self._commands.run(call, PLATFORM, ExecutionAsked, decide)
        sweep = await self.get(id)
        yield sweep
        if not sweep.is_ended:
            async with aclosing(self._execution.run(call, sweep)) as states:
                async for after in states:
                    yield after

    async def certificate(self, id: str, tenant: str) -> str:
        """Return what the sweep did for *tenant*, as a signed JWS.

        Raises:
            SweepNotFoundError: there is none.
            CertificateNotFoundError: it hasn't ended, or wasn't about the tenant's people.
        """
        sweep = await self.get(id)
        count = sweep.of_tenant(tenant)
        if sweep.end_time is None or count is None:
            raise CertificateNotFoundError
        payload = {
            "iat": int(sweep.end_time.timestamp()),
            "sweep": sweep.name,
            "tenant": f"tenants/{tenant}",
            "role": sweep.role,
            "retention_rule": f"retentionRules/{sweep.rule}",
            "retention_rule_version": sweep.rule_version,
            "months": sweep.months,
            "cutoff_date": count.cutoff_date,
            "time_zone": count.time_zone,
            "plan_hash": sweep.plan_hash,
            "planned": count.due,
            "destroyed": count.destroyed,
            "skipped": count.skipped,
            "failed": count.failed,
        }
        return await self._ports.keyring.sign(
            json.dumps(payload, separators=(",", ":")).encode(), type=CERTIFICATE_TYPE
        )

    def _begun(self, call: Call, asked: Sweep) -> Decision[ExecutionAsked]:
        """Return what begins *asked*, if nobody has."""
        outcome = ExecutionAsked(asked.id)
        if asked.state is not SweepState.PLANNED:
            return Decision((), (), outcome)
        started = asked.started(self._ports.clock.now())
        entries = [_entry(call, self._ports, "retention.sweep_started", started)]
        if started.is_ended:
            entries.append(_entry(call, self._ports, "retention.sweep_ended", started))
        return Decision((Replace(sweeps(asked.role), started),), entries, outcome)


def _entry(call: Call, ports: Ports, type: str, sweep: Sweep) -> Entry:
    return new_entry(
        call,
        ports.ids,
        tenant=sweep.only_tenant,
        type=type,
        time=ports.clock.now(),
        role=sweep.role,
        target=sweep.name,
    )
