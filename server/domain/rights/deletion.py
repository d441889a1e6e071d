"""Verifying an erasure: what is left of an ended life, and what proves its end (Art. 5(2), 17)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.domain.consent.standing import acts
from server.domain.directives.directive import history
from server.domain.disclosure.disclosure import Disclosure, disclosures
from server.domain.errors import SubjectNotFoundError
from server.domain.ports import Query
from server.domain.records.record import records
from server.domain.retention.activity import interactions
from server.domain.rights.certificates import Certificate, certificates
from server.domain.rights.erasure import Erasures
from server.domain.rights.exports import exports
from server.domain.rights.request import RightsRequest
from server.domain.rights.requests import requests
from server.domain.subjects import Subjects

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from server.domain.call import Call
    from server.domain.change import Table
    from server.domain.ports import Ports, Scalar
    from server.domain.subject import Subject
    from server.domain.values import SubjectId

PURGED = (records, exports, interactions, acts, history)
"""The tables whose documents are deleted after an erasure."""

_BATCH = 200


@dataclass(frozen=True, slots=True)
class Deletion:
    """What is left of one life of a subject.

    Shapes:
        generation: which life.
        erase_time, entry: when its key was destroyed, and the id of the ledger entry that says
            so; None and "" while it goes on.
        certificate: a compact JWS, or "".
        remaining: documents that are still to be purged, or hold ciphertext for good.
        current_generation: the life that goes on now; 0 if none does.
    """

    generation: int
    current_generation: int
    erase_time: datetime | None = None
    entry: str = ""
    certificate: str = ""
    remaining: int = 0

    @property
    def is_erased(self) -> bool:
        """Whether the key is gone."""
        return self.erase_time is not None


class Deletions:
    """Tells whether a life has ended, and shows that it has.

    No data of the person is given out, and who asks has the person's id; so this is no
    disclosure, and no ledger entry, as little as any other check.
    """

    def __init__(self, ports: Ports) -> None:
        """Read from *ports*."""
        self._reader = ports.reader
        self._subjects = Subjects(ports)
        self._erasures = Erasures(ports)

    async def verify(self, call: Call, who: SubjectId) -> Deletion:
        """Return what is left of the life of *who* that is asked for, or of the newest.

        Raises:
            TenantNotFoundError: there is no such tenant.
            SubjectNotFoundError: nothing was ever known of it, or it has had no such life.
        """
        subject = await self._subjects.require(call, who)
        asked = who.generation or subject.generation
        if asked > subject.generation:
            raise SubjectNotFoundError
        current = 0 if subject.is_erased else subject.generation
        if asked == current:
            return Deletion(asked, current)
        erasure = await self._erasures.find(who.role, who.tenant, subject.id, asked)
        assert erasure is not None, "no life ends without one"  # noqa: S101 – narrows a type
        return Deletion(
            generation=asked,
            current_generation=current,
            erase_time=erasure.time,
            entry=erasure.entry,
            certificate=await self._certificate(subject, asked),
            remaining=await self._remaining(subject, asked),
        )

    async def _certificate(self, subject: Subject, generation: int) -> str:
        """Return the first certificate about that life; who was destroyed by a sweep has none."""
        query = _of_life(certificates(subject.role), subject, generation, limit=1)
        found = await self._reader.find(query, Certificate)
        return found[0].jws if found else ""

    async def _remaining(self, subject: Subject, generation: int) -> int:
        role = subject.role
        count = 0
        for table in PURGED:
            count += await self._reader.count(_of_life(table(role), subject, generation))
        # What is kept as proof is counted while it holds ciphertext, which nobody can read.
        query = _of_life(requests(role), subject, generation)
        async for request in self._reader.scan(query, RightsRequest):
            count += any(_words(request))
        query = _of_life(disclosures(role), subject, generation)
        async for disclosure in self._reader.scan(query, Disclosure):
            count += disclosure.sealed_demand is not None
        return count


def _words(request: RightsRequest) -> tuple[bytes | None, ...]:
    """Return what of *request* is sealed under the subject's key."""
    return request.sealed_statement, request.sealed_instruction, request.sealed_explanation


def _of_life(table: Table, subject: Subject, generation: int, *, limit: int = _BATCH) -> Query:
    equals: Mapping[str, Scalar] = {"subject": subject.id, "generation": generation}
    return Query(table, subject.tenant, equals=equals, limit=limit)
