"""Carrying directives out: what their requests do that those of the living do not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from server.domain.change import Change, Delete
from server.domain.directives.directive import Directive, State, directives
from server.domain.directives.directives import directive_entry, stored
from server.domain.errors import IllegalTransitionError
from server.domain.ledger import new_entry
from server.domain.ports import Query
from server.domain.records.minimisation import parsed
from server.domain.records.record import Record, records, seal_context
from server.domain.rights.request import OPEN, RightsRequest
from server.domain.rights.request import State as RequestState
from server.domain.rights.requests import requests
from server.domain.rights.terms import Right

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.domain.call import Call
    from server.domain.change import Write
    from server.domain.ledger import Entry
    from server.domain.ports import Ports
    from server.domain.subject import Subject

FORMAT = "privacyrights-communication/1"

BATCH = 200
"""Records deleted by one change."""

_ABOUT = {
    "format": "the name and version of this form",
    "request": "the request that this answers, and when this was made",
    "records": "the data that the person wanted to be communicated, with where it came from",
}


@dataclass(slots=True)
class Communication:
    """What a person wanted to be communicated: read piece by piece, once."""

    ports: Ports = field(repr=False)
    request: RightsRequest
    subject: Subject = field(repr=False)
    record_count: int = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the document from its beginning to its end: records, and nothing besides.

        Raises:
            SubjectErasedError: the subject was erased.
        """
        head: dict[str, Any] = {
            "about": _ABOUT,
            "format": FORMAT,
            "request": {"name": self.request.name, "made_time": self.ports.clock.now()},
        }
        yield msgspec.json.encode(head).removesuffix(b"}") + b',"records":['
        async for record in self.ports.reader.scan(_of(self.request), Record):
            context = seal_context(record.category, record.key)
            content = await self.ports.keyring.unseal(self.subject, record.sealed, context)
            item = {
                "category": f"categories/{record.category}",
                "key": record.key,
                "source": record.source or None,
                "create_time": record.create_time,
                "update_time": record.update_time,
                "fields": parsed(content),
            }
            yield (b"," if self.record_count else b"") + msgspec.json.encode(item)
            self.record_count += 1
        yield b"]}"


class CarryingOut:
    """Does for directives what their requests ask for, and tells when it is done."""

    def __init__(self, ports: Ports) -> None:
        """Work on *ports*."""
        self._ports = ports

    async def require_turn(self, request: RightsRequest) -> None:
        """Do nothing if what a directive wants done before *request* is done.

        COMMUNICATE comes before ERASE; and since an export lies under the person's key, it must
        have had its time before that key, or what is in it, may go.

        Raises:
            IllegalTransitionError: *request*, a directive's erasure, has to wait.
        """
        if not request.directive or request.right is not Right.ERASURE:
            return
        query = Query(
            requests(request.role),
            tenant=request.tenant,
            equals={
                "subject": request.subject,
                "generation": request.generation,
                "right": Right.COMMUNICATION,
            },
        )
        now = self._ports.clock.now()
        async for other in self._ports.reader.scan(query, RightsRequest):
            expires = other.export_expire_time
            waits = other.state in OPEN or (expires is not None and expires > now)
            if waits and _overlap(request, other):
                raise IllegalTransitionError(state=request.state, waits_for=other.name)

    async def erase_part(self, call: Call, request: RightsRequest) -> int:
        """Delete the records in the categories of *request*, in batches; return how many.

        The rest of the life goes on, and so does its key: this is a deletion like any other of
        records, and not the destruction of a key.
        """
        count = 0
        while True:
            found = await self._ports.reader.find(_of(request, limit=BATCH), Record)
            if not found:
                return count
            entry = new_entry(
                call,
                self._ports.ids,
                tenant=request.tenant,
                type="rights.records_erased",
                time=self._ports.clock.now(),
                role=request.role,
                subject=request.reference,
                target=request.name,
            )
            deletes = [Delete(records(request.role), each) for each in found]
            await self._ports.committer.commit(Change(deletes, (entry,)), type(None))
            count += len(found)

    async def done(self, call: Call, request: RightsRequest) -> tuple[list[Write], list[Entry]]:
        """Return what is to be kept with the completion of *request*, if it is a directive's.

        A directive is carried out only when all was done that it asks for: its request might
        have ended without some place's confirmation, or because the life ended first.
        """
        if not request.directive or request.end_time is None or not is_fulfilled(request):
            return [], []
        id = f"{request.tenant}/{request.directive.rpartition('/')[2]}"
        found = await self._ports.reader.get(
            directives(request.role), request.tenant, id, Directive
        )
        if found is None or found.state is not State.ACTIVE:
            return [], []
        after = found.moved(State.CARRIED_OUT, request.end_time)
        entry = directive_entry(call, self._ports, after, "directive.carried_out", request.end_time)
        return stored(after), [entry]


def _of(request: RightsRequest, *, limit: int = BATCH) -> Query:
    """Return the query of the records that *request* is about."""
    equals: dict[str, str | int | tuple[str, ...]] = {
        "subject": request.subject,
        "generation": request.generation,
    }
    if request.categories:
        equals["category"] = request.categories
    return Query(records(request.role), tenant=request.tenant, equals=equals, limit=limit)


def is_fulfilled(request: RightsRequest) -> bool:
    """Tell whether *request*, which has ended, did all that its directive wants."""
    if request.right is Right.COMMUNICATION and request.export_expire_time is None:
        return False
    return request.state is RequestState.COMPLETED


def _overlap(one: RightsRequest, other: RightsRequest) -> bool:
    if not one.categories or not other.categories:
        return True
    return not frozenset(one.categories).isdisjoint(other.categories)
