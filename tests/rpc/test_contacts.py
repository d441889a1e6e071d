"""Contacts over a real channel: who is reached for a function, on either side (S13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest

from privacyrights.v1 import assistance_service_pb2 as pb
from privacyrights.v1.assistance_service_pb2_grpc import AssistanceServiceStub
from tests.rpc.assistance import CANARY, contact, contacts
from tests.rpc.people import REASON, new_tenant, refused

if TYPE_CHECKING:
    from privacyrights.v1.assistance_service_pb2_grpc import AssistanceServiceAsyncStub


@pytest.fixture
def service(channel: grpc.aio.Channel) -> AssistanceServiceAsyncStub:
    """Return the service's stub."""
    return AssistanceServiceStub(channel)


@pytest.fixture
async def tenant(channel: grpc.aio.Channel) -> str:
    """Return the name of a tenant, in Paris, that no other test has."""
    return await new_tenant(channel)


async def test_contact_is_replaced(service: AssistanceServiceAsyncStub, tenant: str) -> None:
    """There is one contact for each function of each side, the last that was set."""
    first = contact(tenant)
    await service.SetContact(first)
    await service.SetContact(contact(tenant, side=pb.SIDE_PLATFORM))
    set_ = await service.SetContact(contact(tenant, display_name="Night desk", address="112"))
    await service.SetContact(first)

    found = await contacts(service, tenant)

    assert f"{tenant}/contacts/tenant-breach" == set_.contact
    assert [
        (f"{tenant}/contacts/platform-breach", CANARY, "canary@example.org"),
        (f"{tenant}/contacts/tenant-breach", "Night desk", "112"),
    ] == [(one.name, one.display_name, one.address) for one in found]
    assert all(one.HasField("update_time") for one in found)


async def test_contacts_are_listed_in_pages(
    service: AssistanceServiceAsyncStub, tenant: str
) -> None:
    """Page after page lists every contact once, sorted by name."""
    for function in pb.ContactFunction.values()[1:]:
        await service.SetContact(contact(tenant, function=function))

    first = await service.ListContacts(
        pb.ListContactsRequest(parent=tenant, page_size=3, reason=REASON)
    )
    rest = await service.ListContacts(
        pb.ListContactsRequest(
            parent=tenant, page_size=3, page_token=first.next_page_token, reason=REASON
        )
    )

    found = [one.name for one in (*first.contacts, *rest.contacts)]
    assert 4 == len(found)
    assert sorted(set(found)) == found


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"side": 0}, "contact.side"),
        ({"side": 9}, "contact.side"),
        ({"function": 0}, "contact.function"),
        ({"function": -1}, "contact.function"),
        ({"display_name": ""}, "contact.display_name"),
        ({"address": "nowhere"}, "contact.address"),
        ({"address": "a@" + "b" * 200}, "contact.address"),
    ],
)
async def test_contact_lacking_something_is_refused(
    service: AssistanceServiceAsyncStub, tenant: str, fields: dict[str, Any], path: str
) -> None:
    """Who can't be reached is no contact."""

    told = await refused(service.SetContact(contact(tenant, **fields)))

    assert ("INVALID_ARGUMENT", "FIELD_INVALID", (path,)) == (told.code, told.reason, told.fields)
    assert [] == await contacts(service, tenant)
