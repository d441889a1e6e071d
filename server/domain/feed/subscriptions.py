"""Creates, changes, finds and ends subscriptions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from server.domain.change import Delete, Insert, Replace
from server.domain.commands import Commands, Decision
from server.domain.errors import (
    EtagMismatchError,
    LimitExceededError,
    ResourceExistsError,
    SubscriptionNotFoundError,
)
from server.domain.feed.log import FeedLog
from server.domain.feed.subscription import (
    CURSORS,
    PLATFORM,
    SUBSCRIPTIONS,
    EventFilter,
    Subscription,
    new_cursor,
)
from server.domain.ledger import new_entry
from server.domain.ports import Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.domain.call import Call
    from server.domain.change import Committed
    from server.domain.ledger import Entry
    from server.domain.ports import Ports
    from server.domain.tenants import Tenants

MAX_SUBSCRIPTIONS = 1_000


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """What is asked for; without a *start_time*, the feed begins with what comes next."""

    id: str
    filter: EventFilter
    acknowledge_ms: int
    display_name: str
    start_time: datetime | None


@dataclass(frozen=True, slots=True)
class SubscriptionUpdate:
    """What is to be another value; None leaves a field as it is.

    Shapes:
        version: that the subscription must have; None: any.
    """

    filter: EventFilter | None = None
    acknowledge_ms: int | None = None
    display_name: str | None = None
    version: int | None = None


class Subscriptions:
    """The subscriptions of the platform's services."""

    def __init__(self, ports: Ports, tenants: Tenants) -> None:
        """Work on *ports*, for entries of *tenants*."""
        self._ports = ports
        self._tenants = tenants
        self._log = FeedLog(ports.reader)
        self._commands = Commands(ports)

    async def create(self, call: Call, new: NewSubscription) -> Committed[Subscription]:
        """Create a subscription whose cursors stand where it begins.

        Whatever is committed after this has returned is delivered. With a start time, so is
        whatever happened at or after it; without one, something that was committed shortly
        before may be, too.

        Raises:
            ResourceExistsError: there is one with this id.
            TenantNotFoundError: the filter names one that there isn't.
            LimitExceededError: there are as many as there may be.
        """

        async def decide() -> Decision[Subscription]:
            if await self._find(new.id):
                raise ResourceExistsError(thing="subscription")
            if await self._ports.reader.count(Query(SUBSCRIPTIONS, PLATFORM)) >= MAX_SUBSCRIPTIONS:
                raise LimitExceededError(what="subscriptions", limit=MAX_SUBSCRIPTIONS)
            await self._require_tenants(new.filter)
            created = Subscription(
                id=new.id,
                tenant=PLATFORM,
                version=1,
                life=self._ports.ids.new(),
                filter=new.filter,
                acknowledge_ms=new.acknowledge_ms,
                create_time=self._ports.clock.now(),
                display_name=new.display_name,
                start_time=new.start_time,
            )
            positions = await (
                self._log.heads()
                if new.start_time is None
                else self._log.positions_at(new.start_time)
            )
            cursors = [
                Insert(CURSORS, new_cursor(created, partition, position))
                for partition, position in positions.items()
            ]
            return Decision(
                writes=(Insert(SUBSCRIPTIONS, created), *cursors),
                entries=(self._entry(call, "subscription.created", created),),
                outcome=created,
            )

        return await self._commands.run(call, PLATFORM, Subscription, decide)

    async def get(self, id: str) -> Subscription:
        """Return the subscription *id*.

        Raises:
            SubscriptionNotFoundError: there is none.
        """
        found = await self._find(id)
        if found is None:
            raise SubscriptionNotFoundError
        return found

    async def list(self, *, after: tuple[object, str] | None, limit: int) -> Sequence[Subscription]:
        """Return one page of the subscriptions, by id."""
        query = Query(SUBSCRIPTIONS, PLATFORM, after=after, limit=limit)
        return await self._ports.reader.find(query, Subscription)

    async def update(
        self, call: Call, id: str, update: SubscriptionUpdate
    ) -> Committed[Subscription]:
        """Change a subscription; streams follow within seconds, for what they send from then on.

        Raises:
            SubscriptionNotFoundError: there is none.
            TenantNotFoundError: the filter names one that there isn't.
            EtagMismatchError: it isn't at the version that the caller has seen.
        """

        async def decide() -> Decision[Subscription]:
            found = await self.get(id)
            if update.version is not None and update.version != found.version:
                raise EtagMismatchError
            if update.filter is not None:
                await self._require_tenants(update.filter)
            given = {
                "filter": update.filter,
                "acknowledge_ms": update.acknowledge_ms,
                "display_name": update.display_name,
            }
            changed: Subscription = replace(
                found,
                version=found.version + 1,
                **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]  # of the fields' own types
            )
            return Decision(
                writes=(Replace(SUBSCRIPTIONS, changed),),
                entries=(self._entry(call, "subscription.updated", changed),),
                outcome=changed,
            )

        return await self._commands.run(call, PLATFORM, Subscription, decide)

    async def delete(self, call: Call, id: str) -> Committed[None]:
        """End a subscription and its streams; what is left of it is tidied up later.

        Its cursors are not deleted here: a subscriber that acknowledges all the time would
        keep changing them under a deletion. Nobody reads them without their subscription.

        Raises:
            SubscriptionNotFoundError: there is none.
        """

        async def decide() -> Decision[None]:
            found = await self.get(id)
            return Decision(
                writes=(Delete(SUBSCRIPTIONS, found),),
                entries=(self._entry(call, "subscription.deleted", found),),
                outcome=None,
            )

        return await self._commands.run(call, PLATFORM, type(None), decide)

    async def _find(self, id: str) -> Subscription | None:
        return await self._ports.reader.get(SUBSCRIPTIONS, PLATFORM, id, Subscription)

    async def _require_tenants(self, filter: EventFilter) -> None:
        await asyncio.gather(*(self._tenants.get(tenant) for tenant in filter.tenants))

    def _entry(self, call: Call, type: str, subscription: Subscription) -> Entry:
        return new_entry(
            call,
            self._ports.ids,
            tenant=PLATFORM,
            type=type,
            time=self._ports.clock.now(),
            target=subscription.name,
        )
