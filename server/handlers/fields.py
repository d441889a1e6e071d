"""Taking the fields of a request: all that is wrong with it is told at once, and nothing echoed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import types_pb2 as pb
from server.domain.errors import (
    InvalidArgumentError,
    NotBuiltYetError,
    TimeInFutureError,
    Violation,
)
from server.domain.ports import Freshness
from server.domain.records.minimisation import stated_reason
from server.domain.values import (
    CLOCK_SKEW,
    InvalidValueError,
    Role,
    SubjectId,
    milliseconds,
    request_id,
    sentence,
    subject_value,
    visitor_value,
)
from server.handlers.freshness import freshness
from server.handlers.names import tenant

V = TypeVar("V")
R = TypeVar("R")

MAX_NAME = 200
"""Most characters of a title, a function or a person's name."""

MAX_VIOLATIONS = 100
"""How much may be wrong before the rest isn't looked at; an answer has room for some thirty."""

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
"""Nobody whose data is kept here did anything before; an unset year is the year 1."""

_ROLES = {pb.ROLE_CONTROLLER: Role.CONTROLLER, pb.ROLE_PROCESSOR: Role.PROCESSOR}
ROLE_NUMBERS = {role: number for number, role in _ROLES.items()}
"""Roles as the contract numbers them."""


class Fields:
    """The fields of one request, taken one after the other.

    What a method returns means something only after `done` has passed: until then a
    wrong field is noted and stands as None.
    """

    def __init__(self, now: datetime) -> None:
        """Take times as seen from *now*."""
        self._now = now
        self._violations: list[Violation] = []
        self._in_future: list[Violation] = []

    @property
    def now(self) -> datetime:
        """The time from which times are seen."""
        return self._now

    def done(self) -> None:
        """Do nothing if every field so far was right.

        Raises:
            InvalidArgumentError: some weren't; the error lists all of them.
            TimeInFutureError: all that was wrong is that times lie in the future.
        """
        if self._violations:
            raise InvalidArgumentError((*self._violations, *self._in_future))
        if self._in_future:
            raise TimeInFutureError(tuple(self._in_future))

    def wrong(self, field: str, rule: str) -> None:
        """Note that *field* breaks *rule*.

        Raises:
            InvalidArgumentError: so much is wrong that the rest need not be looked at.
        """
        self._violations.append(Violation(field, rule))
        if len(self._violations) >= MAX_VIOLATIONS:
            self.done()

    def take(self, field: str, make: Callable[[V], R], value: V) -> R:
        """Return what *make* makes of *value*, noting the rule if it refuses."""
        try:
            return make(value)
        except InvalidValueError as error:
            self.wrong(field, str(error))
            return cast("R", None)

    def several(self, field: str, values: Sequence[V], *, least: int = 0, most: int) -> Sequence[V]:
        """Return *values*; none of them, so that none is looked at, if they are too many or few."""
        if least <= len(values) <= most:
            return values
        self.wrong(field, f"must have {least}-{most} values")
        return ()

    def optional(self, field: str, make: Callable[[str], str], value: str) -> str:
        """Return "" if *value* is empty, else what *make* makes of it."""
        return self.take(field, make, value) if value else ""

    def name(self, field: str, value: str) -> str:
        """Return *value* as a title, a function or somebody's name: 1–200 characters."""
        return self.take(field, lambda text: sentence(text, most=MAX_NAME), value)

    def text(self, field: str, value: str, *, most: int) -> str:
        """Return *value* as prose of 1 to *most* characters."""
        return self.take(field, lambda text: sentence(text, most=most), value)

    def reason(self, value: str, *, about: str = "") -> str:
        """Return why something is read, in words that don't tell the id that it is *about*."""
        return self.take("reason", lambda text: stated_reason(text, about), value)

    def request_id(self, value: str) -> str:
        """Return *value* as the call's request id (AIP-155)."""
        return self.take("request_id", request_id, value)

    def choice(self, field: str, choices: Mapping[Any, R], value: int) -> R:
        """Return what *value* of an enum stands for; it must be given and known."""
        try:
            return choices[value]
        except KeyError:
            self.wrong(field, "must be given" if value == 0 else "must be a value of its enum")
            return cast("R", None)

    def optional_choice(self, field: str, choices: Mapping[Any, R], value: int) -> R | None:
        """Return what *value* of an enum stands for, or None if it isn't given."""
        return self.choice(field, choices, value) if value else None

    def choices(self, field: str, choices: Mapping[Any, R], values: Sequence[int]) -> tuple[R, ...]:
        """Return what *values* of an enum stand for; each at most once, so no more than it has."""
        given = self.several(field, values, most=len(choices))
        return tuple(
            self.choice(f"{field}[{index}]", choices, value) for index, value in enumerate(given)
        )

    def role(self, field: str, value: int) -> Role:
        """Return *value* as a role; it must be given."""
        return self.choice(field, _ROLES, value)

    def optional_role(self, field: str, value: int) -> Role | None:
        """Return *value* as a role, or None if it isn't given."""
        return self.optional_choice(field, _ROLES, value)

    def subject(self, field: str, value: pb.Subject) -> SubjectId:
        """Return *value* as the subject that the call is about."""
        if value.generation < 0:
            self.wrong(f"{field}.generation", "must not be negative")
        is_visitor = value.HasField("visitor_id")
        return SubjectId(
            role=self.role(f"{field}.role", value.role),
            tenant=self.take(f"{field}.tenant", tenant, value.tenant),
            value=(
                self.take(f"{field}.visitor_id", visitor_value, value.visitor_id)
                if is_visitor
                else self.take(f"{field}.subject_id", subject_value, value.subject_id)
            ),
            generation=value.generation,
            is_visitor=is_visitor,
        )

    def time(
        self, field: str, owner: Message, value: Timestamp, *, earliest: datetime = EARLIEST
    ) -> datetime | None:
        """Return *value*, the last part of *field* in *owner*, or None if it isn't set."""
        if not owner.HasField(field.rpartition(".")[2]):
            return None
        try:
            time = milliseconds(value.ToDatetime(tzinfo=UTC))
        except (ValueError, OverflowError):
            self.wrong(field, "must be a time before the year 10000 (RFC 3339)")
            return None
        if time < earliest:
            self.wrong(field, f"must not be before {earliest:%Y-%m-%d}")
            return None
        return time

    def past_time(self, field: str, owner: Message, value: Timestamp) -> datetime | None:
        """Return *value* like `time`, if it isn't in the future beyond what clocks may differ."""
        time = self.time(field, owner, value)
        if time is not None and time > self._now + CLOCK_SKEW:
            rule = f"must not be more than {int(CLOCK_SKEW.total_seconds())} s in the future"
            self._in_future.append(Violation(field, rule))
        return time

    def not_built(self, request: Message, *names: str) -> None:
        """Do nothing unless *request* has one of the fields *names*, which aren't built yet.

        Raises:
            NotBuiltYetError: it has; better refused than ignored.
        """
        given = {field.name for field, _ in request.ListFields()}
        for name in names:
            if name in given:
                raise NotBuiltYetError(what=f"{request.DESCRIPTOR.name}.{name}")

    def future_time(self, field: str, owner: Message, value: Timestamp) -> datetime | None:
        """Return *value* like `time`, if it is in the future."""
        time = self.time(field, owner, value)
        if time is not None and time <= self._now:
            self.wrong(field, "must be in the future")
        return time

    def freshness(self, value: pb.Consistency) -> Freshness:
        """Return how fresh the call's reads must be; a bad token is refused when it is used."""
        return freshness(value)
