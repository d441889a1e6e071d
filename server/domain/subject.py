"""The data subject: one document that every decision about a person starts from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from server.domain.errors import SubjectErasedError
from server.domain.values import Role

if TYPE_CHECKING:
    from server.domain.values import SubjectId


class Choice(StrEnum):
    """What a person decided about one purpose."""

    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class ConsentState:
    """The decision in force on one purpose, and its ledger entry."""

    choice: Choice
    decision: str
    entry: str
    time: datetime
    policy_version: str
    text_digest: str
    purpose_version: int
    explicit: bool = False
    expire_time: datetime | None = None


class DeathEvidence(StrEnum):
    """What proves a death."""

    CERTIFICATE = "certificate"
    DEED = "deed"


@dataclass(frozen=True, slots=True)
class Death:
    """That a death is recorded, on which evidence, and in which capacity somebody reported it.

    The digests are of what the caller keeps; `time` None: not recorded yet.
    """

    evidence: DeathEvidence
    evidence_digest: str
    capacity: str = ""
    requester_digest: str = ""
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """A person towards whom we have duties, known by a keyed reference only.

    Shapes:
        id: `tenant/reference`; the same string is `subject` in every document about the person.
        key: the subject key, wrapped under the tenant's; None once destroyed (Art. 17).
        sealed_id: the tenant's own id of the person, under the subject key.
        generation: counts the lives of the subject from 1; erasure ends one.
        entry: the ledger entry of the newest change, which decides what holds now.
        death: that the person died; None as far as is known.
        keep_until_date: until which day a directive in effect keeps data from retention, or "".
        objections, restriction: what stands against processing besides consent, by the ledger
            entries that say so; `domain.consent.standing` has their history.
        opposed_since: when the first of that was recorded in this life, also if it has ended since.
        previous_erasure_time: when the life before this one ended; None in the first.
    """

    id: str
    tenant: str
    reference: str
    role: Role
    version: int
    generation: int
    created_time: datetime
    key: bytes | None
    sealed_id: bytes | None
    entry: str
    consents: dict[str, ConsentState] = field(default_factory=dict[str, ConsentState])
    objections: dict[str, str] = field(default_factory=dict[str, str])
    restriction: str = ""
    death: Death | None = None
    keep_until_date: str = ""
    opposed_since: datetime | None = None
    erased_time: datetime | None = None
    previous_erasure_time: datetime | None = None

    @property
    def is_erased(self) -> bool:
        """Whether the subject key has been destroyed."""
        return self.key is None

    def require_active(self, asked: SubjectId, *, event_time: datetime | None = None) -> Subject:
        """Return this subject if writes made for *asked* may reach it.

        *event_time* is when what is written happened, if that was said.

        Raises:
            SubjectErasedError: it was erased, or the write belongs to an earlier life of it.
        """
        ended = self.previous_erasure_time
        is_of_earlier_life = (
            ended is not None and event_time is not None and event_time <= ended
        ) or asked.generation not in (0, self.generation)
        if self.is_erased or is_of_earlier_life:
            raise SubjectErasedError(generation=self.generation)
        return self

    def erased(self, *, time: datetime, entry: str) -> Subject:
        """Return the tombstone: no key, nothing known but when this life ended, and was opposed."""
        return replace(
            self,
            version=self.version + 1,
            key=None,
            sealed_id=None,
            entry=entry,
            consents={},
            objections={},
            restriction="",
            death=None,
            keep_until_date="",
            erased_time=time,
        )
