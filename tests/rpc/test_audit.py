"""AuditService over a real channel: what happened is listed, without anybody's data."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from privacyrights.v1 import audit_service_pb2 as pb
from privacyrights.v1 import consent_service_pb2, types_pb2
from privacyrights.v1.audit_service_pb2_grpc import AuditServiceStub
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub
from server.compose import App
from server.domain.clock import SteppingClock
from tests.rpc.breaches import acknowledge, at, notices, of_tenants, report
from tests.rpc.people import (
    end_user,
    grant,
    grant_request,
    new_id,
    new_tenant,
    own_user,
    refused,
    withdraw,
)

CUSTOMISE = "purposes/customise_messages"
NEWS = "purposes/platform_news"


async def entries(channel: grpc.aio.Channel, tenant: str, **fields: Any) -> list[pb.LedgerEntry]:
    """Return a tenant's newest entries; *fields* are others of the request."""
    response = await AuditServiceStub(channel).ListLedgerEntries(
        pb.ListLedgerEntriesRequest(parent=tenant, **fields)
    )
    return list(response.entries)


async def names(channel: grpc.aio.Channel, tenant: str, **fields: Any) -> list[str]:
    """Return the names of a tenant's newest entries: they stay, while entries get positions."""
    return [entry.name for entry in await entries(channel, tenant, **fields)]


async def types(channel: grpc.aio.Channel, tenant: str, **fields: Any) -> list[str]:
    """Return the types of a tenant's newest entries."""
    return [entry.type for entry in await entries(channel, tenant, **fields)]


async def test_entries_say_who_did_what_when(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A line of the log names the event, the caller, the method, the time, and what it is about."""
    tenant = await new_tenant(channel)
    clock.advance(timedelta(seconds=1))
    stub = ConsentServiceStub(channel)
    request = await grant_request(channel, end_user(tenant), CUSTOMISE)
    granted = await stub.RecordConsent(request, metadata=[("x-privacyrights-caller", "web-shop")])

    (entry, created) = await entries(channel, tenant)

    assert ("consent.granted", "web-shop") == (entry.type, entry.actor)
    assert "ConsentService/RecordConsent" == entry.rpc
    assert at(clock.now()) == entry.time
    assert types_pb2.ROLE_PROCESSOR == entry.role
    assert (CUSTOMISE, granted.consent_decision) == (entry.purpose, entry.target)
    assert 22 == len(entry.subject_reference)
    assert entry.name.startswith(f"{tenant}/ledgerEntries/")
    assert ("tenant.created", tenant) == (created.type, created.target)


async def test_positions_come_with_their_hashes(channel: grpc.aio.Channel) -> None:
    """Until a sequencer has counted an entry, it says so instead of claiming to be the first."""
    tenant = await new_tenant(channel)

    (created,) = await entries(channel, tenant)

    assert created.HasField("position") == bool(created.leaf_hash)


async def test_entries_are_found_by_regime_reference_and_target(channel: grpc.aio.Channel) -> None:
    """Who doesn't know the person finds what was done by the reference, regime or resource."""
    tenant = await new_tenant(channel)
    await grant(channel, end_user(tenant), CUSTOMISE)
    await grant(channel, own_user(tenant), NEWS)

    (of_end_user,) = await entries(channel, tenant, role=types_pb2.ROLE_PROCESSOR)
    (of_user,) = await entries(channel, tenant, role=types_pb2.ROLE_CONTROLLER)

    assert (CUSTOMISE, NEWS) == (of_end_user.purpose, of_user.purpose)
    for entry in (of_end_user, of_user):
        reference = entry.subject_reference
        assert [entry.name] == await names(channel, tenant, subject_reference=reference)
        assert [entry.name] == await names(channel, tenant, target=entry.target)


async def test_the_platform_has_a_log_of_its_own(channel: grpc.aio.Channel) -> None:
    """What belongs to no tenant, such as the catalogue, is recorded in no tenant's log."""
    tenant = await new_tenant(channel)

    applied = await entries(channel, "platform", types=["catalogue.change_applied"], page_size=1)

    assert ["catalogue.change_applied"] == [entry.type for entry in applied]
    assert applied[0].name.startswith("platform/ledgerEntries/")
    assert "catalogue.change_applied" not in await types(channel, tenant)


async def test_entries_are_listed_newest_first(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Pages of any size go through the whole log, whatever regime an entry belongs to."""
    tenant = await new_tenant(channel)
    for who, purpose in [(end_user, CUSTOMISE), (own_user, NEWS), (end_user, CUSTOMISE)]:
        clock.advance(timedelta(seconds=1))
        await grant(channel, who(tenant), purpose)
    everything = await entries(channel, tenant)
    expected = [entry.name for entry in everything]
    stub = AuditServiceStub(channel)

    paged: list[pb.LedgerEntry] = []
    request = pb.ListLedgerEntriesRequest(parent=tenant, page_size=1)
    while len(paged) < len(expected):
        page = await stub.ListLedgerEntries(request)
        paged += page.entries
        request.page_token = page.next_page_token

    assert expected == [entry.name for entry in paged]
    assert "" == request.page_token
    times = [entry.time.ToDatetime() for entry in everything]
    assert sorted(times, reverse=True) == times
    assert 4 == len(times)


async def test_pages_go_through_entries_of_one_moment(channel: grpc.aio.Channel) -> None:
    """Entries of the same millisecond are each listed once, also across pages."""
    tenant = await new_tenant(channel)
    for _ in range(4):
        await grant(channel, end_user(tenant), CUSTOMISE)
    stub = AuditServiceStub(channel)

    first = await stub.ListLedgerEntries(pb.ListLedgerEntriesRequest(parent=tenant, page_size=3))
    second = await stub.ListLedgerEntries(
        pb.ListLedgerEntriesRequest(parent=tenant, page_size=3, page_token=first.next_page_token)
    )

    names = [entry.name for entry in (*first.entries, *second.entries)]
    assert (5, "") == (len(set(names)), second.next_page_token)


async def test_filters_narrow_the_list(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """Subject, types, actor, purpose and times each leave out what doesn't match."""
    tenant = await new_tenant(channel)
    ada, own = end_user(tenant), own_user(tenant)
    clock.advance(timedelta(seconds=1))
    begin = clock.now()
    await grant(channel, ada, CUSTOMISE)
    clock.advance(timedelta(seconds=1))
    middle = clock.now()
    await grant(channel, own, NEWS)
    clock.advance(timedelta(seconds=1))
    await withdraw(channel, ada, CUSTOMISE)

    granted, withdrawn = "consent.granted", "consent.withdrawn"
    assert [withdrawn, granted] == await types(channel, tenant, subject=ada)
    assert [granted] == await types(channel, tenant, subject=own)
    assert [] == await types(channel, tenant, subject=end_user(tenant))
    assert [granted, granted] == await types(channel, tenant, types=[granted])
    assert 3 == len(await types(channel, tenant, types=[granted, withdrawn]))
    assert [] == await types(channel, tenant, actor="nobody")
    assert 4 == len(await types(channel, tenant, actor="anonymous"))
    assert [granted] == await types(channel, tenant, purpose=NEWS)
    # From the one time on, and before the other.
    assert [withdrawn, granted] == await types(channel, tenant, start_time=at(middle))
    assert [granted] == await types(channel, tenant, start_time=at(begin), end_time=at(middle))
    assert [] == await types(channel, tenant, end_time=at(datetime(1900, 1, 1, tzinfo=UTC)))


async def test_a_tenant_sees_its_own_log_only(channel: grpc.aio.Channel) -> None:
    """What happened to one tenant's people is in no other tenant's list."""
    owner, stranger = await new_tenant(channel), await new_tenant(channel)
    await grant(channel, end_user(owner), CUSTOMISE)
    await report(channel, of_tenants(owner, roles=[types_pb2.ROLE_PROCESSOR]))

    assert ["tenant.created"] == await types(channel, stranger)
    names = {entry.name.split("/")[1] for entry in await entries(channel, owner)}
    assert {owner.removeprefix("tenants/")} == names


async def test_a_breach_is_in_each_tenants_log(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """That a notice was made, and acknowledged for the first time, are events of the tenant."""
    tenant = await new_tenant(channel)
    await report(channel, of_tenants(tenant, roles=[types_pb2.ROLE_PROCESSOR]))
    (notice,) = await notices(channel, tenant)
    for _ in range(2):
        clock.advance(timedelta(seconds=1))
        await acknowledge(channel, notice.name)

    found = [(entry.type, entry.target) for entry in await entries(channel, tenant)]

    assert [
        ("breach.notice_acknowledged", notice.name),
        ("breach.notice_created", notice.name),
    ] == [entry for entry in found if entry[0].startswith("breach.")]


async def test_no_entry_holds_personal_data(channel: grpc.aio.Channel) -> None:
    """Whatever personal or free words other calls bring, the log has none of them."""
    tenant = await new_tenant(channel)
    ada = end_user(tenant, "canary-psid")
    await grant(channel, ada, CUSTOMISE)
    await grant(
        channel,
        own_user(tenant, "canary.person@example.org"),
        NEWS,
        parental_authority=consent_service_pb2.ParentalAuthority(
            subject_is_child=True, authorised=True, verification="canary-parent"
        ),
    )
    await withdraw(channel, ada, CUSTOMISE)
    await report(
        channel,
        of_tenants(tenant),
        description="canary-description",
        cause="canary-cause",
        contact_point="canary-contact",
    )
    for role in (types_pb2.ROLE_PROCESSOR, types_pb2.ROLE_CONTROLLER):
        for notice in await notices(channel, tenant, role):
            await acknowledge(channel, notice.name, "canary-acknowledger")

    listed = await entries(channel, tenant)

    assert 8 == len(listed)
    assert b"canary" not in b"".join(entry.SerializeToString() for entry in listed)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"parent": ""}, "parent"),
        ({"page_size": -1}, "page_size"),
        ({"subject": types_pb2.Subject(subject_id="somebody")}, "subject.role"),
        ({"subject": end_user("tenants/another")}, "subject.tenant"),
        ({"types": [""]}, "types[0]"),
        ({"types": ["x" * 101]}, "types[0]"),
        ({"types": ["x"] * 101}, "types"),
        ({"actor": "x" * 101}, "actor"),
        ({"purpose": "news"}, "purpose"),
    ],
)
async def test_a_wrong_request_is_refused(
    channel: grpc.aio.Channel, fields: dict[str, Any], wrong: str
) -> None:
    """What is wrong is told by field."""
    asked: dict[str, Any] = {"parent": await new_tenant(channel), **fields}

    found = await refused(
        AuditServiceStub(channel).ListLedgerEntries(pb.ListLedgerEntriesRequest(**asked))
    )

    assert ("INVALID_ARGUMENT", "FIELD_INVALID") == (found.code, found.reason)
    assert wrong in found.fields


async def test_only_tenants_have_logs(channel: grpc.aio.Channel) -> None:
    """The log of a tenant that there isn't is NOT_FOUND."""
    found = await refused(entries(channel, f"tenants/{new_id('nobody')}"))

    assert ("NOT_FOUND", "TENANT_NOT_FOUND") == (found.code, found.reason)


async def test_keys_verify_what_was_signed(app: App, channel: grpc.aio.Channel) -> None:
    """The listed JWK set has the key that a signature names; it verifies, and nothing is secret."""
    signed = await app.ports.keyring.sign(b"a receipt", type="receipt+jws")
    head, body, signature = signed.split(".")

    response = await AuditServiceStub(channel).ListKeys(pb.ListKeysRequest())

    keys = {key["kid"]: key for key in json.loads(response.jwks)["keys"]}
    key = keys[json.loads(decoded(head))["kid"]]
    public = Ed25519PublicKey.from_public_bytes(decoded(key["x"]))
    # Raises unless it verifies.
    public.verify(decoded(signature), f"{head}.{body}".encode())
    # "d" would be the private key (RFC 8037).
    assert not any("d" in each for each in keys.values())


def decoded(text: str) -> bytes:
    """Return what *text* is the unpadded base64url of (RFC 7515)."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
