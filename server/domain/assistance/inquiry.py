"""An inquiry of a tenant: its thread, its states, and when our answer is due (S13)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from server.domain.change import Kind, Table
from server.domain.errors import IllegalTransitionError, LimitExceededError
from server.domain.periods import start_of_day

if TYPE_CHECKING:
    from collections.abc import Sequence

INQUIRIES = Table(Kind.INQUIRIES)
INQUIRY_MESSAGES = Table(Kind.INQUIRY_MESSAGES)

ANSWER_DAYS = 5
"""Days in which an inquiry is answered, the day on which it came not counted.

The policy promises to answer "shortly", and no law says how long that is. What a tenant asks
us for, it needs within its own month (Art. 12(3)): five days leave it more than three weeks.
"""

MAX_MESSAGES = 200
"""Most messages of one thread."""

MAX_THREAD_BYTES = 3 * 1024 * 1024
"""Most bytes of one thread's words: it is returned whole, and gRPC's clients take 4 MiB."""


class Side(StrEnum):
    """Which side wrote or is meant."""

    TENANT = "tenant"
    PLATFORM = "platform"


class InquiryState(StrEnum):
    """Where an inquiry stands."""

    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What somebody writes; it may name people."""

    side: Side
    author: str = field(repr=False)
    text: str = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of its words."""
        return len(self.author.encode()) + len(self.text.encode())


@dataclass(frozen=True, slots=True)
class NewInquiry:
    """What a tenant asks. `about` is a resource name, or ""."""

    tenant: str
    title: str = field(repr=False)
    first: NewMessage
    about: str = ""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """An inquiry without its words.

    Shapes:
        id: `tenant/id`.
        sealed_title: under the tenant's key.
        messages, thread_bytes: how many, and how many bytes of words.
        due_time: the first moment after the time for our answer.
    """

    id: str
    tenant: str
    version: int
    state: InquiryState
    sealed_title: bytes
    messages: int
    thread_bytes: int
    create_time: datetime
    due_time: datetime
    about: str = ""

    @property
    def name(self) -> str:
        """The resource name."""
        return f"tenants/{self.tenant}/inquiries/{self.id.rpartition('/')[2]}"


@dataclass(frozen=True, slots=True)
class InquiryMessage:
    """One message of a thread, never changed; its words are sealed under the tenant's key.

    Shapes:
        id: `tenant/inquiry/number`, the number in three digits, from 001.
        inquiry: the inquiry's id, `tenant/id`.
        sealed: author and text as JSON.
    """

    id: str
    tenant: str
    inquiry: str
    side: Side
    create_time: datetime
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """A message as it is read."""

    message: NewMessage
    create_time: datetime


@dataclass(frozen=True, slots=True)
class Thread:
    """An inquiry with its words; a list leaves the messages out."""

    inquiry: Inquiry
    title: str = field(repr=False)
    messages: Sequence[Written] = ()


@dataclass(frozen=True, slots=True)
class InquiryChanged:
    """What tells, now and at a repeat, which state of which inquiry the call led to."""

    inquiry: Inquiry


def due_time(now: datetime, zone: str) -> datetime:
    """Return when our answer to what is asked *now* is due: when the last day is over in *zone*.

    Days are counted as in Regulation (EEC, Euratom) 1182/71, Art. 3(1).

    Raises:
        ValueError: *zone* isn't an IANA time zone.
    """
    asked = now.astimezone(ZoneInfo(zone)).date()
    return start_of_day(asked + timedelta(days=ANSWER_DAYS + 1), zone)


def replied(inquiry: Inquiry, message: NewMessage, due: datetime) -> Inquiry:
    """Return *inquiry* with one *message* more.

    What the tenant asks on is due at *due*; while it waits, what it adds moves nothing.

    Raises:
        IllegalTransitionError: the inquiry is closed.
        LimitExceededError: the thread is full.
    """
    if inquiry.state is InquiryState.CLOSED:
        raise IllegalTransitionError(state=inquiry.state)
    if inquiry.messages >= MAX_MESSAGES:
        raise LimitExceededError(what="messages of an inquiry", limit=MAX_MESSAGES)
    if inquiry.thread_bytes + message.size > MAX_THREAD_BYTES:
        raise LimitExceededError(what="bytes of an inquiry's thread", limit=MAX_THREAD_BYTES)
    is_answer = message.side is Side.PLATFORM
    is_waiting = inquiry.state is InquiryState.OPEN
    return replace(
        inquiry,
        version=inquiry.version + 1,
        state=InquiryState.ANSWERED if is_answer else InquiryState.OPEN,
        messages=inquiry.messages + 1,
        thread_bytes=inquiry.thread_bytes + message.size,
        due_time=inquiry.due_time if is_answer or is_waiting else due,
    )


def closed(inquiry: Inquiry) -> Inquiry:
    """Return *inquiry*, closed.

    Raises:
        IllegalTransitionError: it is closed.
    """
    if inquiry.state is InquiryState.CLOSED:
        raise IllegalTransitionError(state=inquiry.state)
    return replace(inquiry, version=inquiry.version + 1, state=InquiryState.CLOSED)
