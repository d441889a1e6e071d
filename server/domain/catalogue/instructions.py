"""What tenants, as controllers, instruct beyond the default (S6, Art. 28(3)(a))."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from server.domain.change import Insert, Kind, Replace, Table
from server.domain.commands import Commands, Decision
from server.domain.errors import (
    IllegalTransitionError,
    InstructionMissingError,
    InstructionNotFoundError,
)
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.ports import Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.domain.call import Call
    from server.domain.catalogue.catalogue import Category
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.change import Committed
    from server.domain.ports import Ports
    from server.domain.tenants import Tenants

INSTRUCTIONS = Table(Kind.INSTRUCTIONS)


@dataclass(frozen=True, slots=True)
class Instruction:
    """A documented instruction to collect one category; it stands until it is revoked.

    `sealed` is its `Words` under the tenant's key: they name one of the tenant's people.
    """

    id: str
    tenant: str
    version: int
    category: str
    sealed: bytes
    evidence_digest: str
    create_time: datetime
    revoke_time: datetime | None = None


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
        self._commands = Commands(ports.reader, ports.committer, ports.keyring)

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
            self._catalogues.current.category(category)
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
            return Decision(
                writes=(Insert(INSTRUCTIONS, instruction),),
                entries=(entry,),
                outcome=InstructionRecorded(instruction.id),
            )

        return await self._commands.run(call, tenant, InstructionRecorded, decide)

    async def revoke(
        self, call: Call, *, tenant: str, instruction: str, reason: str
    ) -> Committed[InstructionRevoked]:
        """Take *instruction* (the last part of its name) back: writes under it stop at once.

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
            revoked = replace(found, version=found.version + 1, revoke_time=now)
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
                writes=(Replace(INSTRUCTIONS, revoked),),
                entries=(entry,),
                outcome=InstructionRevoked(now),
            )

        return await self._commands.run(call, tenant, InstructionRevoked, decide)

    async def list(
        self, tenant: str, *, after: tuple[object, str] | None, limit: int
    ) -> Sequence[Instruction]:
        """Return one page of a tenant's instructions, newest first.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        await self._tenants.get(tenant)
        query = Query(INSTRUCTIONS, tenant=tenant, order="-id", after=after, limit=limit)
        return await self._ports.reader.find(query, Instruction)

    async def words(self, instruction: Instruction) -> Words:
        """Return what *instruction* says."""
        content = await self._ports.keyring.unseal_for_tenant(
            instruction.tenant, instruction.sealed, _place(instruction.id)
        )
        return Words(**json.loads(content))

    async def require(self, tenant: str, category: Category) -> None:
        """Do nothing if *category* may be collected for *tenant*.

        Raises:
            InstructionMissingError: it needs a documented instruction, and none stands.
        """
        if not category.requires_instruction:
            return
        standing = Query(
            INSTRUCTIONS, tenant=tenant, equals={"category": category.id, "revoke_time": None}
        )
        if not await self._ports.reader.count(standing):
            raise InstructionMissingError(category=category.id)


def name(instruction: Instruction) -> str:
    """Return the resource name of *instruction*."""
    tenant, id = instruction.id.split("/", 1)
    return f"tenants/{tenant}/instructions/{id}"


def _place(id: str) -> str:
    return f"instruction/{id}"
