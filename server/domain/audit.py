"""What the ledger tells: who did what, when and why – and the keys that prove it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.domain.change import Kind, Table
from server.domain.ledger import Entry
from server.domain.ports import Query
from server.domain.values import Role, just_before

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
        )
        return await self._ports.reader.find(query, Entry)

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
