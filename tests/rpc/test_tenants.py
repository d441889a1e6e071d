"""TenantService over a real channel."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from privacyrights.v1 import tenant_service_pb2 as pb
from privacyrights.v1.tenant_service_pb2_grpc import TenantServiceStub
from tests.rpc.people import new_id, new_tenant, refused
from tests.rpc.sweeping import new_chatbot

if TYPE_CHECKING:
    from privacyrights.v1.tenant_service_pb2_grpc import TenantServiceAsyncStub


@pytest.fixture
def tenants(channel: grpc.aio.Channel) -> TenantServiceAsyncStub:
    """Return the service's stub."""
    return TenantServiceStub(channel)


def creation(id: str, **fields: str) -> pb.CreateTenantRequest:
    """Return the request that creates the tenant *id*; *fields* are the tenant's."""
    given: dict[str, Any] = {"display_name": "A tenant", "time_zone": "Europe/Paris", **fields}
    return pb.CreateTenantRequest(tenant_id=id, tenant=pb.Tenant(**given), request_id=new_id())


async def test_created_tenant_is_found(tenants: TenantServiceAsyncStub) -> None:
    """A tenant is what it was created as."""
    id = new_id("tenant")
    created = await tenants.CreateTenant(creation(id, time_zone="America/Toronto"))

    found = await tenants.GetTenant(pb.GetTenantRequest(name=f"tenants/{id}"))

    assert created.tenant == found.tenant
    assert "America/Toronto" == found.tenant.time_zone


async def test_second_tenant_with_an_id_is_refused(tenants: TenantServiceAsyncStub) -> None:
    """An id is given once; a repeat of the same call isn't a second one."""
    request = creation(new_id("tenant"))
    first = await tenants.CreateTenant(request)

    repeated = await tenants.CreateTenant(request)
    told = await refused(tenants.CreateTenant(creation(request.tenant_id)))

    assert first.tenant == repeated.tenant
    assert ("ALREADY_EXISTS", "RESOURCE_EXISTS") == (told.code, told.reason)


async def test_tenants_are_listed_in_pages(tenants: TenantServiceAsyncStub) -> None:
    """All tenants are listed, each once, sorted by name."""
    made = [f"tenants/{new_id('paged')}" for _ in range(3)]
    for name in made:
        await tenants.CreateTenant(creation(name.removeprefix("tenants/")))

    found: list[str] = []
    token = ""
    while True:
        page = await tenants.ListTenants(pb.ListTenantsRequest(page_size=2, page_token=token))
        found += [tenant.name for tenant in page.tenants]
        token = page.next_page_token
        if not token:
            break

    assert sorted(found) == found
    assert set(made) <= set(found)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"time_zone": "Mars/Olympus"}, "tenant.time_zone"),
        ({"time_zone": "../etc/passwd"}, "tenant.time_zone"),
        ({"display_name": " "}, "tenant.display_name"),
        ({"display_name": "x" * 201}, "tenant.display_name"),
    ],
)
async def test_wrong_fields_are_named(
    tenants: TenantServiceAsyncStub, fields: dict[str, str], wrong: str
) -> None:
    """A tenant with a wrong field isn't created, and the field is named."""
    id = new_id("tenant")

    told = await refused(tenants.CreateTenant(creation(id, **fields)))
    missing = await refused(tenants.GetTenant(pb.GetTenantRequest(name=f"tenants/{id}")))

    assert ("FIELD_INVALID", (wrong,)) == (told.reason, told.fields)
    assert "TENANT_NOT_FOUND" == missing.reason


async def test_chatbots_come_and_go(
    channel: grpc.aio.Channel, tenants: TenantServiceAsyncStub
) -> None:
    """A chatbot is listed until it is deleted, and may come back."""
    tenant = await new_tenant(channel)
    name = f"{tenant}/chatbots/shop"

    def request() -> pb.CreateChatbotRequest:
        return pb.CreateChatbotRequest(
            parent=tenant,
            chatbot_id="shop",
            chatbot=pb.Chatbot(display_name="Shop"),
            request_id=new_id(),
        )

    async def listed() -> list[str]:
        page = await tenants.ListChatbots(pb.ListChatbotsRequest(parent=tenant))
        return [chatbot.name for chatbot in page.chatbots]

    await tenants.CreateChatbot(request())
    there = await listed()
    twice = await refused(tenants.CreateChatbot(request()))
    await tenants.DeleteChatbot(pb.DeleteChatbotRequest(name=name, request_id=new_id()))
    gone = await listed()
    await tenants.CreateChatbot(request())

    assert ([name], "RESOURCE_EXISTS", [], [name]) == (there, twice.reason, gone, await listed())


async def test_chatbots_are_added_at_the_same_time(
    channel: grpc.aio.Channel, tenants: TenantServiceAsyncStub
) -> None:
    """However many are added at once, each is: none is in another's way."""
    tenant = await new_tenant(channel)
    names = await asyncio.gather(*(new_chatbot(channel, tenant) for _ in range(50)))

    listed = await tenants.ListChatbots(pb.ListChatbotsRequest(parent=tenant, page_size=100))

    assert set(names) == {chatbot.name for chatbot in listed.chatbots}
