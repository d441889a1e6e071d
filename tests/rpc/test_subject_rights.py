"""SubjectRightsService over a real channel: requests, from receipt to a decision."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import audit_service_pb2, audit_service_pb2_grpc, types_pb2
from privacyrights.v1 import subject_rights_service_pb2 as pb
from server.compose import App
from server.domain.call import Call
from server.domain.change import Change, Committed, Kind, Replace
from server.domain.clock import SteppingClock
from server.domain.ports import Committer
from server.domain.rights.request import Identity
from server.domain.rights.requests import NewRequest, RightsRequests
from server.domain.rights.terms import Assurance, IdentityMethod, Right
from server.domain.tenants import Tenants
from tests.rpc.exercising import (
    ACCESS,
    ERASURE,
    LOGIN,
    ask,
    authorise,
    execute,
    exercise,
    get,
    keep,
    rights,
)
from tests.rpc.kept import ledger, subject_id
from tests.rpc.people import end_user, new_id, new_tenant, own_user, refused

BOTH = pytest.mark.parametrize("who", [own_user, end_user])
Person = Callable[[str], types_pb2.Subject]

AWAITING_IDENTITY = pb.RIGHTS_REQUEST_STATE_AWAITING_IDENTITY
AWAITING_CONTROLLER = pb.RIGHTS_REQUEST_STATE_AWAITING_CONTROLLER
IN_PROGRESS = pb.RIGHTS_REQUEST_STATE_IN_PROGRESS

MISSING = "tenants/nobody/rightsRequests/c0123456789abcdefghjkmnpqrs"


def stamp(time: datetime) -> Timestamp:
    """Return *time* as the contract has it."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


async def known(channel: grpc.aio.Channel, who: Person = own_user) -> types_pb2.Subject:
    """Return somebody about whom something is kept."""
    subject = who(await new_tenant(channel))
    await keep(channel, subject)
    return subject


@pytest.mark.parametrize(
    ("who", "identity", "state"),
    [
        (own_user, None, AWAITING_IDENTITY),
        (end_user, None, AWAITING_IDENTITY),
        (own_user, LOGIN, IN_PROGRESS),
        (end_user, LOGIN, AWAITING_CONTROLLER),
    ],
)
async def test_request_begins_where_it_must(
    channel: grpc.aio.Channel, who: Person, identity: pb.IdentityAttestation | None, state: int
) -> None:
    """A request waits for proof of identity first, then for the tenant if it is the controller."""
    subject = await known(channel, who)

    request = await ask(channel, subject, ACCESS, identity=identity)

    assert state == request.state
    assert await get(channel, request.name) == request
    assert (subject.role, ACCESS, 1) == (request.role, request.kind, request.generation)
    assert request.subject_reference
    assert request.subject_reference != subject.subject_id


@BOTH
async def test_due_on_the_tenants_clock(channel: grpc.aio.Channel, who: Person) -> None:
    """The month runs from receipt, and ends when the day ends where the tenant is."""
    subject = who(await new_tenant(channel, time_zone="Asia/Tokyo"))
    await keep(channel, subject)
    received = datetime(2026, 1, 30, 15, 30, tzinfo=UTC)  # the 31st in Tokyo

    request = await ask(channel, subject, ACCESS, receive_time=stamp(received))

    assert received == request.receive_time.ToDatetime(UTC)
    assert datetime(2026, 2, 28, 15, tzinfo=UTC) == request.due_time.ToDatetime(UTC)


INVALID: dict[str, tuple[dict[str, Any], str, str]] = {
    "no kind": ({"kind": 0}, "FIELD_INVALID", "kind"),
    "unknown kind": ({"kind": 99}, "FIELD_INVALID", "kind"),
    "no subject id": (
        {"subject": types_pb2.Subject(role=types_pb2.ROLE_CONTROLLER, tenant="tenants/a")},
        "FIELD_INVALID",
        "subject.subject_id",
    ),
    "words beyond measure": ({"statement": "x" * 5001}, "FIELD_INVALID", "statement"),
    "words with control characters": ({"statement": "\x00"}, "FIELD_INVALID", "statement"),
    "no assurance": (
        {"identity": pb.IdentityAttestation(method=LOGIN.method)},
        "FIELD_INVALID",
        "identity.assurance",
    ),
    "no method": (
        {"identity": pb.IdentityAttestation(assurance=pb.IDENTITY_ASSURANCE_LOW)},
        "FIELD_INVALID",
        "identity.method",
    ),
    "a code that nobody confirmed": (
        {
            "identity": pb.IdentityAttestation(
                assurance=pb.IDENTITY_ASSURANCE_LOW, method=pb.IDENTITY_METHOD_ONE_TIME_CODE
            )
        },
        "FIELD_INVALID",
        "identity.method",
    ),
    "in the future": (
        {"receive_time": stamp(datetime(2030, 1, 1, tzinfo=UTC))},
        "TIME_IN_FUTURE",
        "receive_time",
    ),
    "before the law": (
        {"receive_time": stamp(datetime(1, 1, 1, tzinfo=UTC))},
        "FIELD_INVALID",
        "receive_time",
    ),
    "no request id": ({"request_id": ""}, "FIELD_INVALID", "request_id"),
}


@pytest.mark.parametrize("case", INVALID)
async def test_invalid_request_is_refused(channel: grpc.aio.Channel, case: str) -> None:
    """What breaks a rule of the contract is refused with the field, and nothing is echoed."""
    fields, reason, field = INVALID[case]
    subject = own_user("tenants/a")

    found = await refused(ask(channel, subject, ACCESS, **fields))

    assert ("INVALID_ARGUMENT", reason, (field,)) == (found.code, found.reason, found.fields)
    assert subject.subject_id not in found.message


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": pb.RIGHTS_REQUEST_KIND_RECTIFICATION},
        {"kind": pb.RIGHTS_REQUEST_KIND_PORTABILITY},
        {"corrections": [pb.Correction(category="categories/account")]},
        {"purposes": ["purposes/platform_news"]},
        {"categories": ["categories/account"]},
        {"kind": pb.RIGHTS_REQUEST_KIND_WITHDRAWAL_OF_OBJECTION},
    ],
)
async def test_what_is_not_built_is_refused(
    channel: grpc.aio.Channel, fields: dict[str, Any]
) -> None:
    """Better refused than taken and never done."""
    subject = await known(channel)

    found = await refused(ask(channel, subject, ACCESS, **fields))

    assert ("UNIMPLEMENTED", "NOT_BUILT_YET") == (found.code, found.reason)


async def test_nobody_is_invented(channel: grpc.aio.Channel) -> None:
    """A tenant or person that nothing is known of is told so; an earlier life isn't this one."""
    tenant = await new_tenant(channel)
    ada = await known(channel)
    earlier = types_pb2.Subject()
    earlier.CopyFrom(ada)
    earlier.generation = 2

    reasons = [
        (await refused(ask(channel, subject, ACCESS))).reason
        for subject in (own_user("tenants/nobody"), own_user(tenant), earlier)
    ]

    assert ["TENANT_NOT_FOUND", "SUBJECT_NOT_FOUND", "SUBJECT_ERASED"] == reasons


async def test_repeat_creates_nothing(channel: grpc.aio.Channel) -> None:
    """The same call twice is one request; the same id for another call is refused."""
    subject = await known(channel)
    id = new_id()

    first = await ask(channel, subject, ACCESS, request_id=id)
    again = await ask(channel, subject, ACCESS, request_id=id)
    other = await refused(ask(channel, subject, ERASURE, request_id=id))

    assert first == again
    assert ("ALREADY_EXISTS", "REQUEST_ID_REUSED") == (other.code, other.reason)


async def test_verified_request_is_not_opened_twice(channel: grpc.aio.Channel) -> None:
    """A second one for the same right is told the first; another right is another request."""
    subject = await known(channel)
    first = await ask(channel, subject, ACCESS)

    second = await refused(ask(channel, subject, ACCESS))
    other = await ask(channel, subject, ERASURE)

    assert ("ALREADY_EXISTS", "REQUEST_ALREADY_OPEN") == (second.code, second.reason)
    assert {"request": first.name} == second.metadata
    assert IN_PROGRESS == other.state


async def test_stranger_blocks_nobody(channel: grpc.aio.Channel) -> None:
    """An unverified request stands in nobody's way, and can't be verified beside the real one."""
    subject = await known(channel)
    strangers = [await ask(channel, subject, ERASURE, identity=None) for _ in range(2)]
    own = await ask(channel, subject, ERASURE)

    late = await refused(attest(channel, strangers[0].name))

    assert IN_PROGRESS == own.state
    assert ("REQUEST_ALREADY_OPEN", {"request": own.name}) == (late.reason, late.metadata)


async def test_ended_request_makes_room(channel: grpc.aio.Channel) -> None:
    """After a request has ended, the person may ask again."""
    subject = await known(channel)
    first = await ask(channel, subject, ACCESS)
    await withdraw(channel, first.name)

    second = await ask(channel, subject, ACCESS)

    assert first.name != second.name


async def test_concurrent_verified_requests_leave_one(channel: grpc.aio.Channel) -> None:
    """Of many that arrive at once, one is opened, and the others are told which."""
    subject = await known(channel)

    answers = await asyncio.gather(
        *(ask(channel, subject, ACCESS) for _ in range(8)), return_exceptions=True
    )

    opened = [answer for answer in answers if isinstance(answer, pb.RightsRequest)]
    assert 1 == len(opened)


async def test_unfenced_creation_would_be_noticed(app: App, channel: grpc.aio.Channel) -> None:
    """If a creation didn't write the subject's document, two at once would both be opened."""
    both_decided = asyncio.Barrier(2)

    class Unfenced(Committer):
        async def commit(self, change: Change, outcome: type[Any]) -> Committed[Any]:
            await both_decided.wait()
            kept = [
                write
                for write in change.writes
                if not (isinstance(write, Replace) and write.table.kind is Kind.SUBJECTS)
            ]
            return await app.ports.committer.commit(replace(change, writes=kept), outcome)

    ports = replace(app.ports, committer=Unfenced())
    requests = RightsRequests(ports, Tenants(ports))
    who = subject_id(await known(channel))
    new = NewRequest(
        who, Right.ACCESS, identity=Identity(Assurance.LOW, IdentityMethod.PLATFORM_LOGIN)
    )

    opened = await asyncio.gather(
        *(requests.create(Call("test", "Test", new_id()), new) for _ in range(2))
    )

    assert 2 == len({committed.outcome.id for committed in opened})


@BOTH
async def test_way_to_execution(channel: grpc.aio.Channel, who: Person) -> None:
    """Attested, authorised where the tenant decides, and done: nothing can be left out."""
    subject = await known(channel, who)
    request = await ask(channel, subject, ACCESS, identity=None)

    unverified = await refused(execute(channel, request.name))
    attested = (await attest(channel, request.name)).rights_request
    if subject.role == types_pb2.ROLE_PROCESSOR:
        unauthorised = await refused(execute(channel, request.name))
        assert "CONTROLLER_NOT_AUTHORISED" == unauthorised.reason
        await authorise(channel, request.name)
    done = await execute(channel, request.name)

    assert "IDENTITY_NOT_VERIFIED" == unverified.reason
    assert (LOGIN.assurance, LOGIN.method) == (
        attested.identity.assurance,
        attested.identity.method,
    )
    assert pb.RIGHTS_REQUEST_STATE_COMPLETED == done.state
    expected = "Head of support" if subject.role == types_pb2.ROLE_PROCESSOR else ""
    assert expected == done.authorised_by


async def test_refusal_has_a_ground_and_words(channel: grpc.aio.Channel) -> None:
    """A refusal tells the person the law's ground and why, at every later reading too."""
    subject = await known(channel)
    request = await ask(channel, subject, ERASURE)
    id = new_id()

    told = await refuse(channel, request.name, pb.REFUSAL_GROUND_LEGAL_CLAIMS, request_id=id)
    again = await refuse(channel, request.name, pb.REFUSAL_GROUND_LEGAL_CLAIMS, request_id=id)
    found = await get(channel, request.name)

    assert pb.RIGHTS_REQUEST_STATE_REFUSED == told.rights_request.state
    assert "Your invoice is in dispute." == found.refusals[0].explanation
    assert [pb.REFUSAL_GROUND_LEGAL_CLAIMS] == [each.ground for each in found.refusals]
    assert found == told.rights_request == again.rights_request


async def test_ground_must_fit_the_right(channel: grpc.aio.Channel) -> None:
    """A ground against erasure is none against access."""
    subject = await known(channel)
    request = await ask(channel, subject, ACCESS)

    found = await refused(refuse(channel, request.name, pb.REFUSAL_GROUND_LEGAL_CLAIMS))

    assert ("FIELD_INVALID", ("ground",)) == (found.reason, found.fields)
    assert IN_PROGRESS == (await get(channel, request.name)).state


async def test_illegal_steps_are_refused(channel: grpc.aio.Channel) -> None:
    """What has ended takes no step; the refusal names the state."""
    subject = await known(channel)
    request = await ask(channel, subject, ACCESS)
    await withdraw(channel, request.name)

    steps: list[Awaitable[Any]] = [
        attest(channel, request.name),
        authorise(channel, request.name),
        execute(channel, request.name),
        refuse(channel, request.name, pb.REFUSAL_GROUND_EXCESSIVE),
        withdraw(channel, request.name),
    ]
    found = [await refused(step) for step in steps]

    assert ["ILLEGAL_TRANSITION"] * 5 == [each.reason for each in found]
    assert [{"state": "withdrawn"}] * 5 == [each.metadata for each in found]


async def test_other_tenants_request_does_not_exist(channel: grpc.aio.Channel) -> None:
    """Another tenant's request and one that never was get the same answer, in every method."""
    request = await ask(channel, await known(channel), ACCESS)
    foreign = (
        f"{await new_tenant(channel)}/{request.name.partition('/rights')[1]}"
        + (request.name.partition("/rights")[2])
    )
    foreign = foreign.replace("//", "/")

    for name in (foreign, MISSING):
        calls: list[Awaitable[Any]] = [
            get(channel, name),
            attest(channel, name),
            authorise(channel, name),
            execute(channel, name),
            refuse(channel, name, pb.REFUSAL_GROUND_EXCESSIVE),
            withdraw(channel, name),
            rights(channel).GetErasureCertificate(pb.GetErasureCertificateRequest(name=name)),
        ]
        found = [await refused(call) for call in calls]
        assert {("NOT_FOUND", "RIGHTS_REQUEST_NOT_FOUND", "no such request")} == {
            (each.code, each.reason, each.message) for each in found
        }


@pytest.mark.parametrize(
    "name", ["", "tenants/a", "tenants/a/rightsRequests/x", "tenants/a/notices/c01", "x" * 500]
)
async def test_malformed_name_is_refused(channel: grpc.aio.Channel, name: str) -> None:
    """A name that no call ever returned is told to be one."""

    found = await refused(get(channel, name))

    assert ("FIELD_INVALID", ("name",)) == (found.reason, found.fields)


async def test_list_is_due_first(channel: grpc.aio.Channel) -> None:
    """The request that is due first comes first, page after page; filters leave out the rest."""
    tenant = await new_tenant(channel)
    names: dict[int, str] = {}
    for day in (3, 1, 2):
        subject = own_user(tenant)
        await keep(channel, subject)
        received = stamp(datetime(2026, 1, day, tzinfo=UTC))
        names[day] = (await ask(channel, subject, ACCESS, receive_time=received)).name
    await withdraw(channel, names[3])
    end = end_user(tenant)
    await keep(channel, end)
    await ask(channel, end, ACCESS)

    first = await listed(channel, tenant, page_size=2)
    second = await listed(channel, tenant, page_size=2, page_token=first.next_page_token)
    opened = await listed(channel, tenant, states=[IN_PROGRESS, AWAITING_IDENTITY])
    # The first two are due at midnight in Paris, on 2 and 3 February.
    due = await listed(channel, tenant, due_before_time=stamp(datetime(2026, 2, 2, 23, tzinfo=UTC)))

    assert [names[1], names[2]] == [each.name for each in first.rights_requests]
    assert [names[3]] == [each.name for each in second.rights_requests]
    assert "" == second.next_page_token
    assert [names[1], names[2]] == [each.name for each in opened.rights_requests]
    assert [names[1]] == [each.name for each in due.rights_requests]


async def test_list_of_one_person_and_kind(channel: grpc.aio.Channel) -> None:
    """A list can be narrowed to one person's requests, and to kinds of them."""
    ada = await known(channel)
    tenant, ben = ada.tenant, own_user(ada.tenant)
    await keep(channel, ben)
    access, erasure = [await ask(channel, ada, kind) for kind in (ACCESS, ERASURE)]
    await ask(channel, ben, ACCESS)

    hers = await listed(channel, tenant, subject=ada)
    erasures = await listed(channel, tenant, subject=ada, kinds=[ERASURE])
    of_other_role = await refused(listed(channel, tenant, subject=end_user(tenant)))

    assert {access.name, erasure.name} == {each.name for each in hers.rights_requests}
    assert [erasure.name] == [each.name for each in erasures.rights_requests]
    assert ("subject",) == of_other_role.fields


@BOTH
async def test_every_change_of_state_is_told(channel: grpc.aio.Channel, who: Person) -> None:
    """A request has its whole course, each step with the ledger entry that says so."""
    subject = await known(channel, who)
    request = await ask(channel, subject, ACCESS, identity=None)
    await attest(channel, request.name)
    is_end_user = subject.role == types_pb2.ROLE_PROCESSOR
    if is_end_user:
        await authorise(channel, request.name)

    done = await execute(channel, request.name)

    course = [(each.from_state, each.to_state, each.cause) for each in done.transitions]
    verified = AWAITING_CONTROLLER if is_end_user else IN_PROGRESS
    decided = (
        [(AWAITING_CONTROLLER, IN_PROGRESS, pb.TRANSITION_CAUSE_AUTHORISED)] if is_end_user else []
    )
    assert course == [
        (0, AWAITING_IDENTITY, pb.TRANSITION_CAUSE_RECEIVED),
        (AWAITING_IDENTITY, verified, pb.TRANSITION_CAUSE_IDENTITY_VERIFIED),
        *decided,
        (IN_PROGRESS, pb.RIGHTS_REQUEST_STATE_COMPLETED, pb.TRANSITION_CAUSE_ALL_CONFIRMED),
    ]
    listed_entries = await audit_service_pb2_grpc.AuditServiceStub(channel).ListLedgerEntries(
        audit_service_pb2.ListLedgerEntriesRequest(parent=subject.tenant, subject=subject)
    )
    types = {each.name: each.type for each in listed_entries.entries}
    assert [types[each.ledger_entry] for each in done.transitions] == [
        "rights.request_created",
        "rights.identity_attested",
        *(["rights.request_authorised"] if is_end_user else []),
        "rights.request_completed",
    ]


LIST_REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "no role": ({"role": 0}, "FIELD_INVALID"),
    "unknown state": ({"states": [99]}, "FIELD_INVALID"),
    "made up token": ({"page_token": "AAAA"}, "PAGE_TOKEN_INVALID"),
    "unknown tenant": ({"parent": "tenants/nobody"}, "TENANT_NOT_FOUND"),
}


@pytest.mark.parametrize("case", LIST_REFUSALS)
async def test_invalid_list_is_refused(channel: grpc.aio.Channel, case: str) -> None:
    """A list of nothing that exists is refused, not empty."""
    fields, reason = LIST_REFUSALS[case]

    found = await refused(listed(channel, "tenants/a", **fields))

    assert reason == found.reason


async def test_earliest_and_latest_times_are_harmless(channel: grpc.aio.Channel) -> None:
    """The ends of the calendar are times like any other."""
    tenant = await new_tenant(channel)

    for time in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)):
        assert not (await listed(channel, tenant, due_before_time=stamp(time))).rights_requests


async def test_every_step_is_in_the_ledger(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Receipt, identity, instruction and execution are each an entry, about a reference."""
    subject = await known(channel, end_user)
    clock.advance(timedelta(seconds=1))
    request = await ask(channel, subject, ERASURE, identity=None)
    await attest(channel, request.name)
    await authorise(channel, request.name)
    await execute(channel, request.name)

    entries = [each for each in await ledger(app.ports, subject.tenant) if each.target]
    about = [each for each in entries if each.target == request.name]

    assert [
        "rights.identity_attested",
        "rights.request_authorised",
        "rights.request_completed",
        "rights.request_created",
        "subject.erased",
    ] == sorted({each.type for each in about} - {"subject.purged"})
    assert {request.subject_reference} == {each.subject for each in about}


async def test_log_names_nobody(
    channel: grpc.aio.Channel, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    """The line of a call has tenant and reference, and neither the id nor the words."""
    subject = await known(channel)

    request = await exercise(channel, subject, ACCESS, statement="I am Ada Lovelace")

    lines = [line for line in logged() if line.get("method", "").endswith("CreateRightsRequest")]
    assert [request.subject_reference] == [line["subject"] for line in lines]
    assert subject.subject_id not in str(logged())
    assert "Lovelace" not in str(logged())


async def attest(channel: grpc.aio.Channel, name: str) -> pb.AttestIdentityResponse:
    """Attest that a request is the person's own."""
    return await rights(channel).AttestIdentity(
        pb.AttestIdentityRequest(name=name, identity=LOGIN, request_id=new_id())
    )


async def withdraw(channel: grpc.aio.Channel, name: str) -> pb.WithdrawRightsRequestResponse:
    """Take a request back."""
    return await rights(channel).WithdrawRightsRequest(
        pb.WithdrawRightsRequestRequest(name=name, request_id=new_id())
    )


async def refuse(
    channel: grpc.aio.Channel,
    name: str,
    ground: pb.RefusalGround.ValueType,
    *,
    request_id: str = "",
) -> pb.RefuseRightsRequestResponse:
    """Refuse a request."""
    return await rights(channel).RefuseRightsRequest(
        pb.RefuseRightsRequestRequest(
            name=name,
            ground=ground,
            explanation="Your invoice is in dispute.",
            request_id=request_id or new_id(),
        )
    )


async def listed(
    channel: grpc.aio.Channel, tenant: str, **fields: Any
) -> pb.ListRightsRequestsResponse:
    """Return one page of the requests of a tenant's own people; *fields* override."""
    given: dict[str, Any] = {"parent": tenant, "role": types_pb2.ROLE_CONTROLLER, **fields}
    return await rights(channel).ListRightsRequests(pb.ListRightsRequestsRequest(**given))
