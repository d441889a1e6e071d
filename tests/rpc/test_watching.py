"""Which verdicts are no longer to be relied on, as a stream over a real channel."""

from __future__ import annotations

from unittest.mock import patch

import grpc
import pytest

from privacyrights.v1 import consent_service_pb2 as pb
from server.domain.consent import invalidation as invalidating
from server.domain.consent import watching
from server.domain.consent.watching import Watched
from server.domain.ledger import Entry
from tests.rpc.people import (
    end_user,
    grant,
    new_tenant,
    own_user,
    refused,
    verdict,
    withdraw,
)
from tests.rpc.watching import Watcher, watcher
from tests.rpc.world import World

CUSTOMISE = "purposes/customise_messages"

Told = tuple[str, str, str]
"""Tenant, subject reference, purpose."""


@pytest.fixture
async def tenant(channel: grpc.aio.Channel) -> str:
    """Return the name of a tenant that no other test has."""
    return await new_tenant(channel)


def named(told: list[pb.Invalidation]) -> list[Told]:
    """Return whose verdicts *told* names, for which purposes, but for those of the platform."""
    return [(each.tenant, each.subject_reference, each.purpose) for each in told if each.tenant]


async def test_a_decision_is_told_by_reference_and_purpose(
    channel: grpc.aio.Channel, tenant: str
) -> None:
    """Who agrees and takes it back is told, under the reference that verdicts have."""
    person = end_user(tenant)
    async with watcher(channel, tenant) as stream:
        await grant(channel, person, CUSTOMISE)
        await withdraw(channel, person, CUSTOMISE)
        told = named(await stream.until(2))
    reference = (await verdict(channel, person, CUSTOMISE)).subject_reference

    assert {(tenant, reference, CUSTOMISE)} == set(told)


async def told_of_others(channel: grpc.aio.Channel, tenant: str) -> list[Told]:
    """Return what *tenant* is told while another tenant, and the other regime, decide."""
    other = await new_tenant(channel)
    async with watcher(channel, tenant) as stream:
        await grant(channel, end_user(other), CUSTOMISE)
        await grant(channel, own_user(tenant), "purposes/platform_news")
        return named(await stream.complete())


async def test_nobody_is_told_of_another_tenant_or_regime(
    channel: grpc.aio.Channel, tenant: str
) -> None:
    """A stream tells of its own tenants and its own regime only."""
    assert [] == await told_of_others(channel, tenant)


async def test_telling_everybody_would_be_caught(channel: grpc.aio.Channel, tenant: str) -> None:
    """A stream without the filter tells of others, if they share a partition or all are read."""

    def everybody(_watched: Watched, _entry: Entry) -> bool:
        return True

    with (
        patch.object(Watched, "concerns", everybody),
        patch.object(Watched, "partitions", range(16)),
    ):
        assert await told_of_others(channel, tenant)


async def told_of_world(channel: grpc.aio.Channel) -> tuple[World, list[Told]]:
    """Return what is told as somebody agrees and is erased, and an instruction is revoked."""
    world = await World(channel).make()
    instruction = await world.instruction()
    person = end_user(world.tenant)
    async with watcher(channel, world.tenant) as stream:
        await grant(channel, person, CUSTOMISE)
        who = {"role": "ROLE_PROCESSOR", "tenant": world.tenant, "subject_id": person.subject_id}
        request = await world.request("ERASURE", subject=who)
        await world.call(
            "SubjectRightsService/AuthoriseRightsRequest",
            {"name": request, "authorised_by": "A. Officer"},
        )
        await world.call("SubjectRightsService/ExecuteRightsRequest", {"name": request})
        await world.call(
            "CatalogueService/RevokeInstruction", {"name": instruction, "reason": "No more."}
        )
        return world, named(await stream.complete())


@pytest.fixture(scope="module")
async def sound(channel: grpc.aio.Channel) -> tuple[World, list[Told]]:
    """Return what a server tells that misses nothing, once for all that is held against it."""
    return await told_of_world(channel)


async def test_erasure_and_instructions_are_told_of_as_a_whole(
    sound: tuple[World, list[Told]],
) -> None:
    """An erasure concerns all of a person, a revoked instruction all of a tenant."""
    world, told = sound

    assert {"", CUSTOMISE} == {purpose for _, subject, purpose in told if subject}
    assert (world.tenant, "", "") in told


@pytest.mark.parametrize("kind", ["consent", "subject", "instruction"])
async def test_a_kind_that_is_missed_would_be_caught(
    channel: grpc.aio.Channel, sound: tuple[World, list[Told]], kind: str
) -> None:
    """A server that takes a kind of entry for harmless tells less."""
    harmless = invalidating.HARMLESS_KINDS | {kind, "rights"}
    with patch.object(invalidating, "HARMLESS_KINDS", harmless):
        broken, missed = await told_of_world(channel)
    whole = {"consent": CUSTOMISE, "subject": "", "instruction": ""}[kind]
    is_of_person = kind != "instruction"

    def tells(world: World, found: list[Told]) -> bool:
        return any(
            each[0] == world.tenant and bool(each[1]) is is_of_person and each[2] == whole
            for each in found
        )

    assert tells(*sound)
    assert not tells(broken, missed)


@pytest.mark.parametrize("resumes", [True, False])
async def test_a_stream_goes_on_where_it_was(
    channel: grpc.aio.Channel, tenant: str, *, resumes: bool
) -> None:
    """With its token, a stream tells of what happened in between; without, it begins now."""
    async with watcher(channel, tenant) as stream:
        token = stream.last.resume_token
    await withdraw(channel, end_user(tenant), CUSTOMISE)
    async with watcher(channel, tenant) as between:
        await between.complete()
    async with watcher(channel, tenant, resume_token=token if resumes else "") as stream:
        told = named(await stream.complete())

    assert resumes is bool(told)


async def test_far_behind_all_of_the_tenant_is_doubted(
    channel: grpc.aio.Channel, tenant: str
) -> None:
    """Who is too far behind for every entry is told to rely on nothing of the tenant."""
    async with watcher(channel, tenant) as stream:
        token = stream.last.resume_token
    await withdraw(channel, end_user(tenant), CUSTOMISE)
    async with watcher(channel, tenant) as between:
        await between.complete()
    with patch.object(watching, "MOST_BEHIND", 0):
        async with watcher(channel, tenant, resume_token=token) as stream:
            told = named(await stream.complete())

    assert (tenant, "", "") in told


async def test_tokens_of_others_are_refused(channel: grpc.aio.Channel, tenant: str) -> None:
    """A token belongs to its tenants and regime, and what isn't a token is refused."""
    async with watcher(channel, tenant) as stream:
        token = stream.last.resume_token
    for tenants, wrong in (((await new_tenant(channel),), token), ((tenant,), "AAAA")):
        refusal = await refused(Watcher(channel, *tenants, resume_token=wrong).message())
        assert ("INVALID_ARGUMENT", "RESUME_TOKEN_INVALID") == (
            refusal.code,
            refusal.reason,
        )


async def test_a_tenant_that_does_not_exist_is_refused(channel: grpc.aio.Channel) -> None:
    """It is NOT_FOUND; and no role, or no tenant, is a wrong field."""
    unknown = await refused(Watcher(channel, "tenants/nobody").message())
    nobody = await refused(Watcher(channel).message())

    assert ("NOT_FOUND", "TENANT_NOT_FOUND") == (unknown.code, unknown.reason)
    assert "FIELD_INVALID" == nobody.reason
