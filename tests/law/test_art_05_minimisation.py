"""GDPR Art. 5(1)(b), (c): data is kept and used for a declared purpose, and no more than it needs.

Promise S3 of the policy: nothing is kept or used beyond what a declared purpose needs.
"""

from __future__ import annotations

import grpc

from tests.rpc.kept import OPTIMISE, SESSION, everything, put
from tests.rpc.people import end_user, new_tenant, own_user, refused

PROBLEMS = "purposes/resolve_problems"


async def test_what_no_purpose_needs_is_not_kept(channel: grpc.aio.Channel) -> None:
    """Art. 5(1)(c): a field that the category doesn't declare is refused, with all around it."""
    subject = end_user(await new_tenant(channel))
    await put(channel, subject, {"name": "Ada"})

    found = await refused(put(channel, subject, {"name": "Augusta", "religion": "none"}))

    assert ("FIELD_NOT_IN_CATEGORY", ("record.fields[religion]",)) == (found.reason, found.fields)
    assert [{"name": "Ada"}] == await everything(channel, subject)


async def test_there_is_no_keeping_without_a_purpose(channel: grpc.aio.Channel) -> None:
    """Art. 5(1)(b): data without a declared purpose is refused."""
    subject = end_user(await new_tenant(channel))

    assert ("purpose",) == (await refused(put(channel, subject, purpose=""))).fields
    assert (
        "PURPOSE_NOT_FOUND"
        == (await refused(put(channel, subject, purpose="purposes/advertising"))).reason
    )


async def test_a_purpose_keeps_what_it_needs_only(channel: grpc.aio.Channel) -> None:
    """Art. 5(1)(c): resolving problems needs sessions, and nobody's profile."""
    subject = end_user(await new_tenant(channel))

    await put(channel, subject, {"duration_seconds": 30}, purpose=PROBLEMS, category=SESSION)
    found = await refused(put(channel, subject, purpose=PROBLEMS))

    assert "CATEGORY_NOT_IN_PURPOSE" == found.reason


async def test_a_purpose_uses_what_it_needs_only(channel: grpc.aio.Channel) -> None:
    """Art. 5(1)(b): what was recorded for one purpose isn't given out for another."""
    subject = end_user(await new_tenant(channel))
    session = {"duration_seconds": 30}
    await put(channel, subject, purpose=OPTIMISE)
    await put(channel, subject, session, purpose=OPTIMISE, category=SESSION)

    assert [session] == await everything(channel, subject, purpose=PROBLEMS)


async def test_the_regimes_are_never_mixed(channel: grpc.aio.Channel) -> None:
    """Art. 4(7), 4(8), promise S1: neither a purpose nor a record reaches across the two roles."""
    tenant = await new_tenant(channel)
    account = {"name": "Grace", "email": "grace@example.org"}
    manage = "purposes/manage_relationship"
    await put(
        channel,
        own_user(tenant, "same-id"),
        account,
        purpose=manage,
        category="categories/account",
    )

    across = await refused(
        put(channel, end_user(tenant, "same-id"), purpose=manage, category="categories/account")
    )
    unknown = await refused(everything(channel, end_user(tenant, "same-id")))

    assert "PURPOSE_ROLE_MISMATCH" == across.reason
    assert "SUBJECT_NOT_FOUND" == unknown.reason
