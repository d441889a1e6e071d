"""Whom a breach affects: which tenants, and about how many of their people."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.domain.breach.breach import MAX_TENANTS
from server.domain.errors import InvalidArgumentError, TenantNotFoundError, Violation
from server.domain.ports import Query
from server.domain.subjects import subjects
from server.domain.tenants import TENANTS, Tenant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.domain.breach.breach import Scope
    from server.domain.ports import Ports
    from server.domain.values import Role

TENANTS_AT_A_TIME = 16
"""Tenants whose people are counted at a time, so that one report leaves room for other calls."""


@dataclass(frozen=True, slots=True)
class Part:
    """One tenant's part of a breach in one regime."""

    tenant: str
    role: Role
    affected_count: int


class Affected:
    """Works out who is affected, from what the service knows."""

    def __init__(self, ports: Ports) -> None:
        """Work on *ports*."""
        self._ports = ports

    async def parts(self, scope: Scope, roles: Sequence[Role]) -> Sequence[Part]:
        """Return the parts of all affected tenants, in the order of *scope* or of their ids.

        A tenant that the scope doesn't name is affected if we know people of it. One that it
        names always is: whoever reports may know more than we do, and silence is worse than
        "about none".

        Raises:
            TenantNotFoundError: the scope names a tenant that there isn't.
            InvalidArgumentError: it reaches more than MAX_TENANTS tenants.
        """
        found: list[Part] = []
        reached = 0
        tenants = await self._named(scope) if scope.tenants else await self._all()
        for start in range(0, len(tenants), TENANTS_AT_A_TIME):
            counted = await asyncio.gather(
                *(
                    self._of_tenant(tenant, roles, is_named=bool(scope.tenants))
                    for tenant in tenants[start : start + TENANTS_AT_A_TIME]
                )
            )
            for parts in counted:
                found.extend(parts)
                reached += bool(parts)
            if reached > MAX_TENANTS:
                rule = (
                    f"must not reach more than {MAX_TENANTS} tenants; "
                    "report it in parts that name them"
                )
                raise InvalidArgumentError((Violation("breach.scope", rule),))
        return found

    async def _named(self, scope: Scope) -> Sequence[str]:
        found = await asyncio.gather(
            *(self._ports.reader.get(TENANTS, id, id, Tenant) for id in scope.tenants)
        )
        if None in found:
            raise TenantNotFoundError
        return scope.tenants

    async def _all(self) -> Sequence[str]:
        query = Query(TENANTS, tenant=None, limit=1000)
        return [tenant.id async for tenant in self._ports.reader.scan(query, Tenant)]

    async def _of_tenant(
        self, tenant: str, roles: Sequence[Role], *, is_named: bool
    ) -> Sequence[Part]:
        parts = [Part(tenant, role, await self._people(tenant, role)) for role in roles]
        known = [part for part in parts if part.affected_count]
        return known or (parts if is_named else ())

    async def _people(self, tenant: str, role: Role) -> int:
        """Return about how many people of *tenant* are known and not erased.

        Whoever is known to a holder only is not among them, and of those who are, some may
        have no data in the categories concerned.
        """
        query = Query(subjects(role), tenant, equals={"erased_time": None})
        return await self._ports.reader.count(query)
