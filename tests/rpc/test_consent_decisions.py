"""Consent decisions by name: read one, as it was recorded, by whoever it belongs to only."""

from __future__ import annotations

import grpc

from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1 import consent_service_pb2_grpc, types_pb2
from tests.rpc.people import end_user, grant, new_id, new_tenant, own_user, refused, shown_text

CUSTOMISE = "purposes/customise_messages"
NEWS = "purposes/platform_news"


def consents(channel: grpc.aio.Channel) -> consent_service_pb2_grpc.ConsentServiceAsyncStub:
    """Return the service's stub."""
    return consent_service_pb2_grpc.ConsentServiceStub(channel)


async def test_decision_is_what_the_list_has(channel: grpc.aio.Channel) -> None:
    """A decision read by its name is the very one that the history and the state show."""
    tenant = await new_tenant(channel)
    for who, purpose in ((end_user(tenant), CUSTOMISE), (own_user(tenant), NEWS)):
        recorded = await grant(channel, who, purpose)

        found = await consents(channel).GetConsentDecision(
            pb.GetConsentDecisionRequest(
                name=recorded.consent_decision,
                consistency=types_pb2.Consistency(at_least_as_fresh=recorded.consistency_token),
            )
        )
        history = await consents(channel).ListConsentDecisions(
            pb.ListConsentDecisionsRequest(
                subject=who,
                consistency=types_pb2.Consistency(at_least_as_fresh=recorded.consistency_token),
            )
        )
        checked = await consents(channel).CheckProcessing(
            pb.CheckProcessingRequest(subject=who, purpose=purpose)
        )

        decision = found.consent_decision
        assert [decision] == list(history.consent_decisions)
        assert recorded.consent_decision == decision.name
        assert (who.role, checked.verdict.subject_reference) == (
            decision.role,
            decision.subject_reference,
        )


async def test_decision_of_another_tenant_is_none(channel: grpc.aio.Channel) -> None:
    """Another tenant's decision, another role's and one that never was are the same answer."""
    mine, theirs = [await new_tenant(channel) for _ in range(2)]
    recorded = await grant(channel, end_user(theirs), CUSTOMISE)
    id = recorded.consent_decision.rpartition("/")[2]
    names = [
        f"{mine}/consentDecisions/{id}",
        f"{theirs}/consentDecisions/c{id[1:]}",
        f"{mine}/consentDecisions/p0123456789abcdefghjkmnpqrs",
    ]

    answers = [
        await refused(consents(channel).GetConsentDecision(pb.GetConsentDecisionRequest(name=name)))
        for name in names
    ]

    assert {("NOT_FOUND", "CONSENT_DECISION_NOT_FOUND")} == {
        (each.code, each.reason) for each in answers
    }
    assert 1 == len({each.message for each in answers})


async def test_withdrawing_all_says_how(channel: grpc.aio.Channel) -> None:
    """What proves a withdrawal of everything is in each of its decisions (Art. 7(1))."""
    who, digest = end_user(await new_tenant(channel)), "ab" * 32
    await grant(channel, who, CUSTOMISE, text_digest=await shown_text(channel, CUSTOMISE))

    await consents(channel).WithdrawAllConsents(
        pb.WithdrawAllConsentsRequest(
            subject=who,
            method=pb.CONSENT_METHOD_WRITTEN,
            evidence_digest=digest,
            request_id=new_id(),
        )
    )

    newest = (
        await consents(channel).ListConsentDecisions(pb.ListConsentDecisionsRequest(subject=who))
    ).consent_decisions[0]
    assert (pb.CONSENT_METHOD_WRITTEN, digest) == (newest.method, newest.evidence_digest)
