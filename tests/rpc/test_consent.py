"""ConsentService over a real channel: decisions, their history, and the verdict they amount to."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1 import types_pb2
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub
from server.compose import App
from server.domain.clock import SteppingClock
from tests.rpc.kept import erase
from tests.rpc.people import (
    end_user,
    grant,
    grant_request,
    new_id,
    new_tenant,
    own_user,
    refused,
    verdict,
    withdraw,
)

if TYPE_CHECKING:
    from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub

CUSTOMISE = "purposes/customise_messages"
OPTIMISE = "purposes/optimise_interactions"
NEWS = "purposes/platform_news"
COOKIES = "purposes/cookies_analytics"


def timestamp(clock: SteppingClock, delta: timedelta = timedelta(0)) -> Timestamp:
    """Return the time of *clock*, moved by *delta*."""
    message = Timestamp()
    message.FromDatetime(clock.now() + delta)
    return message


@pytest.fixture
def consent(channel: grpc.aio.Channel) -> ConsentServiceAsyncStub:
    """Return the service's stub."""
    return ConsentServiceStub(channel)


async def test_grant_allows_and_withdrawal_ends_it(channel: grpc.aio.Channel) -> None:
    """A grant makes the verdict "allowed"; after a withdrawal with its token it never is."""
    who = end_user(await new_tenant(channel))

    before = await verdict(channel, who, CUSTOMISE)
    granted = await grant(channel, who, CUSTOMISE)
    between = await verdict(channel, who, CUSTOMISE, token=granted.consistency_token)
    withdrawn = await withdraw(channel, who, CUSTOMISE)
    after = await verdict(channel, who, CUSTOMISE, token=withdrawn.consistency_token)

    assert (False, True, False) == (before.allowed, between.allowed, after.allowed)
    assert [pb.VERDICT_REASON_SUBJECT_UNKNOWN, pb.VERDICT_REASON_CONSENT_MISSING] == before.reasons
    assert [pb.VERDICT_REASON_CONSENT_GRANTED] == between.reasons
    assert [pb.VERDICT_REASON_CONSENT_WITHDRAWN] == after.reasons
    assert between.deciding_entry != after.deciding_entry


async def test_both_roles_have_consents_of_their_own(channel: grpc.aio.Channel) -> None:
    """The same id in the two regimes is two subjects."""
    tenant = await new_tenant(channel)
    await grant(channel, own_user(tenant, "the-same"), NEWS)

    assert (await verdict(channel, own_user(tenant, "the-same"), NEWS)).allowed
    assert [
        pb.VERDICT_REASON_SUBJECT_UNKNOWN,
        pb.VERDICT_REASON_CONSENT_MISSING,
    ] == (await verdict(channel, end_user(tenant, "the-same"), CUSTOMISE)).reasons


async def test_other_basis_needs_no_consent(channel: grpc.aio.Channel) -> None:
    """What rests on another basis than consent is allowed while nothing stands against it."""
    found = await verdict(channel, end_user(await new_tenant(channel)), OPTIMISE)

    assert found.allowed
    assert [pb.VERDICT_REASON_OTHER_LEGAL_BASIS] == found.reasons


async def test_repeat_returns_the_first_answer(
    channel: grpc.aio.Channel, consent: ConsentServiceAsyncStub
) -> None:
    """A repeated call adds no second decision, even when another decision came in between."""
    who = end_user(await new_tenant(channel))
    request = await grant_request(channel, who, CUSTOMISE)

    first = await consent.RecordConsent(request)
    await withdraw(channel, who, CUSTOMISE)
    again = await consent.RecordConsent(request)

    history = await consent.ListConsentDecisions(pb.ListConsentDecisionsRequest(subject=who))
    assert first.consent_decision == again.consent_decision
    assert 2 == len(history.consent_decisions)
    assert not (await verdict(channel, who, CUSTOMISE)).allowed


async def test_reused_request_id_is_refused(
    channel: grpc.aio.Channel, consent: ConsentServiceAsyncStub
) -> None:
    """The id of one call can't be used for another one."""
    tenant = await new_tenant(channel)
    request = await grant_request(channel, end_user(tenant), CUSTOMISE)
    await consent.RecordConsent(request)
    request.subject.subject_id = "somebody-else"

    told = await refused(consent.RecordConsent(request))

    assert ("ALREADY_EXISTS", "REQUEST_ID_REUSED") == (told.code, told.reason)
    assert not (await verdict(channel, request.subject, CUSTOMISE)).allowed


async def test_concurrent_decisions_all_count(
    channel: grpc.aio.Channel, consent: ConsentServiceAsyncStub
) -> None:
    """Decisions of one person at the same time are put in one order; none is lost."""
    who = end_user(await new_tenant(channel))

    await asyncio.gather(
        *(grant(channel, who, CUSTOMISE) for _ in range(6)),
        return_exceptions=False,
    )

    history = await consent.ListConsentDecisions(pb.ListConsentDecisionsRequest(subject=who))
    assert 6 == len({decision.name for decision in history.consent_decisions})


async def test_late_grant_does_not_undo_a_withdrawal(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A grant from before a withdrawal that arrives after it is kept, and takes no effect."""
    who = end_user(await new_tenant(channel))
    await withdraw(channel, who, CUSTOMISE)

    await grant(channel, who, CUSTOMISE, decision_time=timestamp(clock, timedelta(minutes=-5)))

    assert not (await verdict(channel, who, CUSTOMISE)).allowed


async def test_grant_expires(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """A grant for a time ends with it, and the verdict says until when it holds."""
    who = end_user(await new_tenant(channel))
    until = timestamp(clock, timedelta(days=1))
    await grant(channel, who, CUSTOMISE, expire_time=until)
    during = await verdict(channel, who, CUSTOMISE)

    clock.advance(timedelta(days=1))

    after = await verdict(channel, who, CUSTOMISE)
    assert (True, until) == (during.allowed, during.expire_time)
    assert [pb.VERDICT_REASON_CONSENT_EXPIRED] == after.reasons


async def test_history_is_paged_newest_first(
    channel: grpc.aio.Channel, consent: ConsentServiceAsyncStub
) -> None:
    """Pages follow each other without gap or repetition, and a token fits its own list only."""
    who = end_user(await new_tenant(channel))
    given = [(await grant(channel, who, CUSTOMISE)).consent_decision for _ in range(5)]

    found: list[str] = []
    token = last = ""
    while True:
        page = await consent.ListConsentDecisions(
            pb.ListConsentDecisionsRequest(subject=who, page_size=2, page_token=token)
        )
        found += [decision.name for decision in page.consent_decisions]
        token = page.next_page_token or ""
        if not token:
            break
        last = token
    told = await refused(
        consent.ListConsentDecisions(
            pb.ListConsentDecisionsRequest(
                subject=end_user(who.tenant), page_size=2, page_token=last
            )
        )
    )

    assert given[::-1] == found
    assert ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID") == (told.code, told.reason)


async def test_state_can_be_asked_for_a_past_moment(
    channel: grpc.aio.Channel, consent: ConsentServiceAsyncStub, clock: SteppingClock
) -> None:
    """What held on a day stays what held on that day, whatever was decided since."""
    who = end_user(await new_tenant(channel))
    await grant(channel, who, CUSTOMISE)
    then = timestamp(clock)
    clock.advance(timedelta(days=3))
    await withdraw(channel, who, CUSTOMISE)

    now = await consent.ListConsents(pb.ListConsentsRequest(subject=who))
    past = await consent.ListConsents(pb.ListConsentsRequest(subject=who, as_of_time=then))

    assert [pb.CONSENT_STATE_WITHDRAWN] == [found.state for found in now.consents]
    assert [pb.CONSENT_STATE_GRANTED] == [found.state for found in past.consents]


async def test_all_consents_are_withdrawn_at_once(
    channel: grpc.aio.Channel, consent: ConsentServiceAsyncStub
) -> None:
    """One call takes every agreement back, and a second one finds none left."""
    who = own_user(await new_tenant(channel))
    await grant(channel, who, NEWS)
    await grant(channel, who, "purposes/cookies_analytics")

    first = await consent.WithdrawAllConsents(
        pb.WithdrawAllConsentsRequest(subject=who, request_id=new_id())
    )
    second = await consent.WithdrawAllConsents(
        pb.WithdrawAllConsentsRequest(subject=who, request_id=new_id())
    )

    assert ["purposes/cookies_analytics", NEWS] == first.purposes
    assert [] == second.purposes
    assert not (await verdict(channel, who, NEWS)).allowed


async def test_only_what_was_granted_is_withdrawn(
    channel: grpc.aio.Channel, consent: ConsentServiceAsyncStub
) -> None:
    """What somebody refused was never agreed to: it stays refused, and isn't told as withdrawn."""
    who = own_user(await new_tenant(channel))
    await grant(channel, who, NEWS)
    await withdraw(channel, who, COOKIES, choice=pb.CONSENT_CHOICE_REFUSED)

    done = await consent.WithdrawAllConsents(
        pb.WithdrawAllConsentsRequest(subject=who, request_id=new_id())
    )
    listed = await consent.ListConsents(pb.ListConsentsRequest(subject=who))

    assert [NEWS] == done.purposes
    assert [pb.CONSENT_STATE_REFUSED, pb.CONSENT_STATE_WITHDRAWN] == [
        found.state for found in listed.consents
    ]


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"purpose": "purposes/unheard_of"}, "NOT_FOUND", "PURPOSE_NOT_FOUND"),
        ({"purpose": OPTIMISE}, "FAILED_PRECONDITION", "CONSENT_NOT_BASIS"),
        ({"purpose": NEWS}, "FAILED_PRECONDITION", "PURPOSE_ROLE_MISMATCH"),
        ({"text_digest": "0" * 64}, "FAILED_PRECONDITION", "TEXT_NOT_PUBLISHED"),
        ({"locale": "de"}, "FAILED_PRECONDITION", "TEXT_NOT_PUBLISHED"),
        (
            {"policy_version": "policyVersions/2018-01-01"},
            "NOT_FOUND",
            "POLICY_VERSION_NOT_FOUND",
        ),
        # Decided before the policy version that was shown had come into force (S15).
        (
            {"decision_time": Timestamp(seconds=1_500_000_000)},
            "FAILED_PRECONDITION",
            "POLICY_VERSION_NOT_IN_FORCE",
        ),
        (
            {"parental_authority": pb.ParentalAuthority(subject_is_child=True)},
            "FAILED_PRECONDITION",
            "PARENTAL_AUTHORITY_REQUIRED",
        ),
        (
            {"subject": end_user("tenants/nobody")},
            "NOT_FOUND",
            "TENANT_NOT_FOUND",
        ),
    ],
)
async def test_grants_are_refused_with_their_reason(
    channel: grpc.aio.Channel,
    consent: ConsentServiceAsyncStub,
    fields: dict[str, object],
    code: str,
    reason: str,
) -> None:
    """Each ground for refusing a grant has a reason of its own, and nothing is recorded."""
    who = end_user(await new_tenant(channel))
    request = await grant_request(channel, who, CUSTOMISE)
    request.MergeFrom(pb.RecordConsentRequest(**fields))  # type: ignore[arg-type]  # a table's

    told = await refused(consent.RecordConsent(request))

    assert (code, reason) == (told.code, told.reason)
    assert not (await verdict(channel, who, CUSTOMISE)).allowed


async def test_every_wrong_field_is_told_at_once(consent: ConsentServiceAsyncStub) -> None:
    """All violations come together, by field and rule, and nothing sent is echoed."""
    told = await refused(
        consent.RecordConsent(
            pb.RecordConsentRequest(
                subject=types_pb2.Subject(tenant="Ada Lovelace", subject_id="ada lovelace"),
                purpose="newsletter",
                choice=9,  # type: ignore[arg-type]  # no such choice
                request_id="*",
            )
        )
    )

    assert ("INVALID_ARGUMENT", "FIELD_INVALID") == (told.code, told.reason)
    assert {
        "request_id",
        "choice",
        "subject.role",
        "subject.tenant",
        "subject.subject_id",
        "purpose",
    } == set(told.fields)
    assert "lovelace" not in f"{told}".lower()


async def test_future_decision_is_refused(
    channel: grpc.aio.Channel, consent: ConsentServiceAsyncStub, clock: SteppingClock
) -> None:
    """A decision can't have been made in the future, beyond what clocks differ by."""
    who = end_user(await new_tenant(channel))
    request = await grant_request(
        channel, who, CUSTOMISE, decision_time=timestamp(clock, timedelta(minutes=2))
    )

    told = await refused(consent.RecordConsent(request))

    assert ("INVALID_ARGUMENT", "TIME_IN_FUTURE") == (told.code, told.reason)
    assert ("decision_time",) == told.fields


async def test_garbage_token_is_refused(channel: grpc.aio.Channel) -> None:
    """A consistency token that isn't ours is the caller's mistake, not the server's."""
    who = end_user(await new_tenant(channel))

    told = await refused(verdict(channel, who, CUSTOMISE, token="not-a-token"))  # noqa: S106 – no password

    assert ("INVALID_ARGUMENT", "CONSISTENCY_TOKEN_INVALID") == (told.code, told.reason)


async def test_decision_after_all_were_withdrawn_is_the_newest(
    channel: grpc.aio.Channel, consent: ConsentServiceAsyncStub, clock: SteppingClock
) -> None:
    """Decisions made together and those made after them keep one order: list and check agree."""
    who = own_user(await new_tenant(channel))
    await grant(channel, who, NEWS)
    await grant(channel, who, COOKIES)
    await consent.WithdrawAllConsents(
        pb.WithdrawAllConsentsRequest(subject=who, request_id=new_id())
    )
    clock.advance(timedelta(days=30))
    await grant(channel, who, COOKIES)
    again = await grant(channel, who, NEWS)

    listed = await consent.ListConsents(pb.ListConsentsRequest(subject=who))
    history = await consent.ListConsentDecisions(pb.ListConsentDecisionsRequest(subject=who))

    of_news = await consent.ListConsentDecisions(
        pb.ListConsentDecisionsRequest(subject=who, purpose=NEWS)
    )
    assert {NEWS} == {decision.purpose for decision in of_news.consent_decisions}
    assert [pb.CONSENT_STATE_GRANTED] * 2 == [found.state for found in listed.consents]
    assert again.consent_decision == history.consent_decisions[0].name
    assert (await verdict(channel, who, NEWS)).allowed


async def test_no_consent_of_an_erased_person_stands(
    app: App, channel: grpc.aio.Channel, consent: ConsentServiceAsyncStub
) -> None:
    """After an erasure no state is told; what was recorded stays as proof."""
    who = end_user(await new_tenant(channel))
    await grant(channel, who, CUSTOMISE)
    await erase(app.ports, who)

    told = await refused(consent.ListConsents(pb.ListConsentsRequest(subject=who)))
    history = await consent.ListConsentDecisions(pb.ListConsentDecisionsRequest(subject=who))

    assert ("FAILED_PRECONDITION", "SUBJECT_ERASED") == (told.code, told.reason)
    assert 1 == len(history.consent_decisions)
