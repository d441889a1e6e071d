"""Requests that change what stands against processing: objections, restrictions, withdrawals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import grpc
import pytest

from privacyrights.v1 import subject_rights_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.domain.clock import SteppingClock
from server.domain.consent.standing import Act, ActKind, Standing
from tests.rpc.exercising import (
    ACCESS,
    ask,
    attest,
    authorise,
    document,
    execute,
    exercise,
    get,
    keep,
    known,
    refuse,
)
from tests.rpc.people import end_user, grant, new_tenant, own_user, refused
from tests.rpc.standing import (
    CONSENT_WITHDRAWAL,
    DISPUTED,
    LIFTING,
    OBJECTION,
    RESTRICTION,
    WITHDRAWAL_OF_OBJECTION,
    at,
    interest,
    notify,
    reasons,
)

CUSTOMISE = "purposes/customise_messages"
NEWS = "purposes/platform_news"
RELATIONSHIP = "purposes/manage_relationship"
DAY = timedelta(days=1)

Person = Callable[[str], types_pb2.Subject]


async def talker(channel: grpc.aio.Channel) -> types_pb2.Subject:
    """Return an end-user about whom something is kept."""
    return await known(channel, end_user)


async def test_objection_takes_effect_with_its_execution(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """In the processor's role the tenant decides first; the past is told as it was (Art. 21(1))."""
    name, other = await interest(channel), await interest(channel)
    subject = await talker(channel)
    request = await ask(channel, subject, OBJECTION, purposes=[name])
    assert pb.RIGHTS_REQUEST_STATE_AWAITING_CONTROLLER == request.state
    assert ["OTHER_LEGAL_BASIS"] == await reasons(channel, subject, name)
    before = clock.now()
    clock.advance(DAY)
    await authorise(channel, request.name)
    done = await execute(channel, request.name)
    during = clock.now()
    clock.advance(DAY)

    assert pb.RIGHTS_REQUEST_STATE_COMPLETED == done.state
    assert [name] == done.purposes
    assert ["OBJECTION"] == await reasons(channel, subject, name)
    assert ["OTHER_LEGAL_BASIS"] == await reasons(channel, subject, other)
    await exercise(channel, subject, WITHDRAWAL_OF_OBJECTION, purposes=[name])
    assert ["OTHER_LEGAL_BASIS"] == await reasons(channel, subject, name)
    assert ["OTHER_LEGAL_BASIS"] == await reasons(channel, subject, name, before)
    assert ["OBJECTION"] == await reasons(channel, subject, name, during)


@pytest.mark.parametrize("identity", [None, "given"])
async def test_objection_to_marketing_is_absolute(
    channel: grpc.aio.Channel, identity: str | None
) -> None:
    """It takes effect when it is received, whoever asks, and nothing can be refused (21(3))."""
    name = await interest(channel, direct_marketing=True)
    subject = await talker(channel)
    fields = {} if identity else {"identity": None}

    request = await ask(channel, subject, OBJECTION, direct_marketing=True, **fields)

    assert (pb.RIGHTS_REQUEST_STATE_COMPLETED, True) == (request.state, request.direct_marketing)
    assert 2 == len(request.transitions)
    assert ["OBJECTION"] == await reasons(channel, subject, name)
    told = await refused(refuse(channel, request.name, pb.REFUSAL_GROUND_EXCESSIVE))
    assert "ILLEGAL_TRANSITION" == told.reason


async def test_marketing_goes_before_the_rest(channel: grpc.aio.Channel) -> None:
    """An objection to all stops marketing at once; the rest can be refused, as 21(1) allows."""
    marketing = await interest(channel, direct_marketing=True)
    other = await interest(channel)
    subject = await talker(channel)

    request = await ask(channel, subject, OBJECTION)

    assert ["OBJECTION"] == await reasons(channel, subject, marketing)
    assert ["OTHER_LEGAL_BASIS"] == await reasons(channel, subject, other)
    wrong = await refused(refuse(channel, request.name, pb.REFUSAL_GROUND_LEGAL_OBLIGATION))
    assert ("FIELD_INVALID", ("ground",)) == (wrong.reason, wrong.fields)
    ground = pb.REFUSAL_GROUND_COMPELLING_LEGITIMATE_GROUNDS
    assert pb.RIGHTS_REQUEST_STATE_REFUSED == (
        (await refuse(channel, request.name, ground)).rights_request.state
    )
    assert ["OBJECTION"] == await reasons(channel, subject, marketing)
    assert ["OTHER_LEGAL_BASIS"] == await reasons(channel, subject, other)


@pytest.mark.parametrize("who", [own_user, end_user])
async def test_restriction_is_lifted_after_notice(
    channel: grpc.aio.Channel, clock: SteppingClock, who: Person
) -> None:
    """Nothing is processed while it stands, and the person is told before its end (Art. 18)."""
    subject = await known(channel, who)
    purpose = RELATIONSHIP if who is own_user else await interest(channel)
    request = await exercise(channel, subject, RESTRICTION, restriction_ground=DISPUTED)
    assert DISPUTED == request.restriction_ground
    during = clock.now()
    clock.advance(DAY)
    assert ["RESTRICTION"] == await reasons(channel, subject, purpose)

    lifting = await ask(channel, subject, LIFTING, lift_time=at(clock.now() + DAY))
    if who is end_user:
        await authorise(channel, lifting.name)
    unsaid = await refused(execute(channel, lifting.name))
    told = await notify(channel, lifting.name)
    early = await refused(execute(channel, lifting.name))
    clock.advance(DAY)
    await execute(channel, lifting.name)

    assert "PRIOR_NOTICE_MISSING" == unsaid.reason == early.reason
    assert [pb.SUBJECT_NOTICE_KIND_LIFTING] == [each.kind for each in told.subject_notices]
    assert ["OTHER_LEGAL_BASIS"] == await reasons(channel, subject, purpose)
    assert ["RESTRICTION"] == await reasons(channel, subject, purpose, during)


async def test_later_restriction_outlives_a_lifting(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """What was restricted after the lifting was asked for isn't lifted by it."""
    subject = await known(channel)
    await exercise(channel, subject, RESTRICTION, restriction_ground=DISPUTED)
    clock.advance(DAY)
    lifting = await ask(channel, subject, LIFTING, lift_time=at(clock.now() + DAY))
    await notify(channel, lifting.name)
    clock.advance(DAY)
    ground = pb.RESTRICTION_GROUND_LEGAL_CLAIMS
    await exercise(channel, subject, RESTRICTION, restriction_ground=ground)

    await execute(channel, lifting.name)

    assert ["RESTRICTION"] == await reasons(channel, subject, RELATIONSHIP)


async def test_notice_must_fit_the_request(channel: grpc.aio.Channel) -> None:
    """Nobody is told of a lifting, a refusal or an outcome that there isn't."""
    request = await ask(channel, await known(channel), ACCESS)

    for kind in (
        pb.SUBJECT_NOTICE_KIND_LIFTING,
        pb.SUBJECT_NOTICE_KIND_REFUSAL,
        pb.SUBJECT_NOTICE_KIND_OUTCOME,
        pb.SUBJECT_NOTICE_KIND_EXTENSION,
    ):
        assert "ILLEGAL_TRANSITION" == (await refused(notify(channel, request.name, kind))).reason
    await notify(channel, request.name, pb.SUBJECT_NOTICE_KIND_RECEIPT)
    assert 1 == len((await get(channel, request.name)).subject_notices)


@pytest.mark.parametrize("purposes", [[], [NEWS]])
async def test_withdrawal_takes_effect_at_once(
    channel: grpc.aio.Channel, purposes: list[str]
) -> None:
    """As easily as it was given, without proof of who asks (Art. 7(3))."""
    subject = own_user(await new_tenant(channel))
    await grant(channel, subject, NEWS)

    request = await ask(channel, subject, CONSENT_WITHDRAWAL, purposes=purposes, identity=None)

    assert pb.RIGHTS_REQUEST_STATE_COMPLETED == request.state
    assert "CONSENT_WITHDRAWN" in await reasons(channel, subject, NEWS)


async def test_export_has_what_stood(channel: grpc.aio.Channel) -> None:
    """Objections and restrictions are part of the answer to an access request (Art. 15)."""
    subject = await known(channel)
    await exercise(channel, subject, RESTRICTION, restriction_ground=DISPUTED)
    access = await exercise(channel, subject, ACCESS)

    told = (await document(channel, access.name))["objections_and_restrictions"]

    assert [("restricted", "accuracy_contested")] == [
        (each["kind"], each["ground"]) for each in told
    ]


@pytest.mark.parametrize(
    ("kind", "fields", "field"),
    [
        (ACCESS, {"purposes": [NEWS]}, "purposes"),
        (RESTRICTION, {}, "restriction_ground"),
        (ACCESS, {"restriction_ground": DISPUTED}, "restriction_ground"),
        (LIFTING, {}, "lift_time"),
        (RESTRICTION, {"direct_marketing": True, "restriction_ground": 1}, "direct_marketing"),
        (OBJECTION, {"direct_marketing": True, "purposes": [NEWS]}, "purposes"),
        (OBJECTION, {"purposes": ["nonsense"]}, "purposes[0]"),
    ],
)
async def test_field_must_fit_the_kind(
    channel: grpc.aio.Channel, kind: int, fields: dict[str, object], field: str
) -> None:
    """What a kind has no use for is refused, and what it needs is asked for."""
    found = await refused(ask(channel, own_user("tenants/a"), kind, **fields))  # type: ignore[arg-type]  # a value of the enum

    assert ("FIELD_INVALID", (field,)) == (found.reason, found.fields)


async def test_purposes_must_be_of_the_regime(channel: grpc.aio.Channel) -> None:
    """A purpose that isn't there, or is the other regime's, is refused."""
    subject = await known(channel)

    missing = await refused(ask(channel, subject, OBJECTION, purposes=["purposes/no_such"]))
    other = await refused(ask(channel, subject, OBJECTION, purposes=[CUSTOMISE]))

    assert ("PURPOSE_NOT_FOUND", "PURPOSE_ROLE_MISMATCH") == (missing.reason, other.reason)


async def test_unverified_restriction_has_no_effect(channel: grpc.aio.Channel) -> None:
    """Only what is absolute needs no proof of who asks."""
    subject = await known(channel)
    request = await ask(channel, subject, RESTRICTION, restriction_ground=DISPUTED, identity=None)

    assert "IDENTITY_NOT_VERIFIED" == (await refused(execute(channel, request.name))).reason
    assert ["OTHER_LEGAL_BASIS"] == await reasons(channel, subject, RELATIONSHIP)
    await attest(channel, request.name)
    await execute(channel, request.name)
    assert ["RESTRICTION"] == await reasons(channel, subject, RELATIONSHIP)


async def test_check_of_single_categories(channel: grpc.aio.Channel) -> None:
    """Each category that is asked about must be the purpose's, and instructed if it needs it."""
    both = ["categories/profile", "categories/public_profile"]
    name = await interest(channel, categories=both)
    subject = await talker(channel)
    await keep(channel, subject, key="more")

    assert ["OTHER_LEGAL_BASIS"] == await reasons(channel, subject, name)
    assert ["OTHER_LEGAL_BASIS"] == await reasons(channel, subject, name, categories=both[:1])
    assert ["INSTRUCTION_MISSING"] == await reasons(channel, subject, name, categories=both)
    assert ["CATEGORY_NOT_IN_PURPOSE"] == await reasons(
        channel, subject, name, categories=["categories/quick_reply"]
    )
    unknown = reasons(channel, subject, name, categories=["categories/no_such"])
    assert "CATEGORY_NOT_FOUND" == (await refused(unknown)).reason


async def test_forgotten_history_would_be_noticed(
    channel: grpc.aio.Channel, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If what was taken back were taken out of the past as well, the past would be wrong."""
    name = await interest(channel)
    subject = await talker(channel)
    await exercise(channel, subject, OBJECTION, purposes=[name])
    during = clock.now()
    clock.advance(DAY)

    def forgetful(self: Standing, act: Act) -> Standing:
        return self if act.kind is ActKind.OBJECTED else Standing()

    monkeypatch.setattr(Standing, "after", forgetful)

    assert ["OTHER_LEGAL_BASIS"] == await reasons(channel, subject, name, during)
