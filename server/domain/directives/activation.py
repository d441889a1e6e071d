"""Putting directives into effect: on evidence of death, for the designated person or an heir."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from server.domain.change import Insert, Replace
from server.domain.commands import Commands, Decision
from server.domain.directives.directive import Action, Effect, State, effects
from server.domain.directives.directives import directive_entry, stored
from server.domain.errors import IllegalTransitionError
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.ports import Query
from server.domain.rights.request import OPEN, RightsRequest, due_time, first_state
from server.domain.rights.requests import requests
from server.domain.rights.terms import Right
from server.domain.subjects import Subjects, saved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.domain.call import Call
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.change import Committed, Write
    from server.domain.directives.directives import Directives
    from server.domain.ledger import Entry
    from server.domain.ports import Ports
    from server.domain.rights.request import Identity, Requester
    from server.domain.rights.requests import RightsRequests
    from server.domain.subject import Death, Subject
    from server.domain.tenants import Tenants
    from server.domain.values import SubjectId

_RIGHTS = {Action.ERASE: Right.ERASURE, Action.COMMUNICATE: Right.COMMUNICATION}
"""What carries a directive out. A KEEP needs no request: sweeps leave the person out."""

_IN_ACCORD = {
    # These end processing, or the data, as an erasure does; all others need the data.
    Action.ERASE: frozenset({Right.ERASURE, Right.OBJECTION, Right.CONSENT_WITHDRAWAL}),
    # All but these leave data that can be handed out.
    Action.COMMUNICATE: frozenset(Right) - {Right.ERASURE, Right.RESTRICTION},
    # A KEEP comes before retention rules, and before no request.
    Action.KEEP: frozenset(Right),
}
"""Which requests say nothing else than a directive does."""


@dataclass(frozen=True, slots=True)
class Activated:
    """What came into effect, as names, and what it ended."""

    directives: tuple[str, ...]
    requests: tuple[str, ...]
    superseded: tuple[str, ...]
    time: datetime


class Activation:
    """Records deaths, and puts the directives of the dead into effect."""

    def __init__(
        self,
        ports: Ports,
        tenants: Tenants,
        catalogues: Catalogues,
        directives: Directives,
        requests: RightsRequests,
    ) -> None:
        """Work on *ports*, with what the others know."""
        self._ports = ports
        self._tenants = tenants
        self._catalogues = catalogues
        self._directives = directives
        self._requests = requests
        self._subjects = Subjects(ports)
        self._commands = Commands(ports)

    async def activate(
        self, call: Call, who: SubjectId, death: Death, requester: Requester, identity: Identity
    ) -> Committed[Activated]:
        """Record the *death* of *who*, and put what stands into effect, all of it at once.

        What carries a directive out is a request with a clock, executed like any other: that
        of a tenant's end-user waits for the tenant's instruction (Art. 28(3)(a)).

        Raises:
            TenantNotFoundError, SubjectNotFoundError: of the tenant or subject.
            SubjectErasedError: that life of the subject has ended.
            IllegalTransitionError: the death was recorded before.
        """

        async def decide() -> Decision[Activated]:
            subject = (await self._subjects.require(call, who)).require_active(who)
            if subject.death is not None:
                raise IllegalTransitionError(state="death_recorded")
            now = self._ports.clock.now()
            categories = frozenset(
                id
                for id, each in self._catalogues.current.categories.items()
                if each.role is subject.role
            )
            found = effects(await self._directives.standing(subject), categories)
            made = [
                await self._request(
                    call, subject, each, requester=requester, identity=identity, now=now
                )
                for each in found.effects
                if each.directive.action in _RIGHTS
            ]
            superseded = await self._superseded(call, subject, found.effects, now)
            active = [
                each.directive.moved(
                    State.ACTIVE,
                    now,
                    activate_time=now,
                    requests=tuple(
                        one.id for one, _ in made if one.directive == each.directive.name
                    ),
                )
                for each in found.effects
            ]
            overruled = [each.ended(State.REPLACED, now) for each in found.overruled]
            recorded = replace(
                death,
                capacity=requester.capacity,
                requester_digest=requester.evidence_digest,
                time=now,
            )
            entry = self._death_entry(call, subject, now)
            entry = await committing(self._ports.keyring, entry, recorded, subject=subject)
            after = replace(
                subject,
                version=subject.version + 1,
                death=recorded,
                keep_until_date=_kept_until(found.effects),
                entry=entry.id,
            )
            writes: list[Write] = [
                saved(after),
                *(Insert(requests(one.role), one) for one, _ in made),
                *(Replace(requests(one.role), one) for one, _ in superseded),
                *(write for each in (*active, *overruled) for write in stored(each)),
            ]
            entries = [
                entry,
                *(directive_entry(call, self._ports, each, "directive.activated", now)
                  for each in active),
                *(directive_entry(call, self._ports, each, "directive.replaced", now)
                  for each in overruled),
                *(told for _, told in (*made, *superseded)),
            ]  # fmt: skip
            outcome = Activated(
                directives=tuple(each.name for each in active),
                requests=tuple(one.name for one, _ in made),
                superseded=tuple(one.name for one, _ in superseded),
                time=now,
            )
            return Decision(writes, entries, outcome)

        return await self._commands.run(call, who.tenant, Activated, decide)

    def _death_entry(self, call: Call, subject: Subject, now: datetime) -> Entry:
        return new_entry(
            call,
            self._ports.ids,
            tenant=subject.tenant,
            type="subject.death_recorded",
            time=now,
            role=subject.role,
            subject=subject.reference,
        )

    async def _request(
        self,
        call: Call,
        subject: Subject,
        effect: Effect,
        *,
        requester: Requester,
        identity: Identity,
        now: datetime,
    ) -> tuple[RightsRequest, Entry]:
        """Return the request that carries *effect* out, with its ledger entry."""
        zone = (await self._tenants.get(subject.tenant)).time_zone
        request = RightsRequest(
            id=f"{subject.tenant}/{self._ports.ids.new(subject.role)}",
            tenant=subject.tenant,
            version=1,
            role=subject.role,
            subject=subject.id,
            generation=subject.generation,
            right=_RIGHTS[effect.directive.action],
            state=first_state(subject.role, identity),
            receive_time=now,
            create_time=now,
            due_time=due_time(now, zone),
            time_zone=zone,
            identity=replace(identity, time=now),
            requester=requester,
            categories=tuple(sorted(effect.categories)),
            directive=effect.directive.name,
        )
        entry = self._requests.entry(call, request, "rights.request_created", now)
        entry = await committing(
            self._ports.keyring, entry, {"statement": ""}, request, subject=subject
        )
        return request.received().entered(entry.id), entry

    async def _superseded(
        self, call: Call, subject: Subject, found: Sequence[Effect], now: datetime
    ) -> list[tuple[RightsRequest, Entry]]:
        """Return the open requests that say otherwise, as ended, with their ledger entries."""
        query = Query(
            requests(subject.role),
            tenant=subject.tenant,
            equals={
                "subject": subject.id,
                "generation": subject.generation,
                "state": tuple(OPEN),
            },
        )
        ended: list[tuple[RightsRequest, Entry]] = []
        async for request in self._ports.reader.scan(query, RightsRequest):
            against = next((each for each in found if says_otherwise(request, each)), None)
            if against is not None:
                after = request.superseded(against.directive.name, time=now)
                entry = self._requests.entry(call, after, "rights.request_superseded", now)
                ended.append((after.entered(entry.id), entry))
        return ended


def says_otherwise(request: RightsRequest, effect: Effect) -> bool:
    """Whether *request* wants something else than *effect* with some of the same data."""
    if request.right in _IN_ACCORD[effect.directive.action]:
        return False
    about = frozenset(request.categories)
    return not about or not effect.categories or not about.isdisjoint(effect.categories)


def _kept_until(found: Sequence[Effect]) -> str:
    """Return the last day until which a directive keeps something; "" if none says so."""
    kept = (each.directive for each in found if each.directive.action is Action.KEEP)
    return max((directive.keep_until_date for directive in kept), default="")
