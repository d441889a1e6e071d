"""ListComplianceGaps over a real channel: each gap comes, goes when it is mended, and is paged."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import msgspec
import pytest

from privacyrights.v1 import assistance_service_pb2 as pb
from privacyrights.v1.assistance_service_pb2_grpc import AssistanceServiceStub
from privacyrights.v1.disclosure_service_pb2_grpc import DisclosureServiceStub
from server.compose import App
from server.domain.assistance.compliance_gaps import ComplianceGaps, GapKind
from server.domain.assistance.contacts import Contacts
from server.domain.call import Call
from server.domain.catalogue.catalogues import Catalogues
from server.domain.catalogue.instructions import Instructions, Words
from server.domain.catalogue.mandate import MANDATES, Mandate
from server.domain.change import Change, Insert
from server.domain.clock import SteppingClock
from server.domain.tenants import Tenants
from tests.rpc import breaches, exercising
from tests.rpc.kept import put
from tests.rpc.people import end_user, grant, new_id, new_tenant, own_user, refused
from tests.rpc.recipients import at, creation

if TYPE_CHECKING:
    from privacyrights.v1.assistance_service_pb2_grpc import AssistanceServiceAsyncStub

CUSTOMISE = "purposes/customise_messages"
NEWS = "purposes/platform_news"

CONTACT = pb.COMPLIANCE_GAP_KIND_MISSING_CONTACT
NOTICE = pb.COMPLIANCE_GAP_KIND_UNACKNOWLEDGED_NOTICE
REQUEST = pb.COMPLIANCE_GAP_KIND_UNANSWERED_REQUEST
SAFEGUARD = pb.COMPLIANCE_GAP_KIND_EXPIRED_SAFEGUARD


@pytest.fixture
def service(channel: grpc.aio.Channel) -> AssistanceServiceAsyncStub:
    """Return the service's stub."""
    return AssistanceServiceStub(channel)


@pytest.fixture
async def tenant(channel: grpc.aio.Channel) -> str:
    """Return the name of a tenant that no other test has."""
    return await new_tenant(channel)


def _decoded(token: str) -> bytes:
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


async def gaps(
    service: AssistanceServiceAsyncStub, tenant: str, page_size: int = 0
) -> list[pb.ComplianceGap]:
    """Return all that *tenant* lacks, page after page."""
    found: list[pb.ComplianceGap] = []
    token = ""
    while True:
        response = await service.ListComplianceGaps(
            pb.ListComplianceGapsRequest(parent=tenant, page_size=page_size, page_token=token)
        )
        found += response.compliance_gaps
        token = response.next_page_token
        if not token:
            return found


async def resources(
    service: AssistanceServiceAsyncStub, tenant: str, kind: pb.ComplianceGapKind.ValueType
) -> list[tuple[str, datetime]]:
    """Return what is concerned by gaps of *kind*, and since when."""
    return [
        (gap.resource, gap.since_time.ToDatetime(tzinfo=UTC))
        for gap in await gaps(service, tenant)
        if gap.kind == kind
    ]


async def test_missing_contacts(
    service: AssistanceServiceAsyncStub, clock: SteppingClock, tenant: str
) -> None:
    """Contacts for breaches and compliance are missed from the first day, until they are set."""
    expected = [
        f"{tenant}/contacts/{post}"
        for post in ("platform-compliance", "tenant-breach", "tenant-compliance")
    ]

    before = await resources(service, tenant, CONTACT)
    await service.SetContact(
        pb.SetContactRequest(
            parent=tenant,
            contact=pb.Contact(
                side=pb.SIDE_TENANT,
                function=pb.CONTACT_FUNCTION_BREACH,
                display_name="Night desk",
                address="+33 1 23 45 67 89",
            ),
            request_id=new_id(),
        )
    )
    after = await resources(service, tenant, CONTACT)

    assert [(name, clock.now()) for name in expected] == before
    assert [expected[0], expected[2]] == [name for name, _ in after]


async def test_unacknowledged_notice(
    service: AssistanceServiceAsyncStub,
    channel: grpc.aio.Channel,
    clock: SteppingClock,
    tenant: str,
) -> None:
    """A notice is a gap until somebody has acknowledged it; another tenant's is none."""
    await breaches.with_people(channel, tenant, end_users=1)
    await breaches.report(channel, breaches.of_tenants(tenant))
    notice = (await breaches.notices(channel, tenant))[0].name

    before = await resources(service, tenant, NOTICE)
    elsewhere = await resources(service, await new_tenant(channel), NOTICE)
    await breaches.acknowledge(channel, notice)
    after = await resources(service, tenant, NOTICE)

    assert ([(notice, clock.now())], [], []) == (before, elsewhere, after)


async def test_unanswered_request(
    service: AssistanceServiceAsyncStub,
    channel: grpc.aio.Channel,
    clock: SteppingClock,
    tenant: str,
) -> None:
    """A request is a gap while it waits for the tenant, and again when its month is over."""
    who, own = end_user(tenant), own_user(tenant)
    await grant(channel, who, CUSTOMISE)
    await grant(channel, own, NEWS)
    waits = await exercising.ask(channel, who, exercising.ACCESS)
    ours = await exercising.ask(channel, own, exercising.ACCESS)
    asked = clock.now()

    waiting = await resources(service, tenant, REQUEST)
    await exercising.authorise(channel, waits.name)
    in_time = await resources(service, tenant, REQUEST)
    clock.advance(months=2)
    late = await resources(service, tenant, REQUEST)
    await exercising.execute(channel, waits.name)
    rest = await resources(service, tenant, REQUEST)

    due = ours.due_time.ToDatetime(tzinfo=UTC)
    assert ([(waits.name, asked)], []) == (waiting, in_time)
    assert {(waits.name, due), (ours.name, due)} == set(late)
    assert [(ours.name, due)] == rest


async def test_expired_safeguard(
    service: AssistanceServiceAsyncStub,
    channel: grpc.aio.Channel,
    clock: SteppingClock,
    tenant: str,
) -> None:
    """A recipient is a gap from the moment at which its safeguard ends."""
    request = creation(clock, safeguard_expire_time=at(clock, timedelta(days=1)))
    made = (await DisclosureServiceStub(channel).CreateRecipient(request)).recipient

    before = await resources(service, tenant, SAFEGUARD)
    end = clock.advance(timedelta(days=1))
    after = await resources(service, tenant, SAFEGUARD)

    assert made.name not in dict(before)
    assert end == dict(after)[made.name]


async def test_undocumented_instruction(
    app: App,
    channel: grpc.aio.Channel,
    clock: SteppingClock,
    tenant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Data that was kept before it needed an instruction is a gap until there is one."""
    await put(channel, end_user(tenant))
    ports = app.ports
    catalogues, tenants = Catalogues(ports), Tenants(ports)
    await catalogues.refresh()
    since = clock.advance(timedelta(hours=1))
    known = catalogues.current.categories["profile"]
    needing = replace(known, requires_instruction=True, effective_time=since)
    changed = replace(catalogues.current, categories={"profile": needing})
    monkeypatch.setattr(Catalogues, "current", changed)
    found = ComplianceGaps(ports, tenants, catalogues, Contacts(ports, tenants))
    call = Call("test", "Tests/Gaps", request_id=new_id(), content=b"")
    id = tenant.removeprefix("tenants/")

    async def missing() -> list[tuple[str, datetime]]:
        return [
            (gap.resource, gap.since)
            for gap in await found.list(call, id, after=None, limit=100)
            if gap.kind is GapKind.UNDOCUMENTED_INSTRUCTION
        ]

    # As after an earlier instruction, which was taken back before the data was kept.
    ended = Insert(MANDATES, Mandate(f"{id}/profile", id, 1, "profile", 1, ()))
    await ports.committer.commit(Change((ended,), ()), type(None))
    before = await missing()
    await Instructions(ports, tenants, catalogues).record(
        call,
        tenant=id,
        category="profile",
        words=Words("Collect the profile.", "Head of support"),
        evidence_digest="",
    )

    assert [("categories/profile", since)] == before
    assert [] == await missing()


async def test_gaps_are_paged_oldest_first(
    service: AssistanceServiceAsyncStub,
    channel: grpc.aio.Channel,
    clock: SteppingClock,
    tenant: str,
) -> None:
    """Page after page lists every gap once, the oldest first, however many have the same time."""
    await breaches.with_people(channel, tenant, end_users=3, own_users=2)
    for _ in range(3):
        await breaches.report(channel, breaches.of_tenants(tenant))
    for _ in range(2):
        who = end_user(tenant)
        await grant(channel, who, CUSTOMISE)
        await exercising.ask(channel, who, exercising.ACCESS)
    clock.advance(timedelta(hours=1))
    await breaches.report(channel, breaches.of_tenants(tenant))

    whole = await gaps(service, tenant)

    times = [gap.since_time.ToDatetime() for gap in whole]
    assert sorted(times) == times
    assert {CONTACT: 3, NOTICE: 8, REQUEST: 2} == {
        kind: sum(gap.kind == kind for gap in whole) for kind in (CONTACT, NOTICE, REQUEST)
    }
    for size in (1, 2, 3, 5):
        assert whole == await gaps(service, tenant, size)


async def test_every_gap_says_what_to_do(service: AssistanceServiceAsyncStub, tenant: str) -> None:
    """Each gap is described in a sentence, and so is what to do about it."""

    for gap in await gaps(service, tenant):
        assert gap.description.endswith(".")
        assert gap.advice.endswith(".")


async def test_made_up_position_is_refused(
    service: AssistanceServiceAsyncStub, tenant: str
) -> None:
    """A token that this list never gave is refused, even if it has the right shape."""
    first = await service.ListComplianceGaps(
        pb.ListComplianceGapsRequest(parent=tenant, page_size=1)
    )
    decoded = msgspec.msgpack.decode(_decoded(first.next_page_token))
    made_up = _encoded(msgspec.msgpack.encode([decoded[0], "yesterday", decoded[2]]))

    told = await refused(
        service.ListComplianceGaps(pb.ListComplianceGapsRequest(parent=tenant, page_token=made_up))
    )

    assert ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID") == (told.code, told.reason)
