"""GDPR Art. 8: a child's consent."""

from __future__ import annotations

import grpc

from privacyrights.v1.consent_service_pb2 import ParentalAuthority
from tests.rpc.people import end_user, grant, new_tenant, refused, verdict

CUSTOMISE = "purposes/customise_messages"


async def test_child_needs_parental_authority(channel: grpc.aio.Channel) -> None:
    """Art. 8(1): a child's grant counts only if the holder of parental responsibility gave it."""
    who = end_user(await new_tenant(channel))
    alone = ParentalAuthority(subject_is_child=True)
    together = ParentalAuthority(subject_is_child=True, authorised=True, verification="e-mail")

    told = await refused(grant(channel, who, CUSTOMISE, parental_authority=alone))
    before = await verdict(channel, who, CUSTOMISE)
    await grant(channel, who, CUSTOMISE, parental_authority=together)
    after = await verdict(channel, who, CUSTOMISE)

    assert "PARENTAL_AUTHORITY_REQUIRED" == told.reason
    assert (False, True) == (before.allowed, after.allowed)
