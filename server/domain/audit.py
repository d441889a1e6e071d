"""What the ledger tells: who did what, when and why – and the keys that prove it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.domain.errors import LedgerEntryNotFoundError, NotSequencedYetError
from server.domain.ledger import LEDGER, Entry
from server.domain.ledger.log import BeyondLogError, Log
from server.domain.ports import Query
from server.domain.values import Role, just_before

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from server.domain.call import Call
    from server.domain.ledger.checkpoint import Checkpoint
    from server.domain.ports import Ports, Scalar
    from server.domain.tenants import Tenants
    from server.domain.values import SubjectId

EXPORTED_AT_ONCE = 500
"""Entries in one message of an export, some 300 bytes each."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries of a log are asked for; what is empty restricts nothing.

    Shapes:
        tenant: whose log; "" for the platform's own.
        reference: the subject's, for who doesn't know the person.
        target: a resource name.
        start_time, end_time: from the one on, and before the other.
    """

    tenant: str
    subject: SubjectId | None = None
    reference: str = ""
    role: Role | None = None
    target: str = ""
    types: tuple[str, ...] = ()
    actor: str = ""
    purpose: str = ""
    start_time: datetime | None = None
    end_time: datetime | None = None


class Audit:
    """Opens the ledger, which holds no personal data, to those who check on us (Art. 5(2))."""

    def __init__(self, ports: Ports, tenants: Tenants) -> None:
        """Work on *ports*, for *tenants*."""
        self._ports = ports
        self._tenants = tenants
        self._log = Log(ports.reader)

    async def entries(
        self, call: Call, wanted: Wanted, *, after: tuple[object, str] | None, limit: int
    ) -> Sequence[Entry]:
        """Return one page of a log's entries, newest first.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        await self._require_log(call, wanted.tenant)
        query = Query(
            LEDGER,
            wanted.tenant,
            equals=await self._equals(call, wanted),
            at_least={} if wanted.start_time is None else {"time": wanted.start_time},
            at_most={} if wanted.end_time is None else {"time": just_before(wanted.end_time)},
            order="-time",
            after=after,
            limit=limit,
            # What is given its places meanwhile must not be seen twice.
            is_snapshot=True,
        )
        return await self._ports.reader.find(query, Entry)

    async def entry(self, call: Call, id: str) -> Entry:
        """Return the entry *id*.

        Raises:
            TenantNotFoundError: there is no such tenant.
            LedgerEntryNotFoundError: its log has no such entry.
        """
        tenant = id.rpartition("/")[0]
        await self._require_log(call, tenant)
        found = await self._ports.reader.get(LEDGER, tenant, id, Entry)
        if found is None:
            raise LedgerEntryNotFoundError
        return found

    async def checkpoint(self, call: Call, tenant: str) -> Checkpoint:
        """Return the newest checkpoint of a log.

        Raises:
            TenantNotFoundError: there is no such tenant.
            NotSequencedYetError: there is no checkpoint yet.
        """
        await self._require_log(call, tenant)
        found = await self._log.checkpoint(tenant)
        if found is None:
            raise NotSequencedYetError
        return found

    async def export(self, tenant: str, start: int, end: int) -> AsyncIterator[Sequence[Entry]]:
        """Yield the entries of a log from position *start* on and before *end*, in order."""
        while start < end:
            query = Query(
                LEDGER,
                tenant,
                at_least={"position": start},
                at_most={"position": end - 1},
                order="position",
                limit=EXPORTED_AT_ONCE,
            )
            entries = await self._ports.reader.find(query, Entry)
            if not entries:
                return
            yield entries
            start += len(entries)

    async def inclusion_proof(self, tenant: str, position: int, size: int) -> Sequence[bytes]:
        """Return the proof that the entry at *position* is in its log of a *size* above that.

        Raises:
            NotSequencedYetError: the log has not reached that size.
        """
        try:
            return await self._log.inclusion_proof(tenant, position, size)
        except BeyondLogError:
            raise NotSequencedYetError from None

    async def consistency_proof(
        self, call: Call, tenant: str, first: int, second: int
    ) -> Sequence[bytes]:
        """Return the proof that a log only grew from size *first*, at least 1, to *second*.

        Raises:
            TenantNotFoundError: there is no such tenant.
            NotSequencedYetError: the log has not reached the later size.
        """
        await self._require_log(call, tenant)
        try:
            return await self._log.consistency_proof(tenant, first, second)
        except BeyondLogError:
            raise NotSequencedYetError from None

    def jwks(self) -> Mapping[str, Sequence[Mapping[str, str]]]:
        """Return the public keys of receipts, certificates and checkpoints (RFC 7517)."""
        return self._ports.keyring.jwks()

    async def _require_log(self, call: Call, tenant: str) -> None:
        if tenant:
            await self._tenants.get(tenant)
            call.notes["tenant"] = tenant

    async def _equals(
        self, call: Call, wanted: Wanted
    ) -> Mapping[str, Scalar | tuple[Scalar, ...]]:
        given: dict[str, Scalar | tuple[Scalar, ...]] = {
            "subject": wanted.reference,
            "role": wanted.role,
            "type": wanted.types,
            "target": wanted.target,
            "actor": wanted.actor,
            "purpose": wanted.purpose,
        }
        equals = {name: value for name, value in given.items() if value}
        if wanted.subject is not None:
            reference = await self._ports.keyring.reference(wanted.subject)
            call.notes["subject"] = reference
            equals |= {"role": wanted.subject.role, "subject": reference}
        return equals
