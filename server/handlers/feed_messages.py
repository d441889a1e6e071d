"""Subscriptions and events, between the contract and the domain."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from privacyrights.v1 import feed_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.domain.feed.event import about, invalidates_verdict, source
from server.domain.feed.lags import Lag
from server.domain.feed.lane import Delivered
from server.domain.feed.subscription import DEFAULT_ACKNOWLEDGE, EventFilter, Member, Subscription
from server.domain.ledger import Entry
from server.domain.values import InvalidValueError
from server.handlers import names
from server.handlers.etags import etag
from server.handlers.fields import ROLE_NUMBERS, Fields
from server.handlers.ledger_messages import entry_message
from server.handlers.times import timestamp

MAX_TYPES = 100
MAX_TENANTS = 100
MAX_ROLES = 2

LEAST_TIMEOUT, MOST_TIMEOUT = timedelta(seconds=1), timedelta(hours=1)

KEPT_EVENTS = 1_000
"""Events whose messages are kept to be sent to others as well: they take some 2 MB."""

_PATTERN = re.compile(r"[a-z][a-z0-9_.]{0,98}\*?|\*")


def event_filter(fields: Fields, field: str, given: pb.EventFilter) -> EventFilter:
    """Return *given*, which is at *field* of the request."""
    types = fields.several(f"{field}.types", given.types, most=MAX_TYPES)
    tenants = fields.several(f"{field}.tenants", given.tenants, most=MAX_TENANTS)
    roles = fields.several(f"{field}.roles", given.roles, most=MAX_ROLES)
    return EventFilter(
        types=tuple(
            fields.take(f"{field}.types[{index}]", _pattern, type)
            for index, type in enumerate(types)
        ),
        tenants=tuple(
            fields.take(f"{field}.tenants[{index}]", names.tenant, tenant)
            for index, tenant in enumerate(tenants)
        ),
        roles=tuple(
            fields.role(f"{field}.roles[{index}]", role) for index, role in enumerate(roles)
        ),
    )


def acknowledge_ms(fields: Fields, given: pb.Subscription) -> int:
    """Return the acknowledge timeout in milliseconds, or the default."""
    if not given.HasField("acknowledge_timeout"):
        return DEFAULT_ACKNOWLEDGE // timedelta(milliseconds=1)
    return fields.take("subscription.acknowledge_timeout", _timeout, given.acknowledge_timeout)


def _pattern(text: str) -> str:
    if not _PATTERN.fullmatch(text):
        raise InvalidValueError(
            "must be a type such as 'consent.granted', or its beginning and a '*',"
            " of at most 100 characters"
        )
    return text


def _timeout(given: Duration) -> int:
    least, most = LEAST_TIMEOUT // timedelta(seconds=1), MOST_TIMEOUT // timedelta(seconds=1)
    seconds = given.seconds + given.nanos / 1e9
    if not least <= seconds <= most:
        raise InvalidValueError(f"must be {least}-{most} s")
    return round(seconds * 1000)


def subscription_message(subscription: Subscription, lag: Lag | None = None) -> pb.Subscription:
    """Return *subscription*, with its *lag* where that was measured."""
    wanted = subscription.filter
    timeout = Duration()
    timeout.FromMilliseconds(subscription.acknowledge_ms)
    return pb.Subscription(
        name=subscription.name,
        filter=pb.EventFilter(
            types=wanted.types,
            tenants=[f"tenants/{tenant}" for tenant in wanted.tenants],
            roles=[ROLE_NUMBERS[role] for role in wanted.roles],
        ),
        acknowledge_timeout=timeout,
        create_time=timestamp(subscription.create_time),
        lag_count=lag.count if lag else 0,
        oldest_waiting_time=timestamp(lag.oldest_time) if lag else None,
        etag=etag(subscription.version),
        display_name=subscription.display_name,
    )


def member_messages(
    members: Sequence[Member], partitions: Mapping[str, Sequence[int]]
) -> list[pb.SubscriptionMember]:
    """Return *members* with what each of them has."""
    return [
        pb.SubscriptionMember(
            member_id=member.member,
            partitions=partitions.get(member.member, ()),
            connect_time=timestamp(member.connect_time),
        )
        for member in members
    ]


class EventMessages:
    """Events as messages; one that goes to many subscribers is made once."""

    def __init__(self) -> None:
        """Keep none yet."""
        self._kept: OrderedDict[str, pb.Event] = OrderedDict()

    def of(self, delivered: Delivered) -> pb.Event:
        """Return *delivered* as the contract has it."""
        entry = delivered.entry
        if delivered.redelivery_count:
            event = _event(entry)
            event.redelivery_count = delivered.redelivery_count
            return event
        kept = self._kept.get(entry.id)
        if kept is None:
            kept = self._kept[entry.id] = _event(entry)
            if len(self._kept) > KEPT_EVENTS:
                self._kept.popitem(last=False)
        return kept


def _event(entry: Entry) -> pb.Event:
    event = pb.Event(
        id=entry.id.rpartition("/")[2],
        source=source(entry),
        type=entry.type,
        time=timestamp(entry.time),
        subject=about(entry),
        entry=entry_message(entry),
        partition=entry.partition,
        position=entry.feed_position or 0,
    )
    if invalidates_verdict(entry):
        event.verdict_invalidated.CopyFrom(
            pb.VerdictInvalidated(
                role=ROLE_NUMBERS[entry.role] if entry.role else types_pb2.ROLE_UNSPECIFIED,
                tenant=f"tenants/{entry.tenant}",
                subject_reference=entry.subject,
                purpose=entry.purpose and f"purposes/{entry.purpose}",
            )
        )
    elif entry.target:
        event.resource_changed.name = entry.target
    return event
