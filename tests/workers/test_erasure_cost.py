"""An erasure costs the same however much was kept: nothing of it is looked up."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from server.domain.call import Call
from server.domain.catalogue.catalogues import Catalogues
from server.domain.clock import SteppingClock
from server.domain.directives.carrying_out import CarryingOut
from server.domain.directives.directives import Directives
from server.domain.ports import Ports
from server.domain.retention.anchors import Anchors
from server.domain.rights.access import AccessDocuments
from server.domain.rights.effects import Effects
from server.domain.rights.erasure import Erasures
from server.domain.rights.execution import RightsExecution
from server.domain.rights.exports import Exports
from server.domain.rights.request import Identity
from server.domain.rights.requests import NewRequest, RightsRequests
from server.domain.rights.terms import Assurance, IdentityMethod, Right
from server.domain.tenants import Tenants
from server.domain.values import Role, SubjectId
from tests.parts import parts
from tests.workers.conftest import PREFIX
from tests.workers.lives import CALL, new_life, new_tenant
from tests.writes import Commands


@pytest.fixture
def sent() -> Commands:
    """Return what hears the commands."""
    return Commands()


@pytest.fixture
async def heard(
    mongo_uri: str,
    keys: Path,
    clock: SteppingClock,
    sent: Commands,
    ports: Ports,  # noqa: ARG001 – it prepares the database
) -> AsyncGenerator[Ports]:
    """Return parts whose commands are heard."""
    async with parts(mongo_uri, PREFIX, keys, clock, event_listeners=[sent]) as made:
        yield made


async def erasure(ports: Ports, sent: Commands, record_count: int) -> list[tuple[str, str]]:
    """Return the commands that the erasure of somebody with so many records needs."""
    tenants, catalogues = Tenants(ports), Catalogues(ports)
    effects = Effects(ports, catalogues)
    requests = RightsRequests(ports, tenants, effects)
    anchors, directives = Anchors(ports, tenants, catalogues), Directives(ports, catalogues)
    documents = AccessDocuments(ports, tenants, catalogues, anchors, directives)
    execution = RightsExecution(
        ports,
        requests,
        documents,
        Exports(ports, requests),
        erasures=Erasures(ports),
        carrying_out=CarryingOut(ports),
        effects=effects,
    )
    tenant = await new_tenant(ports)
    await new_life(ports, tenant, record_count=record_count)
    new = NewRequest(
        SubjectId(Role.PROCESSOR, tenant, "ada"),
        Right.ERASURE,
        identity=Identity(Assurance.HIGH, IdentityMethod.PLATFORM_LOGIN),
    )
    created = await requests.create(called(f"create-{tenant}"), new)
    request = created.outcome.id.rpartition("/")[2]
    await requests.authorise(
        called(f"authorise-{tenant}"),
        tenant=tenant,
        request=request,
        authorised_by="Head of support",
        instruction="",
    )
    sent.sent.clear()

    await execution.execute(called(f"execute-{tenant}"), tenant=tenant, request=request)

    return [(name, str(command[name])) for name, command in sent.sent]


def called(request_id: str) -> Call:
    """Return a call."""
    return replace(CALL, request_id=request_id, content=request_id.encode())


async def test_cost_is_independent_of_what_was_kept(heard: Ports, sent: Commands) -> None:
    """The very same commands go out for one record and for a thousand, and none to records."""
    few = await erasure(heard, sent, 1)
    many = await erasure(heard, sent, 1000)

    assert few == many
    assert not [command for command in many if command[1].startswith("records")]
    assert ("update", "subjects_processor") in many
