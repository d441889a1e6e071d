"""What a subscription is, and what is kept of how far it has come.

A subscription has a cursor for each partition of the feed, and a document for each member
that streams. A cursor says in one place how far its partition is acknowledged and whose it
is, so that an acknowledgement checks the one and raises the other in the same write.

Cursors and members are written without ledger entries, as nothing else is: they say how far
a reader has come, are about nobody, and an entry for each acknowledgement would be an event
to acknowledge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from server.domain.change import Kind, Table
from server.domain.ledger import Entry
from server.domain.values import Role

SUBSCRIPTIONS = Table(Kind.SUBSCRIPTIONS)
CURSORS = Table(Kind.FEED_CURSORS)
MEMBERS = Table(Kind.FEED_MEMBERS)

PLATFORM = ""
"""The tenant of what belongs to no tenant."""

ANY_ENDING = "*"
"""What ends a pattern of types that matches every longer one."""

DEFAULT_ACKNOWLEDGE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which entries are wanted; what is empty restricts nothing.

    Shapes:
        types: whole types, or beginnings that end with `*`.
    """

    types: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True)
class Subscription:
    """A durable, named subscription.

    Shapes:
        life: tells it apart from an earlier one of the same name.
        start_time: events before it are not wanted; None: wanted is what came after the
            positions that its cursors began with.
    """

    id: str
    tenant: str
    version: int
    life: str
    filter: EventFilter
    acknowledge_ms: int
    create_time: datetime
    display_name: str = ""
    start_time: datetime | None = None

    @property
    def name(self) -> str:
        """The resource's name."""
        return f"subscriptions/{self.id}"

    @property
    def acknowledge_seconds(self) -> float:
        """After how long an event that was not acknowledged comes again."""
        return self.acknowledge_ms / 1000

    def wants(self) -> Callable[[Entry], bool]:
        """Return what tells of an entry whether it is wanted, prepared for very many of them."""
        patterns = self.filter.types
        whole = frozenset(type for type in patterns if not type.endswith(ANY_ENDING))
        begins = tuple(type[:-1] for type in patterns if type.endswith(ANY_ENDING))
        tenants, roles = frozenset(self.filter.tenants), frozenset(self.filter.roles)
        start = self.start_time

        def is_wanted(entry: Entry) -> bool:
            return (
                (not patterns or entry.type in whole or entry.type.startswith(begins))
                and (not tenants or entry.tenant in tenants)
                and (not roles or entry.role in roles)
                and (start is None or entry.time >= start)
            )

        return is_wanted


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far one partition of a subscription is acknowledged, and whose it is.

    Shapes:
        position: of the first entry that is not acknowledged.
        member: who delivers the partition; "" while it is nobody's.
    """

    id: str
    tenant: str
    version: int
    life: str
    partition: int
    position: int
    member: str = ""

    def moved(self, *, position: int | None = None, member: str | None = None) -> Cursor:
        """Return the next state; a position never falls."""
        return replace(
            self,
            version=self.version + 1,
            position=self.position if position is None else max(position, self.position),
            member=self.member if member is None else member,
        )


@dataclass(frozen=True, slots=True)
class Member:
    """One of those who share a subscription's work.

    Shapes:
        version: grows with every sign of life; that it stands still is how others notice.
        stream: which stream it is; a newer one of the same member replaces it.
        seen_time: of the last sign of life, for people.
    """

    id: str
    tenant: str
    version: int
    life: str
    member: str
    stream: str
    connect_time: datetime
    seen_time: datetime


def cursor_id(subscription: Subscription, partition: int) -> str:
    """Return the id of the cursor of one *partition*."""
    return f"{subscription.id}/{subscription.life}/{partition:02}"


def member_id(subscription: Subscription, member: str) -> str:
    """Return the id of a *member*."""
    return f"{subscription.id}/{subscription.life}/{member}"


def new_cursor(subscription: Subscription, partition: int, position: int) -> Cursor:
    """Return the cursor that a *subscription* begins with."""
    return Cursor(
        id=cursor_id(subscription, partition),
        tenant=PLATFORM,
        version=1,
        life=subscription.life,
        partition=partition,
        position=position,
    )
