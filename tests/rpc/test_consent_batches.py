"""Many checks in one call: each is answered by itself, and what concerns all refuses all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1 import types_pb2
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub
from tests.rpc.people import end_user, new_tenant, refused

if TYPE_CHECKING:
    from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub

CUSTOMISE = "purposes/customise_messages"
OPTIMISE = "purposes/optimise_interactions"


@pytest.fixture
def consent(channel: grpc.aio.Channel) -> ConsentServiceAsyncStub:
    """Return the service's stub."""
    return ConsentServiceStub(channel)


async def test_batch_answers_each_check_by_itself(
    channel: grpc.aio.Channel, consent: ConsentServiceAsyncStub
) -> None:
    """One check that can't be answered harms no other of its batch."""
    who = end_user(await new_tenant(channel))
    purposes = [OPTIMISE, "purposes/unheard_of", CUSTOMISE]

    response = await consent.BatchCheckProcessing(
        pb.BatchCheckProcessingRequest(
            checks=[pb.CheckProcessingRequest(subject=who, purpose=each) for each in purposes]
        )
    )

    kinds = [outcome.WhichOneof("outcome") for outcome in response.outcomes]
    assert ["verdict", "failure", "verdict"] == kinds
    assert response.outcomes[0].verdict.allowed
    assert not response.outcomes[2].verdict.allowed


@pytest.mark.parametrize(
    ("tenant", "token", "reason"),
    [
        ("tenants/nowhere", "", "TENANT_NOT_FOUND"),
        ("", "made-up", "CONSISTENCY_TOKEN_INVALID"),
    ],
)
async def test_what_concerns_a_whole_batch_refuses_it(
    channel: grpc.aio.Channel,
    consent: ConsentServiceAsyncStub,
    tenant: str,
    token: str,
    reason: str,
) -> None:
    """What is wrong with each check alike is told once, as the answer to the call."""
    who = end_user(tenant or await new_tenant(channel))
    checks = [pb.CheckProcessingRequest(subject=who, purpose=OPTIMISE)] * 2
    consistency = types_pb2.Consistency(at_least_as_fresh=token) if token else None

    told = await refused(
        consent.BatchCheckProcessing(
            pb.BatchCheckProcessingRequest(checks=checks, consistency=consistency)
        )
    )

    assert reason == told.reason
