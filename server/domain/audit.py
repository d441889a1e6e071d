"""What the ledger tells: who did what, when and why – and the keys that prove it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.domain.change import Kind, Table
from server.domain.ledger import Entry
from server.domain.ports import Query
from server.domain.values import just_before

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from server.domain.call import Call
    from server.domain.ports import Ports, Scalar
    from server.domain.tenants import Tenants
    from server.domain.values import SubjectId

LEDGER = Table(Kind.LEDGER)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries of a tenant's log are asked for; what is empty restricts nothing.

    Shapes:
        start_time, end_time: from the one on, and before the other.
    """

    tenant: str
    subject: SubjectId | None = None
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

    async def entries(
        self, call: Call, wanted: Wanted, *, after: tuple[object, str] | None, limit: int
    ) -> Sequence[Entry]:
        """Return one page of a tenant's entries, newest first.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        await self._tenants.get(wanted.tenant)
        call.notes["tenant"] = wanted.tenant
        query = Query(
            LEDGER,
            wanted.tenant,
            equals=await self._equals(call, wanted),
            at_least={} if wanted.start_time is None else {"time": wanted.start_time},
            at_most={} if wanted.end_time is None else {"time": just_before(wanted.end_time)},
            order="-time",
            after=after,
            limit=limit,
        )
        return await self._ports.reader.find(query, Entry)

    def jwks(self) -> Mapping[str, Sequence[Mapping[str, str]]]:
        """Return the public keys of receipts, certificates and checkpoints (RFC 7517)."""
        return self._ports.keyring.jwks()

    async def _equals(
        self, call: Call, wanted: Wanted
    ) -> Mapping[str, Scalar | tuple[Scalar, ...]]:
        equals: dict[str, Scalar | tuple[Scalar, ...]] = {}
        if wanted.subject is not None:
            reference = await self._ports.keyring.reference(wanted.subject)
            call.notes["subject"] = reference
            equals |= {"role": wanted.subject.role, "subject": reference}
        if wanted.types:
            equals["type"] = wanted.types
        if wanted.actor:
            equals["actor"] = wanted.actor
        if wanted.purpose:
            equals["purpose"] = wanted.purpose
        return equals
