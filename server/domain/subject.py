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


@dataclass(frozen=True, slots=True)
class Subject:
    """A person towards whom we have duties, known by a keyed reference only.

    Shapes:
        id: `tenant/reference`; the same string is `subject` in every document about the person.
        key: the subject key, wrapped under the tenant's; None once destroyed (Art. 17).
        sealed_id: the tenant's own id of the person, under the subject key.
        generation: counts the lives of the subject from 1; erasure ends one.
        entry: the ledger entry of the newest change, which decides what holds now.
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
    erased_time: datetime | None = None

    @property
    def is_erased(self) -> bool:
        """Whether the subject key has been destroyed."""
        return self.key is None

    def require_active(self, asked: SubjectId) -> Subject:
        """Return this subject if writes made for *asked* may reach it.

        Raises:
            SubjectErasedError: it was erased, or the write belongs to an earlier life of it.
        """
        if self.is_erased or asked.generation not in (0, self.generation):
            raise SubjectErasedError(generation=self.generation)
        return self

    def erased(self, *, time: datetime, entry: str) -> Subject:
        """Return the tombstone: no key, nothing known but that this life of the subject ended."""
        return replace(
            self,
            version=self.version + 1,
            key=None,
            sealed_id=None,
            entry=entry,
            consents={},
            objections={},
            restriction="",
            erased_time=time,
        )
