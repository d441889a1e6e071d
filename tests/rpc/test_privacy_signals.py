"""RecordPrivacySignal: a browser's signal is an objection that only the signal takes back."""

from __future__ import annotations

from datetime import timedelta

import grpc
import pytest

from privacyrights.v1 import types_pb2
from privacyrights.v1.audit_service_pb2 import ListLedgerEntriesRequest
from privacyrights.v1.audit_service_pb2_grpc import AuditServiceStub
from server.compose import App
from server.domain.clock import SteppingClock
from tests.rpc.exercising import Person, exercise
from tests.rpc.kept import erase
from tests.rpc.people import end_user, grant, new_id, new_tenant, refused
from tests.rpc.standing import OBJECTION, WITHDRAWAL_OF_OBJECTION, at, interest, reasons, signal

CUSTOMISE = "purposes/customise_messages"
DAY = timedelta(days=1)


def visitor(tenant: str) -> types_pb2.Subject:
    """Return somebody without an account."""
    return types_pb2.Subject(
        role=types_pb2.ROLE_PROCESSOR, tenant=tenant, visitor_id=new_id("browser-0123456789")
    )


async def signals(channel: grpc.aio.Channel, tenant: str) -> int:
    """Return how many signals the ledger tells of."""
    found = await AuditServiceStub(channel).ListLedgerEntries(
        ListLedgerEntriesRequest(parent=tenant, types=["consent.signal_recorded"])
    )
    return len(found.entries)


@pytest.mark.parametrize("who", [visitor, end_user])
async def test_signal_is_an_objection_until_it_is_switched_off(
    channel: grpc.aio.Channel, clock: SteppingClock, who: Person
) -> None:
    """With an account or without: while it is on nothing that can be objected to is allowed."""
    name = await interest(channel)
    tenant = await new_tenant(channel)
    subject = who(tenant)
    before = clock.now()
    clock.advance(DAY)
    answer = await signal(channel, subject)
    again = await signal(channel, subject)
    on = clock.now()
    clock.advance(DAY)

    assert ["OBJECTION"] == await reasons(channel, subject, name)
    await signal(channel, subject, switched_off=True)

    assert name in answer.purposes
    assert CUSTOMISE not in answer.purposes
    assert answer.purposes == again.purposes
    assert ["OTHER_LEGAL_BASIS"] == await reasons(channel, subject, name)
    assert ["OBJECTION"] == await reasons(channel, subject, name, on)
    assert ["OTHER_LEGAL_BASIS"] == await reasons(channel, subject, name, before)
    assert 2 == await signals(channel, tenant), "what stands already is not recorded again"


async def test_signal_takes_back_no_other_objection(channel: grpc.aio.Channel) -> None:
    """Switching it off leaves the person's own objection; taking that back leaves the signal."""
    name = await interest(channel)
    subject = end_user(await new_tenant(channel))
    await signal(channel, subject)
    await exercise(channel, subject, OBJECTION, purposes=[name])
    await signal(channel, subject, switched_off=True)
    assert ["OBJECTION"] == await reasons(channel, subject, name)

    await signal(channel, subject)
    await exercise(channel, subject, WITHDRAWAL_OF_OBJECTION)

    assert ["OBJECTION"] == await reasons(channel, subject, name)


async def test_late_switching_off_does_not_count(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """What was switched off before it was seen to be on is on; a late "on" always counts."""
    name = await interest(channel)
    subject = visitor(await new_tenant(channel))
    await signal(channel, subject)

    await signal(channel, subject, switched_off=True, signal_time=at(clock.now() - DAY))
    assert ["OBJECTION"] == await reasons(channel, subject, name)
    clock.advance(DAY)
    await signal(channel, subject, switched_off=True)
    await signal(channel, subject, signal_time=at(clock.now() - DAY))

    assert ["OBJECTION"] == await reasons(channel, subject, name)


async def test_nobody_becomes_known_by_switching_off(channel: grpc.aio.Channel) -> None:
    """Of somebody who never objected nothing is recorded."""
    tenant = await new_tenant(channel)

    await signal(channel, visitor(tenant), switched_off=True)

    assert 0 == await signals(channel, tenant)


async def test_repeat_and_erased(app: App, channel: grpc.aio.Channel) -> None:
    """A repeat is told the same; of whoever was erased nothing is recorded."""
    subject = end_user(await new_tenant(channel))
    await grant(channel, subject, CUSTOMISE)
    first = await signal(channel, subject, request_id="one")
    assert first.record_time == (await signal(channel, subject, request_id="one")).record_time
    await erase(app.ports, subject)

    assert "SUBJECT_ERASED" == (await refused(signal(channel, subject))).reason
    told = await refused(signal(channel, end_user("tenants/nobody-knows"), signal=0))
    assert ("FIELD_INVALID", ("signal",)) == (told.reason, told.fields)


async def test_history_goes_with_the_person(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """After an erasure the past is told as far as nothing stood, and as unknown from then on."""
    name = await interest(channel)
    subject = end_user(await new_tenant(channel))
    await grant(channel, subject, CUSTOMISE)
    before = clock.now()
    clock.advance(DAY)
    await signal(channel, subject)
    on = clock.now()
    clock.advance(DAY)
    await erase(app.ports, subject)
    clock.advance(DAY)
    await grant(channel, subject, CUSTOMISE, decision_time=at(clock.now()))

    assert ["OTHER_LEGAL_BASIS"] == await reasons(channel, subject, name)
    assert ["OTHER_LEGAL_BASIS"] == await reasons(channel, subject, name, before)
    assert ["HISTORY_MISSING"] == await reasons(channel, subject, name, on)
