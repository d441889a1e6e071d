"""Page tokens: whoever reads one can make another, and gains nothing by it."""

from __future__ import annotations

import base64

import grpc
import msgspec
import pytest

from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1 import types_pb2
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub
from tests.rpc.people import end_user, grant, new_tenant, refused, withdraw

CUSTOMISE = "purposes/customise_messages"


async def decisions(
    channel: grpc.aio.Channel, subject: types_pb2.Subject, token: str = ""
) -> pb.ListConsentDecisionsResponse:
    """Return a page of one of the subject's decisions, which are ordered by number."""
    return await ConsentServiceStub(channel).ListConsentDecisions(
        pb.ListConsentDecisionsRequest(subject=subject, page_size=1, page_token=token)
    )


async def two_decisions(channel: grpc.aio.Channel) -> tuple[types_pb2.Subject, str]:
    """Return somebody who decided twice, and the token of the second page."""
    subject = end_user(await new_tenant(channel))
    await grant(channel, subject, CUSTOMISE)
    await withdraw(channel, subject, CUSTOMISE)
    return subject, (await decisions(channel, subject)).next_page_token


def forged(token: str, value: object) -> str:
    """Return *token* with another value of the order field."""
    list_, _, id = msgspec.msgpack.decode(base64.urlsafe_b64decode(token + "==="))
    return base64.urlsafe_b64encode(msgspec.msgpack.encode((list_, value, id))).decode()


@pytest.mark.parametrize("value", [{"$gt": ""}, {"$where": "1"}, ["a"], 1.5, 2**63, b"x"])
async def test_what_orders_nothing_is_refused(channel: grpc.aio.Channel, value: object) -> None:
    """A position that no list can have, above all one that is a query, is no token of ours."""
    subject, token = await two_decisions(channel)

    found = await refused(decisions(channel, subject, forged(token, value)))

    assert "PAGE_TOKEN_INVALID" == found.reason


@pytest.mark.parametrize("value", [None, True, -1, "text"])
async def test_another_position_shows_the_same_list(
    channel: grpc.aio.Channel, value: object
) -> None:
    """A token that names another place leads there: to what its maker may list anyway."""
    subject, token = await two_decisions(channel)
    whole = await ConsentServiceStub(channel).ListConsentDecisions(
        pb.ListConsentDecisionsRequest(subject=subject)
    )

    shown = await decisions(channel, subject, forged(token, value))

    assert {each.name for each in shown.consent_decisions} <= {
        each.name for each in whole.consent_decisions
    }
