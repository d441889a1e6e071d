"""DisclosureService over a real channel: who may receive data, and what was given to whom."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import disclosure_service_pb2 as pb
from privacyrights.v1.disclosure_service_pb2_grpc import DisclosureServiceStub
from server.compose import App
from server.domain.change import Kind, Table
from server.domain.clock import SteppingClock
from server.domain.disclosure.disclosure import Disclosure, disclosures
from server.domain.ledger import Entry
from server.domain.ports import Query
from server.domain.values import Role
from tests.rpc.people import end_user, grant, new_id, new_tenant, own_user, refused
from tests.rpc.recipients import (
    CUSTOMISE,
    PROFILE,
    at,
    authority,
    creation,
    demand,
    giving,
    recipient,
)

if TYPE_CHECKING:
    from privacyrights.v1.disclosure_service_pb2_grpc import DisclosureServiceAsyncStub
    from privacyrights.v1.types_pb2 import Subject

RESOLVE = "purposes/resolve_problems"
NEWS = "purposes/platform_news"
RELATIONSHIP = "purposes/manage_relationship"
ACCOUNT = "categories/account"
CANARY = "case-canary-4711"


@pytest.fixture
def service(channel: grpc.aio.Channel) -> DisclosureServiceAsyncStub:
    """Return the service's stub."""
    return DisclosureServiceStub(channel)


@pytest.fixture
async def tenant(channel: grpc.aio.Channel) -> str:
    """Return the name of a tenant that no other test has."""
    return await new_tenant(channel)


@pytest.fixture
async def who(channel: grpc.aio.Channel, clock: SteppingClock, tenant: str) -> Subject:
    """Return an end-user of the tenant who agreed a month ago."""
    subject = end_user(tenant)
    await grant(channel, subject, CUSTOMISE, decision_time=at(clock, -timedelta(days=30)))
    return subject


REASON = "to answer the person"


async def listed(service: DisclosureServiceAsyncStub, who: Subject) -> list[pb.Disclosure]:
    """Return the disclosures of *who*."""
    response = await service.ListDisclosures(pb.ListDisclosuresRequest(subject=who, reason=REASON))
    return list(response.disclosures)


async def test_recipient_is_what_it_was_registered_as(
    service: DisclosureServiceAsyncStub, clock: SteppingClock
) -> None:
    """A recipient keeps what vetted it, and a repeat registers nothing more."""
    request = creation(
        clock,
        country="US",
        safeguard=pb.TRANSFER_SAFEGUARD_STANDARD_CONTRACTUAL_CLAUSES,
        safeguard_expire_time=at(clock, timedelta(days=365)),
    )
    created = await service.CreateRecipient(request)
    repeated = await service.CreateRecipient(request)

    found = await service.GetRecipient(pb.GetRecipientRequest(name=created.recipient.name))

    assert created.recipient == repeated.recipient == found.recipient
    expected = pb.Recipient()
    expected.CopyFrom(request.recipient)
    expected.name = f"recipients/{request.recipient_id}"
    expected.create_time.CopyFrom(at(clock))
    expected.update_time.CopyFrom(at(clock))
    expected.etag = found.recipient.etag
    assert expected == found.recipient
    assert found.recipient.etag


async def test_second_recipient_with_an_id_is_refused(
    service: DisclosureServiceAsyncStub, clock: SteppingClock
) -> None:
    """An id is given once."""
    request = creation(clock)
    await service.CreateRecipient(request)
    request.request_id = new_id()

    told = await refused(service.CreateRecipient(request))

    assert ("ALREADY_EXISTS", "RESOURCE_EXISTS") == (told.code, told.reason)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"display_name": " "}, "recipient.display_name"),
        ({"kind": 0}, "recipient.kind"),
        ({"kind": 99}, "recipient.kind"),
        ({"country": "EU"}, "recipient.country"),
        ({"country": "fr"}, "recipient.country"),
        ({"country": "US"}, "recipient.safeguard"),
        ({"country": "US", "safeguard": pb.TRANSFER_SAFEGUARD_EEA}, "recipient.safeguard"),
        ({"safeguard": 99}, "recipient.safeguard"),
        ({"purposes": []}, "recipient.purposes"),
        ({"purposes": [CUSTOMISE, CUSTOMISE]}, "recipient.purposes[1]"),
        ({"purposes": ["customise"]}, "recipient.purposes[0]"),
        ({"contract": " "}, "recipient.contract"),
        ({"contract": "x" * 501}, "recipient.contract"),
        ({"vetting_digest": "AB" * 32}, "recipient.vetting_digest"),
        ({"vetting_time": None}, "recipient.vetting_time"),
        ({"vetting_time": Timestamp(seconds=2**40)}, "recipient.vetting_time"),
    ],
)
async def test_recipient_lacking_something_is_refused(
    service: DisclosureServiceAsyncStub, clock: SteppingClock, fields: dict[str, Any], path: str
) -> None:
    """What a recipient must be known by is refused when it is missing or wrong."""

    told = await refused(service.CreateRecipient(creation(clock, **fields)))

    assert ("INVALID_ARGUMENT", "FIELD_INVALID", (path,)) == (told.code, told.reason, told.fields)


async def test_vetting_in_the_future_is_refused(
    service: DisclosureServiceAsyncStub, clock: SteppingClock
) -> None:
    """Nobody has been vetted tomorrow."""
    request = creation(clock, vetting_time=at(clock, timedelta(days=1)))

    told = await refused(service.CreateRecipient(request))

    assert ("INVALID_ARGUMENT", "TIME_IN_FUTURE") == (told.code, told.reason)


async def test_recipient_vetted_by_a_fast_clock_can_be_given_to_at_once(
    service: DisclosureServiceAsyncStub, clock: SteppingClock, who: Subject
) -> None:
    """A caller's clock that is some seconds ahead leaves nobody unvetted meanwhile."""
    to = await recipient(service, clock, vetting_time=at(clock, timedelta(seconds=30)))

    await service.RecordDisclosure(giving(who, to))

    assert [to] == [one.recipient for one in await listed(service, who)]


async def test_recipient_of_an_unknown_purpose_is_refused(
    service: DisclosureServiceAsyncStub, clock: SteppingClock
) -> None:
    """A recipient serves purposes of the catalogue only."""

    told = await refused(service.CreateRecipient(creation(clock, purposes=["purposes/nothing"])))

    assert ("NOT_FOUND", "PURPOSE_NOT_FOUND") == (told.code, told.reason)


async def test_recipients_are_listed_in_pages(
    service: DisclosureServiceAsyncStub, clock: SteppingClock
) -> None:
    """All recipients are listed, each once, sorted by name."""
    made = [await recipient(service, clock) for _ in range(3)]

    found: list[str] = []
    token = ""
    while True:
        page = await service.ListRecipients(pb.ListRecipientsRequest(page_size=2, page_token=token))
        found += [one.name for one in page.recipients]
        token = page.next_page_token
        if not token:
            break

    assert set(made) <= set(found)
    assert sorted(set(found)) == found


async def test_unknown_recipient_is_not_found(
    service: DisclosureServiceAsyncStub, who: Subject
) -> None:
    """Nothing is given to a recipient that nobody registered."""

    got = await refused(service.GetRecipient(pb.GetRecipientRequest(name="recipients/nobody")))
    given = await refused(service.RecordDisclosure(giving(who, "recipients/nobody")))

    assert ("NOT_FOUND", "RECIPIENT_NOT_FOUND") == (got.code, got.reason)
    assert got == given


async def test_disclosure_is_listed_newest_first(
    service: DisclosureServiceAsyncStub, clock: SteppingClock, who: Subject
) -> None:
    """A subject's disclosures tell to whom, what for, what and when; a repeat adds none."""
    to = await recipient(service, clock, purposes=[CUSTOMISE, RESOLVE])
    yesterday = at(clock, -timedelta(days=1))
    first = giving(who, to, disclosure_time=yesterday)

    recorded = await service.RecordDisclosure(first)
    again = await service.RecordDisclosure(first)
    second = await service.RecordDisclosure(giving(who, to))

    found = await listed(service, who)
    assert recorded.disclosure == again.disclosure
    assert [second.disclosure, recorded.disclosure] == [one.name for one in found]
    assert found[1] == pb.Disclosure(
        name=recorded.disclosure,
        recipient=to,
        purpose=CUSTOMISE,
        categories=[PROFILE],
        disclosure_time=yesterday,
        record_time=at(clock),
        role=who.role,
        subject_reference=found[1].subject_reference,
        generation=1,
    )


async def test_disclosures_are_listed_in_pages(
    service: DisclosureServiceAsyncStub, clock: SteppingClock, who: Subject
) -> None:
    """Page after page lists every disclosure once."""
    to = await recipient(service, clock)
    made = [(await service.RecordDisclosure(giving(who, to))).disclosure for _ in range(3)]

    first = await service.ListDisclosures(
        pb.ListDisclosuresRequest(subject=who, reason=REASON, page_size=2)
    )
    rest = await service.ListDisclosures(
        pb.ListDisclosuresRequest(
            subject=who, reason=REASON, page_size=2, page_token=first.next_page_token
        )
    )

    assert made[::-1] == [one.name for one in (*first.disclosures, *rest.disclosures)]
    assert "" == rest.next_page_token


async def test_disclosures_of_others_are_not_shown(
    service: DisclosureServiceAsyncStub,
    channel: grpc.aio.Channel,
    clock: SteppingClock,
    who: Subject,
) -> None:
    """Neither another subject, nor the same id of another tenant or role, is shown them."""
    to = await recipient(service, clock)
    await service.RecordDisclosure(giving(who, to))
    other = end_user(who.tenant)
    namesake = end_user(await new_tenant(channel), who.subject_id)
    for subject in (other, namesake):
        await grant(channel, subject, CUSTOMISE)
    own = own_user(who.tenant, who.subject_id)
    await grant(channel, own, NEWS)

    assert [[], [], []] == [await listed(service, subject) for subject in (other, namesake, own)]


async def test_disclosure_about_nobody_is_refused(
    service: DisclosureServiceAsyncStub, clock: SteppingClock, tenant: str
) -> None:
    """Who is not known has nothing that could be given."""
    to = await recipient(service, clock)

    told = await refused(service.RecordDisclosure(giving(end_user(tenant), to)))
    shown = await refused(listed(service, end_user(tenant)))
    nowhere = await refused(service.RecordDisclosure(giving(end_user("tenants/nowhere"), to)))

    assert "SUBJECT_NOT_FOUND" == told.reason == shown.reason
    assert "TENANT_NOT_FOUND" == nowhere.reason


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"categories": []}, "categories"),
        ({"categories": [PROFILE] * 101}, "categories"),
        ({"categories": [PROFILE, PROFILE]}, "categories[1]"),
        ({"purpose": ""}, "purpose"),
        ({"legal_demand": demand(scope=CANARY)}, "legal_demand"),
        ({"legal_demand": demand(scope="x" * 2001)}, "legal_demand.scope"),
        ({"recipient": "hosting"}, "recipient"),
        ({"request_id": ""}, "request_id"),
        ({"disclosure_time": Timestamp(seconds=-(2**40))}, "disclosure_time"),
    ],
)
async def test_disclosure_lacking_something_is_refused(
    service: DisclosureServiceAsyncStub,
    clock: SteppingClock,
    who: Subject,
    fields: dict[str, Any],
    path: str,
) -> None:
    """What a disclosure must say is refused when it is missing or wrong."""
    to = await recipient(service, clock)
    request = giving(who, to, **fields)

    told = await refused(service.RecordDisclosure(request))

    assert ("INVALID_ARGUMENT", "FIELD_INVALID", (path,)) == (told.code, told.reason, told.fields)
    assert [] == await listed(service, who)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"purpose": "purposes/nothing"}, "PURPOSE_NOT_FOUND"),
        ({"categories": ["categories/nothing"]}, "CATEGORY_NOT_FOUND"),
        ({"purpose": RELATIONSHIP, "categories": [ACCOUNT]}, "PURPOSE_ROLE_MISMATCH"),
        ({"categories": [ACCOUNT]}, "CATEGORY_NOT_IN_PURPOSE"),
        ({"purpose": RESOLVE}, "RECIPIENT_NOT_VETTED"),
    ],
)
async def test_disclosure_that_the_catalogue_forbids_is_refused(
    service: DisclosureServiceAsyncStub,
    clock: SteppingClock,
    who: Subject,
    fields: dict[str, Any],
    reason: str,
) -> None:
    """Only what the purpose needs, for a purpose that the recipient was vetted for, is given."""
    to = await recipient(service, clock, purposes=[CUSTOMISE, RELATIONSHIP])

    told = await refused(service.RecordDisclosure(giving(who, to, **fields)))

    assert reason == told.reason
    assert [] == await listed(service, who)


async def test_demand_is_shown_and_nowhere_plain(
    service: DisclosureServiceAsyncStub, clock: SteppingClock, app: App, who: Subject
) -> None:
    """The words of a demand are shown with the disclosure, and stored as ciphertext alone."""
    to = await authority(service, clock)
    request = giving(who, to, purpose="", legal_demand=demand(scope=CANARY))
    await service.RecordDisclosure(request)

    found = await listed(service, who)
    query = Query(disclosures(Role.PROCESSOR), tenant=who.tenant.removeprefix("tenants/"))
    kept = await app.ports.reader.find(query, Disclosure)

    assert [request.legal_demand] == [one.legal_demand for one in found]
    assert [""] == [one.purpose for one in found]
    assert kept[0].sealed_demand is not None
    assert CANARY.encode() not in kept[0].sealed_demand


async def test_authority_is_not_given_another_roles_data(
    service: DisclosureServiceAsyncStub, clock: SteppingClock, who: Subject
) -> None:
    """The two regimes are never mixed, not even for an authority (S1)."""
    to = await authority(service, clock)
    request = giving(who, to, purpose="", categories=[ACCOUNT], legal_demand=demand(scope=CANARY))

    told = await refused(service.RecordDisclosure(request))

    assert ("FIELD_INVALID", ("categories[0]",)) == (told.reason, told.fields)


async def test_ledger_tells_of_recording_and_of_showing(
    service: DisclosureServiceAsyncStub, clock: SteppingClock, app: App, who: Subject
) -> None:
    """Both what is given and that it was shown are in the ledger, without a demand's words."""
    to = await authority(service, clock)
    recorded = await service.RecordDisclosure(
        giving(who, to, purpose="", legal_demand=demand(scope=CANARY))
    )
    await listed(service, who)

    query = Query(Table(Kind.LEDGER), tenant=who.tenant.removeprefix("tenants/"))
    entries = [
        entry
        for entry in await app.ports.reader.find(query, Entry)
        if entry.type.startswith("disclosure.")
    ]

    assert [("disclosure.recorded", recorded.disclosure), ("disclosure.listed", "")] == [
        (entry.type, entry.target) for entry in entries
    ]
    assert 1 == len({entry.subject for entry in entries})
    assert CANARY not in str(entries)


async def test_concurrent_disclosures_are_all_kept(
    service: DisclosureServiceAsyncStub, clock: SteppingClock, who: Subject
) -> None:
    """Disclosures of one person at the same time don't harm each other."""
    to = await recipient(service, clock)

    made = await asyncio.gather(*(service.RecordDisclosure(giving(who, to)) for _ in range(6)))

    assert {one.disclosure for one in made} == {one.name for one in await listed(service, who)}
