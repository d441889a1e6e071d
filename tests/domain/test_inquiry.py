"""An inquiry's rules: who waits for whom, until when, and how long a thread may be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.domain.assistance.inquiry import (
    MAX_MESSAGES,
    MAX_THREAD_BYTES,
    Inquiry,
    InquiryState,
    NewMessage,
    Side,
    closed,
    due_time,
    replied,
)
from server.domain.errors import IllegalTransitionError, LimitExceededError

ASKED = datetime(2026, 3, 2, 9, tzinfo=UTC)
DUE = ASKED + timedelta(days=5)
LATER = DUE + timedelta(days=1)

OPEN = Inquiry(
    id="acme/n1",
    tenant="acme",
    version=1,
    state=InquiryState.OPEN,
    sealed_title=b"",
    messages=1,
    thread_bytes=10,
    create_time=ASKED,
    due_time=DUE,
)
QUESTION = NewMessage(Side.TENANT, "DPO", "And then?")
ANSWER = NewMessage(Side.PLATFORM, "Compliance", "This way.")


def test_answer_then_question() -> None:
    """Our answer ends the waiting; what is asked on is due later."""

    answered = replied(OPEN, ANSWER, LATER)
    asked_on = replied(answered, QUESTION, LATER)

    assert (InquiryState.ANSWERED, DUE) == (answered.state, answered.due_time)
    assert (InquiryState.OPEN, LATER) == (asked_on.state, asked_on.due_time)
    assert (3, 3) == (asked_on.messages, asked_on.version)


def test_adding_to_a_question_does_not_put_the_answer_off() -> None:
    """While an inquiry waits, what the tenant adds doesn't move when the answer is due."""

    assert replied(OPEN, QUESTION, LATER).due_time == DUE


def test_closed_is_closed() -> None:
    """A closed inquiry takes no message, and isn't closed again."""

    ended = closed(OPEN)
    assert InquiryState.CLOSED is ended.state
    with pytest.raises(IllegalTransitionError):
        replied(ended, ANSWER, LATER)
    with pytest.raises(IllegalTransitionError):
        closed(ended)


def test_thread_is_bounded_by_messages() -> None:
    """The last message that fits is taken, and none after it."""

    almost = replace(OPEN, messages=MAX_MESSAGES - 1)
    full = replied(almost, ANSWER, LATER)
    assert MAX_MESSAGES == full.messages
    with pytest.raises(LimitExceededError):
        replied(full, ANSWER, LATER)


def test_thread_is_bounded_by_bytes() -> None:
    """Words count as UTF-8, since that is what a response is limited by."""

    words = NewMessage(Side.TENANT, "é", "漢")
    assert 5 == words.size
    almost = replace(OPEN, thread_bytes=MAX_THREAD_BYTES - 5)
    full = replied(almost, words, LATER)
    assert MAX_THREAD_BYTES == full.thread_bytes
    with pytest.raises(LimitExceededError):
        replied(full, NewMessage(Side.TENANT, "a", "b"), LATER)


@pytest.mark.parametrize(
    ("asked", "zone", "expected"),
    [
        # Monday 10:00 in Paris: over with Saturday, at Paris midnight.
        (datetime(2026, 3, 2, 9, tzinfo=UTC), "Europe/Paris", datetime(2026, 3, 7, 23, tzinfo=UTC)),
        # The same instant is still Sunday evening nowhere near Paris.
        (
            datetime(2026, 3, 2, 2, tzinfo=UTC),
            "America/New_York",
            datetime(2026, 3, 7, 5, tzinfo=UTC),
        ),
        # Clocks go forward within the period.
        (
            datetime(2026, 3, 27, 12, tzinfo=UTC),
            "Europe/Paris",
            datetime(2026, 4, 1, 22, tzinfo=UTC),
        ),
    ],
)
def test_answer_is_due_when_the_fifth_day_is_over(
    asked: datetime, zone: str, expected: datetime
) -> None:
    """The day of the question isn't counted, and days are the tenant's."""

    assert expected == due_time(asked, zone)
