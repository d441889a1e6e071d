"""What tenants, as controllers, instruct beyond the default (S6, Art. 28(3)(a))."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from server.domain.catalogue.mandate import (
    MANDATES,
    Mandate,
    Revocation,
    mandate_id,
    no_mandate,
    revocations,
)
from server.domain.change import Insert, Kind, Replace, Table
from server.domain.commands import Commands, Decision
from server.domain.errors import (
    IllegalTransitionError,
    InstructionMissingError,
    InstructionNotFoundError,
)
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.ports import DEFAULT_FRESHNESS, Query

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from server.domain.call import Call
    from server.domain.catalogue.catalogue import Category
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.change import Committed, Write
    from server.domain.ports import Freshness, Ports
    from server.domain.tenants import Tenants

INSTRUCTIONS = Table(Kind.INSTRUCTIONS)


@dataclass(frozen=True, slots=True)
class Instruction:
    """A documented instruction to collect one category; it stands until it is revoked.

    `sealed` is its `Words` under the tenant's key: they name one of the tenant's people. Why it
    was revoked names nobody: the ledger says the same.
    """

    id: str
    tenant: str
    version: int
    category: str
    sealed: bytes
    evidence_digest: str
    create_time: datetime
    revoke_time: datetime | None = None
    revoke_reason: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """What an instruction says, and who gave it for the tenant."""

    text: str
    instructed_by: str


@dataclass(frozen=True, slots=True)
class InstructionRecorded:
    """What the caller of `record` is told, now and at a repeat."""

    instruction: str


@dataclass(frozen=True, slots=True)
class InstructionRevoked:
    """What the caller of `revoke` is told, now and at a repeat."""

    revoke_time: datetime


class Instructions:
    """Records, revokes and looks up instructions."""

    def __init__(self, ports: Ports, tenants: Tenants, catalogues: Catalogues) -> None:
        """Work on *ports*, for *tenants*, about categories of *catalogues*."""
        self._ports = ports
        self._tenants = tenants
        self._catalogues = catalogues
        self._commands = Commands(ports)

    async def record(
        self,
        call: Call,
        *,
        tenant: str,
        category: str,
        words: Words,
        evidence_digest: str,
    ) -> Committed[InstructionRecorded]:
        """Record that *tenant* instructs to collect *category*.

        Raises:
            TenantNotFoundError, CategoryNotFoundError: of the tenant or category.
        """

        async def decide() -> Decision[InstructionRecorded]:
            await self._tenants.get(tenant)
            await self._catalogues.category(category)
            now = self._ports.clock.now()
            id = f"{tenant}/{self._ports.ids.new()}"
            sealed = await self._ports.keyring.seal_for_tenant(
                tenant, json.dumps(asdict(words)).encode(), _place(id)
            )
            instruction = Instruction(
                id=id,
                tenant=tenant,
                version=1,
                category=category,
                sealed=sealed,
                evidence_digest=evidence_digest,
                create_time=now,
            )
            entry = new_entry(
                call,
                self._ports.ids,
                tenant=tenant,
                type="instruction.recorded",
                time=now,
                target=name(instruction),
            )
            entry = await committing(self._ports.keyring, entry, words, instruction)
            mandate = await self._mandate(tenant, category)
            given = mandate.given(id.rpartition("/")[2])
            return Decision(
                writes=(Insert(INSTRUCTIONS, instruction), given.saved()),
                entries=(entry,),
                outcome=InstructionRecorded(instruction.id),
            )

        return await self._commands.run(call, tenant, InstructionRecorded, decide)

    async def revoke(
        self, call: Call, *, tenant: str, instruction: str, reason: str
    ) -> Committed[InstructionRevoked]:
        """Take *instruction* (the last part of its name) back.

        If the category needs an instruction and no other stands, it is neither written nor read
        from now on, and what was kept of it is put up for erasure (Art. 28(3)(a)).

        Raises:
            InstructionNotFoundError: the tenant has none with this id.
            IllegalTransitionError: it was revoked before.
        """

        async def decide() -> Decision[InstructionRevoked]:
            found = await self._ports.reader.get(
                INSTRUCTIONS, tenant, f"{tenant}/{instruction}", Instruction
            )
            if found is None:
                raise InstructionNotFoundError
            if found.revoke_time is not None:
                raise IllegalTransitionError(state="revoked")
            now = self._ports.clock.now()
            revoked = replace(
                found, version=found.version + 1, revoke_time=now, revoke_reason=reason
            )
            entry = new_entry(
                call,
                self._ports.ids,
                tenant=tenant,
                type="instruction.revoked",
                time=now,
                reason=reason,
                target=name(found),
            )
            return Decision(
                writes=(Replace(INSTRUCTIONS, revoked), *await self._taken_back(revoked, now)),
                entries=(entry,),
                outcome=InstructionRevoked(now),
            )

        return await self._commands.run(call, tenant, InstructionRevoked, decide)

    async def read(self, call: Call, tenant: str, instruction: str, *, reason: str) -> Instruction:
        """Return *instruction* (the last part of its name); the ledger says why it was read.

        Raises:
            InstructionNotFoundError: the tenant has none with this id.
        """
        id = f"{tenant}/{instruction}"
        found = await self._ports.reader.get(INSTRUCTIONS, tenant, id, Instruction)
        if found is None:
            raise InstructionNotFoundError
        call.notes["tenant"] = tenant
        entry = new_entry(
            call,
            self._ports.ids,
            tenant=tenant,
            type="instruction.read",
            time=self._ports.clock.now(),
            reason=reason,
            target=name(found),
        )
        await self._commands.note(entry)
        return found

    async def list(
        self,
        call: Call,
        tenant: str,
        *,
        reason: str,
        after: tuple[object, str] | None,
        limit: int,
    ) -> Sequence[Instruction]:
        """Return one page of a tenant's instructions, newest first; the ledger says why.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        await self._tenants.get(tenant)
        call.notes["tenant"] = tenant
        query = Query(INSTRUCTIONS, tenant=tenant, order="-id", after=after, limit=limit)
        found = await self._ports.reader.find(query, Instruction)
        now = self._ports.clock.now()
        await self._commands.note(
            new_entry(
                call,
                self._ports.ids,
                tenant=tenant,
                type="instruction.listed",
                time=now,
                reason=reason,
            )
        )
        return found

    async def words(self, instruction: Instruction) -> Words:
        """Return what *instruction* says."""
        content = await self._ports.keyring.unseal_for_tenant(
            instruction.tenant, instruction.sealed, _place(instruction.id)
        )
        return Words(**json.loads(content))

    async def require(self, tenant: str, category: Category) -> int:
        """Return the period in which *category* may be collected for *tenant*; 0: it needs none.

        Raises:
            InstructionMissingError: it needs a documented instruction, and none stands.
        """
        period = (await self.periods(tenant, (category,))).get(category.id)
        if period is None:
            raise InstructionMissingError(category=category.id)
        return period

    async def periods(
        self,
        tenant: str,
        categories: Iterable[Category],
        *,
        freshness: Freshness = DEFAULT_FRESHNESS,
    ) -> Mapping[str, int]:
        """Return those of *categories* that may be used for *tenant*: id → period, as `require`."""
        found: dict[str, int] = {}
        for category in categories:
            if not category.requires_instruction:
                found[category.id] = 0
                continue
            mandate = await self._mandate(tenant, category.id, freshness=freshness)
            if mandate.stands:
                found[category.id] = mandate.period
        return found

    async def stood(
        self, tenant: str, categories: Iterable[Category], at: datetime
    ) -> Collection[str]:
        """Return the ids of those of *categories* that could be used for *tenant* at *at*."""
        found: set[str] = set()
        for category in categories:
            if not category.requires_instruction:
                found.add(category.id)
                continue
            query = Query(INSTRUCTIONS, tenant=tenant, equals={"category": category.id})
            async for each in self._ports.reader.scan(query, Instruction):
                if each.create_time <= at and (each.revoke_time is None or at < each.revoke_time):
                    found.add(category.id)
        return found

    async def _mandate(
        self, tenant: str, category: str, *, freshness: Freshness = DEFAULT_FRESHNESS
    ) -> Mandate:
        found = await self._ports.reader.get(
            MANDATES, tenant, mandate_id(tenant, category), Mandate, freshness=freshness
        )
        return found or no_mandate(tenant, category)

    async def _taken_back(self, revoked: Instruction, now: datetime) -> Sequence[Write]:
        """Return what ends the mandate, if *revoked* was the last instruction to stand."""
        mandate = await self._mandate(revoked.tenant, revoked.category)
        left = mandate.taken_back(revoked.id.rpartition("/")[2])
        category = await self._catalogues.category(revoked.category)
        if left.stands or not category.requires_instruction:
            return (left.saved(),)
        end = Revocation(
            id=revoked.id,
            tenant=revoked.tenant,
            version=1,
            role=category.role,
            category=category.id,
            period=mandate.period,
            time=now,
            due_time=now,
        )
        return (left.saved(), Insert(revocations(category.role), end))


def name(instruction: Instruction) -> str:
    """Return the resource name of *instruction*."""
    tenant, id = instruction.id.split("/", 1)
    return f"tenants/{tenant}/instructions/{id}"


def _place(id: str) -> str:
    return f"instruction/{id}"
