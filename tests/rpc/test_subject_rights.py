"""SubjectRightsService over a real channel: what becomes a request, and what does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import subject_rights_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.compose import App
from server.domain.call import Call
from server.domain.catalogue.catalogues import Catalogues
from server.domain.change import Change, Committed, Kind, Replace
from server.domain.ports import Committer
from server.domain.rights.effects import Effects
from server.domain.rights.request import Identity
from server.domain.rights.requests import NewRequest, RightsRequests
from server.domain.rights.terms import Assurance, IdentityMethod, Right
from server.domain.tenants import Tenants
from tests.rpc.exercising import (
    ACCESS,
    ERASURE,
    LOGIN,
    Person,
    ask,
    attest,
    exercise,
    get,
    keep,
    known,
    withdraw,
)
from tests.rpc.kept import subject_id
from tests.rpc.people import end_user, new_id, new_tenant, own_user, refused

BOTH = pytest.mark.parametrize("who", [own_user, end_user])

AWAITING_IDENTITY = pb.RIGHTS_REQUEST_STATE_AWAITING_IDENTITY
AWAITING_CONTROLLER = pb.RIGHTS_REQUEST_STATE_AWAITING_CONTROLLER
IN_PROGRESS = pb.RIGHTS_REQUEST_STATE_IN_PROGRESS


def stamp(time: datetime) -> Timestamp:
    """Return *time* as the contract has it."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


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
        {"categories": ["categories/account"]},
        {"kind": pb.RIGHTS_REQUEST_KIND_HUMAN_REVIEW},
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
    requests = RightsRequests(ports, Tenants(ports), Effects(ports, Catalogues(ports)))
    who = subject_id(await known(channel))
    new = NewRequest(
        who, Right.ACCESS, identity=Identity(Assurance.LOW, IdentityMethod.PLATFORM_LOGIN)
    )

    opened = await asyncio.gather(
        *(requests.create(Call("test", "Test", new_id()), new) for _ in range(2))
    )

    assert 2 == len({committed.outcome.id for committed in opened})


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
