"""GDPR Art. 7: conditions for consent."""

from __future__ import annotations

from datetime import timedelta

import grpc

from privacyrights.v1 import catalogue_service_pb2, consent_service_pb2
from privacyrights.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub
from server.domain.clock import SteppingClock
from tests.rpc.people import end_user, grant, new_tenant, verdict, withdraw

CUSTOMISE = "purposes/customise_messages"


async def test_consent_can_be_demonstrated(channel: grpc.aio.Channel) -> None:
    """Art. 7(1): we can show that a person agreed, when, and to which exact words."""
    who = end_user(await new_tenant(channel))
    await grant(channel, who, CUSTOMISE)

    history = await ConsentServiceStub(channel).ListConsentDecisions(
        consent_service_pb2.ListConsentDecisionsRequest(subject=who)
    )
    decision = history.consent_decisions[0]
    shown = await CatalogueServiceStub(channel).GetText(
        catalogue_service_pb2.GetTextRequest(digest=decision.text_digest)
    )

    assert decision.HasField("decision_time")
    assert "policyVersions/2019-01-01" == decision.policy_version
    assert shown.text.text.startswith("May the chatbot use your profile")


async def test_withdrawing_is_as_easy_as_agreeing(channel: grpc.aio.Channel) -> None:
    """Art. 7(3): a withdrawal is the same call with fewer fields; nothing stands against it."""
    who = end_user(await new_tenant(channel))
    granted = await grant(channel, who, CUSTOMISE)

    withdrawn = await withdraw(channel, who, CUSTOMISE)

    assert granted.DESCRIPTOR == withdrawn.DESCRIPTOR
    assert not (await verdict(channel, who, CUSTOMISE)).allowed


async def test_withdrawal_rewrites_no_history(channel: grpc.aio.Channel) -> None:
    """Art. 7(3): what was lawful before the withdrawal stays recorded as it was."""
    who = end_user(await new_tenant(channel))
    granted = await grant(channel, who, CUSTOMISE)
    await withdraw(channel, who, CUSTOMISE)

    history = await ConsentServiceStub(channel).ListConsentDecisions(
        consent_service_pb2.ListConsentDecisionsRequest(subject=who)
    )

    assert granted.consent_decision == history.consent_decisions[1].name
    assert consent_service_pb2.CONSENT_CHOICE_GRANTED == history.consent_decisions[1].choice


async def test_person_holds_the_proof(channel: grpc.aio.Channel) -> None:
    """Art. 7(1): the person has a signed receipt, with the very words that were agreed to."""
    who = end_user(await new_tenant(channel))
    granted = await grant(channel, who, CUSTOMISE)

    receipt = await ConsentServiceStub(channel).GetConsentReceipt(
        consent_service_pb2.GetConsentReceiptRequest(name=granted.consent_decision)
    )

    assert 3 == len(receipt.jws.split("."))
    assert "May the chatbot use your profile" in receipt.html


async def test_what_was_lawful_before_the_withdrawal_stays_so(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Art. 7(3): asked about a day before the withdrawal, the answer is still yes."""
    who = end_user(await new_tenant(channel))
    await grant(channel, who, CUSTOMISE)
    before = consent_service_pb2.CheckProcessingRequest(subject=who, purpose=CUSTOMISE)
    before.as_of_time.FromDatetime(clock.now())
    clock.advance(timedelta(days=1))
    await withdraw(channel, who, CUSTOMISE)

    past = await ConsentServiceStub(channel).CheckProcessing(before)

    assert past.verdict.allowed
    assert not (await verdict(channel, who, CUSTOMISE)).allowed
