"""Changes of the catalogue at a time to come: in force at their moment, everywhere, or taken back.

Each test leaves no change scheduled: the server is shared.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

import grpc
import pytest

from privacyrights.v1 import catalogue_service_pb2 as pb
from privacyrights.v1 import consent_service_pb2
from privacyrights.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub
from server.compose import App, compose
from server.domain.catalogue.catalogues import Catalogues
from server.domain.clock import SteppingClock
from server.settings import Settings
from tests.rpc.people import end_user, grant, new_id, new_tenant, refused, verdict
from tests.rpc.proposing import apply, approved, purpose, review, take_back

DAY = timedelta(days=1)
MOMENT = timedelta(milliseconds=1)


def reworded(name: str, words: str) -> pb.Purpose:
    """Return the purpose with another text."""
    return purpose(name, texts=[pb.LocalizedText(locale="en", text=words)])


async def version(channel: grpc.aio.Channel, name: str) -> int:
    """Return the version of a purpose that is in force; 0: there is none."""
    try:
        found = await CatalogueServiceStub(channel).GetPurpose(pb.GetPurposeRequest(name=name))
    except grpc.aio.AioRpcError:
        return 0
    return found.purpose.version


async def change(channel: grpc.aio.Channel, name: str) -> pb.CatalogueChange:
    """Return a change as it stands."""
    request = pb.GetCatalogueChangeRequest(name=name)
    return (await CatalogueServiceStub(channel).GetCatalogueChange(request)).catalogue_change


@pytest.fixture
async def other_channel(
    settings: Settings,
    clock: SteppingClock,
    app: App,  # noqa: ARG001 – the first server prepares the database
) -> AsyncGenerator[grpc.aio.Channel]:
    """Return a connection to a second server over the same database."""
    async with compose(settings, clock=clock) as second:
        await second.server.start()
        async with grpc.aio.insecure_channel(second.server.address) as made:
            yield made
        await second.server.stop(5)


async def test_each_change_takes_effect_at_its_moment(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Of several to come, scheduled in any order, each is in force from its moment on."""
    names = [f"purposes/{new_id('step')}" for _ in range(3)]
    begin = clock.now()
    changes = {
        index: await approved(channel, purpose(name)) for index, name in enumerate(names, start=1)
    }
    for index in (2, 1, 3):
        answer = await apply(channel, changes[index], at=begin + index * DAY)
        assert (pb.CATALOGUE_CHANGE_STATE_SCHEDULED, 0) == (answer.state, answer.catalogue_version)

    seen: list[list[int]] = []
    for _ in names:
        clock.advance(DAY - MOMENT)
        seen.append([await version(channel, name) for name in names])
        clock.advance(MOMENT)
        seen.append([await version(channel, name) for name in names])

    assert [[0, 0, 0], [1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 0], [1, 1, 1]] == seen
    stand = [await change(channel, changes[index]) for index in (1, 2, 3)]
    assert {pb.CATALOGUE_CHANGE_STATE_APPLIED} == {each.state for each in stand}
    numbers = [each.catalogue_version for each in stand]
    assert [numbers[0], numbers[0] + 1, numbers[0] + 2] == numbers


async def test_one_long_step_passes_several_changes(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Moments that nobody was there for count: each catalogue is in force from its own time on."""
    name = f"purposes/{new_id('step')}"
    first = await approved(channel, purpose(name))
    other = f"purposes/{new_id('step')}"
    second = await approved(channel, purpose(other))
    begin = clock.now()
    await apply(channel, first, at=begin + DAY)
    await apply(channel, second, at=begin + 2 * DAY)

    clock.advance(3 * DAY)

    known = Catalogues(app.ports)
    await known.refresh()
    between = await known.at(begin + DAY + MOMENT)
    after = await known.at(begin + 2 * DAY)
    stand = await change(channel, second)
    assert (begin + DAY, begin + 2 * DAY) == (between.effective_time, after.effective_time)
    assert name.partition("/")[2] in between.purposes
    assert other.partition("/")[2] not in between.purposes
    assert other.partition("/")[2] in after.purposes
    assert after.number == stand.catalogue_version


async def test_other_servers_go_over_at_the_moment(
    channel: grpc.aio.Channel, other_channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A server that knows of a change needs nobody to tell it that its moment has come."""
    name = f"purposes/{new_id('both')}"
    moment = clock.now() + DAY
    answer = await apply(channel, await approved(channel, purpose(name)), at=moment)
    # The other one has seen it, as it would within the refresh interval.
    listing = pb.ListPurposesRequest()
    listing.consistency.at_least_as_fresh = answer.consistency_token
    await CatalogueServiceStub(other_channel).ListPurposes(listing)
    before = [await version(each, name) for each in (channel, other_channel)]

    clock.advance(DAY)

    after = await asyncio.gather(*(version(each, name) for each in (channel, other_channel)))
    assert ([0, 0], [1, 1]) == (before, after)


async def test_verdicts_turn_at_the_moment(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """Allowed until the moment of retirement, refused from it on; asked about then, the same."""
    name = f"purposes/{new_id('turn')}"
    await apply(channel, await approved(channel, purpose(name)))
    who = end_user(await new_tenant(channel))
    await grant(channel, who, name)
    moment = clock.now() + DAY
    retiring = await approved(channel, retired_purposes=[name])
    await apply(channel, retiring, at=moment)

    clock.advance(DAY - MOMENT)
    before = await verdict(channel, who, name)
    clock.advance(MOMENT)
    at_it = await verdict(channel, who, name)
    told = await refused(grant(channel, who, name))

    async def then(time: datetime) -> bool:
        request = consent_service_pb2.CheckProcessingRequest(subject=who, purpose=name)
        request.as_of_time.FromDatetime(time)
        return (await ConsentServiceStub(channel).CheckProcessing(request)).verdict.allowed

    clock.advance(DAY)
    assert (True, False) == (before.allowed, at_it.allowed)
    assert [consent_service_pb2.VERDICT_REASON_PURPOSE_RETIRED] == at_it.reasons
    assert "PURPOSE_RETIRED" == told.reason
    assert (True, False) == (await then(moment - MOMENT), await then(moment))


async def test_withdrawn_before_its_time_never_takes_effect(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A scheduled change that was taken back is as if it had never been, whatever time passes."""
    name = f"purposes/{new_id('never')}"
    scheduled = await approved(channel, purpose(name))
    await apply(channel, scheduled, at=clock.now() + DAY)

    answer = await take_back(channel, scheduled)
    clock.advance(2 * DAY)

    assert pb.CATALOGUE_CHANGE_STATE_WITHDRAWN == answer.state
    assert 0 == await version(channel, name)
    assert pb.CATALOGUE_CHANGE_STATE_WITHDRAWN == (await change(channel, scheduled)).state


async def test_what_is_in_effect_cannot_be_taken_back(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """From its moment on a scheduled change is applied, also to who comes to withdraw it first."""
    scheduled = await approved(channel, purpose(f"purposes/{new_id('late')}"))
    await apply(channel, scheduled, at=clock.now() + DAY)
    clock.advance(DAY)

    told = await refused(take_back(channel, scheduled))

    assert ("ILLEGAL_TRANSITION", {"state": "applied"}) == (told.reason, told.metadata)


async def test_a_time_that_has_come_is_no_schedule(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Nothing takes effect in retrospect; a repeat of what was scheduled in time is no new one."""
    name = await approved(channel, purpose(f"purposes/{new_id('past')}"))
    told = await refused(apply(channel, name, at=clock.now()))
    request = pb.ApplyCatalogueChangeRequest(name=name, request_id=new_id())
    request.effective_time.FromDatetime(clock.now() + DAY)
    stub = CatalogueServiceStub(channel)
    first = await stub.ApplyCatalogueChange(request)
    clock.advance(2 * DAY)

    again = await stub.ApplyCatalogueChange(request)

    assert ("INVALID_ARGUMENT", "FIELD_INVALID") == (told.code, told.reason)
    assert (first.state, first.effective_time) == (again.state, again.effective_time)


async def test_one_of_two_reviewers_is_first(channel: grpc.aio.Channel) -> None:
    """Of two reviews at once one is recorded, and the other told that there is one."""
    stub = CatalogueServiceStub(channel)
    proposed = await stub.ProposeCatalogueChange(
        pb.ProposeCatalogueChangeRequest(
            content=pb.CatalogueContent(purposes=[purpose(f"purposes/{new_id('race')}")]),
            proposer="product team",
            reason="It is needed.",
            request_id=new_id(),
        )
    )
    reviews = [
        stub.ReviewCatalogueChange(review(proposed.catalogue_change, reviewer=reviewer))
        for reviewer in ("counsel", "second counsel")
    ]

    done = await asyncio.gather(*reviews, return_exceptions=True)

    failed = [each for each in done if isinstance(each, grpc.aio.AioRpcError)]
    assert 1 == len(failed)
    assert grpc.StatusCode.FAILED_PRECONDITION == failed[0].code()


async def test_two_servers_apply_once(
    channel: grpc.aio.Channel, other_channel: grpc.aio.Channel
) -> None:
    """Applied at two servers at once, a change makes one catalogue; later ones are refused."""
    name = f"purposes/{new_id('once')}"
    approval = await approved(channel, purpose(name))

    done = await asyncio.gather(
        *(apply(each, approval) for each in (channel, other_channel)), return_exceptions=True
    )

    again = await refused(apply(other_channel, approval))
    assert [True, False] == sorted(
        (isinstance(each, grpc.aio.AioRpcError) for each in done), reverse=True
    )
    assert "ILLEGAL_TRANSITION" == again.reason
    assert 1 == await version(channel, name)


async def test_no_step_follows_a_withdrawal(channel: grpc.aio.Channel) -> None:
    """What was taken back is neither reviewed, nor applied, nor taken back again."""
    stub = CatalogueServiceStub(channel)
    proposed = await stub.ProposeCatalogueChange(
        pb.ProposeCatalogueChangeRequest(
            content=pb.CatalogueContent(purposes=[purpose(f"purposes/{new_id('back')}")]),
            proposer="product team",
            reason="It is needed.",
            request_id=new_id(),
        )
    )
    name = proposed.catalogue_change
    await take_back(channel, name)

    told = [
        await refused(stub.ReviewCatalogueChange(review(name))),
        await refused(apply(channel, name)),
        await refused(take_back(channel, name)),
    ]

    assert [("ILLEGAL_TRANSITION", {"state": "withdrawn"})] * 3 == [
        (each.reason, each.metadata) for each in told
    ]


async def test_review_of_what_was_holds_no_longer(channel: grpc.aio.Channel) -> None:
    """A change of something that has changed since it was proposed would undo that unseen."""
    name = f"purposes/{new_id('base')}"
    await apply(channel, await approved(channel, purpose(name)))
    outdated = await approved(channel, reworded(name, "The first idea."))
    await apply(channel, await approved(channel, reworded(name, "The second idea.")))

    told = await refused(apply(channel, outdated))

    assert ("FAILED_PRECONDITION", "CATALOGUE_INCONSISTENT") == (told.code, told.reason)
    assert f"{name} has changed since" in told.metadata["problem"]
    assert 2 == await version(channel, name)


async def test_nothing_pulls_the_ground_from_under_a_schedule(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """What a scheduled change needs can be neither changed nor taken back before it is."""
    category = pb.Category(
        name=f"categories/{new_id('ground')}",
        role=purpose("purposes/x").role,
        title="Something",
        fields=[pb.CategoryField(name="x", type=pb.FIELD_TYPE_STRING)],
    )
    await apply(channel, await approved(channel, categories=[category]))
    needing = await approved(
        channel, purpose(f"purposes/{new_id('needs')}", categories=[category.name])
    )
    await apply(channel, needing, at=clock.now() + DAY)
    retiring = await approved(channel, retired_categories=[category.name])

    told = await refused(apply(channel, retiring))
    await take_back(channel, needing)

    assert "CATALOGUE_INCONSISTENT" == told.reason
    assert needing in told.metadata["problem"]
    await apply(channel, retiring)


async def test_past_versions_are_what_they_were(channel: grpc.aio.Channel) -> None:
    """Purposes, categories, rules and the organisation are found as each version had them."""
    stub = CatalogueServiceStub(channel)
    name = f"purposes/{new_id('was')}"
    for title in ("First", "Second"):
        ours = pb.Organisation(display_name=title, address="Paris", contact_point="dpo@example.org")
        await apply(channel, await approved(channel, purpose(name, title=title), organisation=ours))
    newest = (await stub.GetOrganisation(pb.GetOrganisationRequest())).organisation

    titles = [
        (await stub.GetPurpose(pb.GetPurposeRequest(name=name, version=each))).purpose.title
        for each in (1, 2, 0)
    ]
    before = await stub.GetOrganisation(pb.GetOrganisationRequest(version=newest.version - 1))
    told = await refused(stub.GetPurpose(pb.GetPurposeRequest(name=name, version=3)))

    assert ["First", "Second", "Second"] == titles
    assert ("Second", "First") == (newest.display_name, before.organisation.display_name)
    assert "PURPOSE_NOT_FOUND" == told.reason


async def test_a_rule_is_retired_once_nobody_needs_it(
    channel: grpc.aio.Channel,
) -> None:
    """A retention rule that a purpose names, or the last general one of a role, stays."""
    retiring = pb.ProposeCatalogueChangeRequest(
        content=pb.CatalogueContent(retired_retention_rules=["retentionRules/end_user_24_months"]),
        proposer="product team",
        reason="It is needed.",
        request_id=new_id(),
    )

    told = await refused(CatalogueServiceStub(channel).ProposeCatalogueChange(retiring))

    assert ("CATALOGUE_INCONSISTENT", True) == (
        told.reason,
        "no general retention rule" in told.metadata["problem"],
    )
