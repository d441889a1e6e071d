"""Cookie choices and their joining to an account, over a real channel (S16)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from pymongo import AsyncMongoClient

from privacyrights.v1 import catalogue_service_pb2 as catalogue_pb
from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1 import consent_service_pb2_grpc, types_pb2
from server.compose import App
from server.domain.clock import SteppingClock
from server.settings import Settings
from tests.rpc.conftest import Logged
from tests.rpc.kept import erase
from tests.rpc.people import (
    POLICY_VERSION,
    grant,
    new_id,
    new_tenant,
    own_user,
    refused,
    shown_text,
    verdict,
    withdraw,
)
from tests.rpc.proposing import applied, purpose

ANALYTICS = "purposes/cookies_analytics"
NEWS = "purposes/platform_news"
GRANTED, REFUSED = pb.CONSENT_CHOICE_GRANTED, pb.CONSENT_CHOICE_REFUSED
DAY = timedelta(days=1)


def consents(channel: grpc.aio.Channel) -> consent_service_pb2_grpc.ConsentServiceAsyncStub:
    """Return the service's stub."""
    return consent_service_pb2_grpc.ConsentServiceStub(channel)


def at(time: datetime) -> Timestamp:
    """Return *time* as the contract has it."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


def visitor(tenant: str) -> types_pb2.Subject:
    """Return a visitor of the platform's own site."""
    return types_pb2.Subject(
        role=types_pb2.ROLE_CONTROLLER, tenant=tenant, visitor_id=new_id("browser-of-someone")
    )


async def advertising(channel: grpc.aio.Channel) -> str:
    """Put a second purpose of cookies into effect, and return its name."""
    name = f"purposes/{new_id('cookies')}"
    fields: dict[str, Any] = {
        "role": types_pb2.ROLE_CONTROLLER,
        "cookie": True,
        "categories": ["categories/site_usage"],
        "retention_rule": "retentionRules/user_36_months",
    }
    await applied(channel, purpose(name, **fields))
    return name


async def choose(
    channel: grpc.aio.Channel,
    who: types_pb2.Subject,
    chosen: dict[str, pb.ConsentChoice.ValueType],
    **fields: Any,
) -> pb.RecordCookieChoicesResponse:
    """Record what was *chosen*, with the texts in force; *fields* override."""
    given: dict[str, Any] = {
        "subject": who,
        "choices": [
            pb.CookieChoice(
                purpose=each,
                choice=choice,
                text_digest=await shown_text(channel, each) if choice == GRANTED else "",
            )
            for each, choice in chosen.items()
        ],
        "policy_version": POLICY_VERSION,
        "locale": "en",
        "method": pb.CONSENT_METHOD_CONTROL,
        "request_id": new_id(),
        **fields,
    }
    return await consents(channel).RecordCookieChoices(pb.RecordCookieChoicesRequest(**given))


async def link(
    channel: grpc.aio.Channel, account: types_pb2.Subject, visitor_id: str, **fields: Any
) -> pb.LinkVisitorResponse:
    """Join a visitor to an account."""
    given: dict[str, Any] = {
        "subject": account,
        "visitor_id": visitor_id,
        "method": pb.CONSENT_METHOD_CONTROL,
        "request_id": new_id(),
        **fields,
    }
    return await consents(channel).LinkVisitor(pb.LinkVisitorRequest(**given))


async def history(channel: grpc.aio.Channel, who: types_pb2.Subject) -> list[pb.ConsentDecision]:
    """Return the decisions of *who*, newest first."""
    listed = await consents(channel).ListConsentDecisions(
        pb.ListConsentDecisionsRequest(subject=who)
    )
    return list(listed.consent_decisions)


async def test_each_choice_is_a_decision_like_any_other(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Choices are recorded together, in their order; each is checked and withdrawn by itself."""
    who, other = visitor(await new_tenant(channel)), await advertising(channel)
    until = at(clock.now() + 180 * DAY)

    recorded = await choose(channel, who, {ANALYTICS: GRANTED, other: REFUSED}, expire_time=until)

    found = await history(channel, who)
    assert list(recorded.consent_decisions) == [each.name for each in reversed(found)]
    assert [other, ANALYTICS] == [each.purpose for each in found]
    assert [False, True] == [each.HasField("expire_time") for each in found]
    assert (await verdict(channel, who, ANALYTICS)).allowed
    assert [pb.VERDICT_REASON_CONSENT_REFUSED] == (await verdict(channel, who, other)).reasons
    await withdraw(channel, who, ANALYTICS)
    assert not (await verdict(channel, who, ANALYTICS)).allowed


async def test_all_choices_are_recorded_or_none(channel: grpc.aio.Channel) -> None:
    """One choice that can't be recorded leaves nothing of the others."""
    who, other = visitor(await new_tenant(channel)), await advertising(channel)
    choices = [
        pb.CookieChoice(purpose=other, choice=REFUSED),
        pb.CookieChoice(purpose=ANALYTICS, choice=GRANTED, text_digest="0" * 64),
    ]

    told = await refused(choose(channel, who, {}, choices=choices))

    assert ("FAILED_PRECONDITION", "TEXT_NOT_PUBLISHED") == (told.code, told.reason)
    unknown = [pb.VERDICT_REASON_SUBJECT_UNKNOWN, pb.VERDICT_REASON_CONSENT_MISSING]
    assert unknown == (await verdict(channel, who, other)).reasons


async def test_repeat_adds_nothing(channel: grpc.aio.Channel) -> None:
    """The same call again returns the same decisions."""
    who = visitor(await new_tenant(channel))

    first, again = [
        await choose(channel, who, {ANALYTICS: REFUSED}, request_id="once") for _ in range(2)
    ]

    assert first.consent_decisions == again.consent_decisions
    assert 1 == len(await history(channel, who))


async def test_only_purposes_of_cookies_are_chosen_here(channel: grpc.aio.Channel) -> None:
    """A purpose that isn't one of cookies isn't there, like one that doesn't exist."""
    who = visitor(await new_tenant(channel))

    told = [
        await refused(choose(channel, who, {name: REFUSED}))
        for name in (NEWS, "purposes/unheard_of")
    ]

    assert told[0] == told[1]
    assert ("NOT_FOUND", "PURPOSE_NOT_FOUND") == (told[0].code, told[0].reason)


async def test_wrong_choices_are_told_at_once(channel: grpc.aio.Channel) -> None:
    """What breaks a rule is told by its field: none chosen, chosen twice, a grant without words."""
    who = visitor("tenants/acme")
    none = await refused(choose(channel, who, {}))
    twice = [pb.CookieChoice(purpose=ANALYTICS, choice=REFUSED)] * 2
    wordless = pb.CookieChoice(purpose=ANALYTICS, choice=GRANTED)

    told = await refused(
        choose(channel, who, {}, choices=[*twice, wordless], policy_version="", locale="")
    )

    assert ("choices",) == none.fields
    assert {"choices", "choices[2].text_digest", "policy_version", "locale"} == set(told.fields)


async def test_linking_adds_what_stands(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """An account gets the visitor's choices, as restated by the act; the browser keeps its own."""
    tenant, other = await new_tenant(channel), await advertising(channel)
    browser, account = visitor(tenant), own_user(tenant)
    await choose(channel, browser, {ANALYTICS: GRANTED, other: REFUSED})
    clock.advance(DAY)

    linked = await link(channel, account, browser.visitor_id, method=pb.CONSENT_METHOD_WRITTEN)

    found = await history(channel, account)
    assert list(linked.consent_decisions) == [each.name for each in reversed(found)]
    assert {(ANALYTICS, GRANTED, True), (other, REFUSED, True)} == {
        (each.purpose, each.choice, each.from_visitor) for each in found
    }
    assert {(pb.CONSENT_METHOD_WRITTEN, at(clock.now()).seconds)} == {
        (each.method, each.decision_time.seconds) for each in found
    }
    assert {await shown_text(channel, ANALYTICS), ""} == {each.text_digest for each in found}
    assert (await verdict(channel, account, ANALYTICS)).allowed
    assert (await verdict(channel, browser, ANALYTICS)).allowed
    assert [False, False] == [each.from_visitor for each in await history(channel, browser)]


@pytest.mark.parametrize("is_browser_later", [True, False])
async def test_later_decision_holds(
    channel: grpc.aio.Channel, clock: SteppingClock, *, is_browser_later: bool
) -> None:
    """Of a "yes" of the browser and a "no" of the account, whichever came later holds."""
    tenant = await new_tenant(channel)
    browser, account = visitor(tenant), own_user(tenant)
    decisions = [(account, REFUSED), (browser, GRANTED)]
    for who, choice in decisions if is_browser_later else decisions[::-1]:
        await choose(channel, who, {ANALYTICS: choice})
        clock.advance(DAY)

    linked = await link(channel, account, browser.visitor_id)

    assert is_browser_later == bool(linked.consent_decisions)
    assert is_browser_later == (await verdict(channel, account, ANALYTICS)).allowed


async def test_what_no_longer_holds_is_not_added(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A consent that has expired, or needs renewal, isn't revived by joining it to an account."""
    tenant, renewed = await new_tenant(channel), await advertising(channel)
    browser, account = visitor(tenant), own_user(tenant)
    await choose(channel, browser, {renewed: GRANTED})
    await choose(channel, browser, {ANALYTICS: GRANTED}, expire_time=at(clock.now() + DAY))
    clock.advance(2 * DAY)
    text = catalogue_pb.LocalizedText(locale="en", text=f"{renewed}, and more?")
    await applied(
        channel,
        purpose(
            renewed,
            role=types_pb2.ROLE_CONTROLLER,
            cookie=True,
            categories=["categories/site_usage"],
            retention_rule="retentionRules/user_36_months",
            texts=[text],
            renewal_time=at(clock.now()),
        ),
    )

    linked = await link(channel, account, browser.visitor_id)

    assert [] == list(linked.consent_decisions)
    assert [] == await history(channel, account)


async def test_nothing_leads_from_account_to_visitor(
    channel: grpc.aio.Channel,
    settings: Settings,
    clock: SteppingClock,
    logged: Logged,
) -> None:
    """An attacker with the whole database and the logs finds nothing that only the two share.

    No reference, no evidence, no time, no end: whatever value of the visitor's documents is in
    a document of the account is one that any other person's could have.
    """
    tenant = await new_tenant(channel)
    browser, account, stranger = visitor(tenant), own_user(tenant), own_user(tenant)
    clock.advance(timedelta(hours=1, milliseconds=17))
    until = datetime(2031, 4, 5, 6, 7, 8, 9000, tzinfo=UTC)
    await choose(
        channel,
        browser,
        {ANALYTICS: GRANTED},
        expire_time=at(until),
        evidence_digest="ab" * 32,
        parental_authority=pb.ParentalAuthority(
            subject_is_child=True, authorised=True, verification="told in our own words"
        ),
    )
    reference = (await verdict(channel, browser, ANALYTICS)).subject_reference
    clock.advance(timedelta(hours=5))

    linked = await link(channel, account, browser.visitor_id, evidence_digest="cd" * 32)

    await grant(channel, stranger, ANALYTICS, method=pb.CONSENT_METHOD_CONTROL)
    kept = await documents(settings, (await verdict(channel, account, ANALYTICS)).subject_reference)
    others = await documents(
        settings, (await verdict(channel, stranger, ANALYTICS)).subject_reference
    )
    browsers = await documents(settings, reference)
    assert linked.consent_decisions
    assert browsers
    shared = (values(kept) & values(browsers)) - values(others)
    assert set() == {each for each in shared if not isinstance(each, bool | int)}
    lines = [line for line in logged() if "LinkVisitor" in f"{line}"]
    assert reference not in f"{lines}{kept}"


async def documents(settings: Settings, reference: str) -> list[dict[str, Any]]:
    """Return every document that has *reference* in it, of any collection."""
    found: list[dict[str, Any]] = []
    uri = settings.mongo_uri
    assert uri is not None
    async with AsyncMongoClient[dict[str, Any]](uri.get_secret_value(), tz_aware=True) as client:
        for name in (settings.database, f"{settings.database}_keys"):
            database = client[name]
            for collection in await database.list_collection_names():
                kept = await database[collection].find().to_list()
                found += [document for document in kept if reference in f"{document}"]
    return found


def values(thing: object) -> set[object]:
    """Return every value in *thing*, however deep."""
    match thing:
        case dict():
            inside = list(cast("dict[str, object]", thing).values())
        case list():
            inside = cast("list[object]", thing)
        case _:
            return {thing}
    return set[object]().union(*(values(each) for each in inside))


async def test_linking_needs_a_visitor_and_an_account(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Nobody's choices, an erased visitor's and an erased account's are each refused as such."""
    tenant = await new_tenant(channel)
    browser, account = visitor(tenant), own_user(tenant)
    unknown = await refused(link(channel, account, browser.visitor_id))
    await choose(channel, browser, {ANALYTICS: GRANTED})
    await link(channel, account, browser.visitor_id)
    await erase(app.ports, account)
    late = await refused(link(channel, account, browser.visitor_id))
    clock.advance(DAY)
    anew = await link(channel, account, browser.visitor_id, decision_time=at(clock.now()))
    swapped = await refused(link(channel, browser, browser.visitor_id, method=0))

    assert ("NOT_FOUND", "SUBJECT_NOT_FOUND") == (unknown.code, unknown.reason)
    assert ("FAILED_PRECONDITION", "SUBJECT_ERASED") == (late.code, late.reason)
    assert 2 == anew.generation
    assert {"subject.subject_id", "method"} == set(swapped.fields)
