"""Renewal: who agreed to a text that has materially changed since has to be asked again."""

from __future__ import annotations

from datetime import timedelta

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import catalogue_service_pb2
from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub
from server.domain.clock import SteppingClock
from tests.rpc.people import end_user, grant, new_id, new_tenant, refused, shown_text, verdict
from tests.rpc.proposing import applied, purpose

RENEWAL_NEEDED = [pb.VERDICT_REASON_CONSENT_RENEWAL_NEEDED]
DAY = timedelta(days=1)


def in_days(clock: SteppingClock, days: int) -> Timestamp:
    """Return the time that many days from now."""
    message = Timestamp()
    message.FromDatetime(clock.now() + days * DAY)
    return message


def reworded(name: str, words: str, **fields: Timestamp) -> catalogue_service_pb2.Purpose:
    """Return the purpose with another text."""
    text = catalogue_service_pb2.LocalizedText(locale="en", text=words)
    return purpose(name, texts=[text], **fields)


async def test_consent_ends_with_the_date_of_renewal(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """From the date on – not from the change on – earlier consents don't hold, until renewed."""
    name = f"purposes/{new_id('renewed')}"
    who = end_user(await new_tenant(channel))
    await applied(channel, purpose(name))
    await grant(channel, who, name)
    agreed = await verdict(channel, who, name)
    await applied(channel, reworded(name, "May we do more?", renewal_time=in_days(clock, 2)))
    clock.advance(DAY)
    before = await verdict(channel, who, name)
    clock.advance(DAY)
    after = await verdict(channel, who, name)
    listed = await ConsentServiceStub(channel).ListConsents(pb.ListConsentsRequest(subject=who))

    await grant(channel, who, name)

    assert (True, False) == (before.allowed, after.allowed)
    assert RENEWAL_NEEDED == after.reasons
    # What decides is the consent that no longer suffices.
    assert agreed.deciding_entry == after.deciding_entry
    assert [pb.CONSENT_STATE_RENEWAL_NEEDED] == [each.state for each in listed.consents]
    assert (await verdict(channel, who, name)).allowed


async def test_need_for_renewal_outlives_later_versions(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A later version that says nothing of renewal brings no consent to the old text back."""
    name = f"purposes/{new_id('renewed')}"
    who = end_user(await new_tenant(channel))
    await applied(channel, purpose(name))
    await grant(channel, who, name)
    clock.advance(DAY)
    await applied(channel, reworded(name, "May we do mroe?", renewal_time=in_days(clock, 0)))

    await applied(channel, reworded(name, "May we do more?"))

    assert RENEWAL_NEEDED == (await verdict(channel, who, name)).reasons


async def test_renewal_is_of_the_new_text(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """Whoever was shown the old words has not renewed anything."""
    name = f"purposes/{new_id('renewed')}"
    who = end_user(await new_tenant(channel))
    await applied(channel, purpose(name))
    old = await shown_text(channel, name)
    await applied(channel, reworded(name, "May we do more?", renewal_time=in_days(clock, 0)))

    told = await refused(grant(channel, who, name, text_digest=old))

    assert "TEXT_NOT_PUBLISHED" == told.reason


async def test_refusal_and_withdrawal_need_no_renewal(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A "no" stays a "no": the verdict names it, and nobody is asked again because of a text."""
    name = f"purposes/{new_id('renewed')}"
    who = end_user(await new_tenant(channel))
    await applied(channel, purpose(name))
    await grant(channel, who, name, choice=pb.CONSENT_CHOICE_REFUSED)
    clock.advance(DAY)

    await applied(channel, reworded(name, "May we do more?", renewal_time=in_days(clock, 0)))

    found = await verdict(channel, who, name)
    assert [pb.VERDICT_REASON_CONSENT_REFUSED] == found.reasons


async def test_whoever_agreed_to_the_new_text_has_renewed(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """People are asked before the date: a consent to the new text holds beyond it."""
    name = f"purposes/{new_id('renewed')}"
    who, late = [end_user(await new_tenant(channel)) for _ in range(2)]
    await applied(channel, purpose(name))
    for each in (who, late):
        await grant(channel, each, name)
    await applied(channel, reworded(name, "May we do more?", renewal_time=in_days(clock, 2)))
    clock.advance(DAY)

    await grant(channel, who, name)
    clock.advance(DAY)

    assert (await verdict(channel, who, name)).allowed
    assert RENEWAL_NEEDED == (await verdict(channel, late, name)).reasons


async def test_a_later_date_of_renewal_puts_no_earlier_one_off(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Another material change, with a date to come, brings no consent back that has ended."""
    name = f"purposes/{new_id('renewed')}"
    who = end_user(await new_tenant(channel))
    await applied(channel, purpose(name))
    await grant(channel, who, name)
    clock.advance(DAY)
    await applied(channel, reworded(name, "May we do more?", renewal_time=in_days(clock, 0)))

    await applied(channel, reworded(name, "May we do it all?", renewal_time=in_days(clock, 30)))

    assert RENEWAL_NEEDED == (await verdict(channel, who, name)).reasons
