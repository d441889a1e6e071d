"""What clients were promised, as they wrote it down themselves, outside of any server."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1 import types_pb2
from tests.served import CATALOGUE

TENANT = "faulty"

GRANTED, REFUSED, WITHDRAWN = (
    pb.CONSENT_CHOICE_GRANTED,
    pb.CONSENT_CHOICE_REFUSED,
    pb.CONSENT_CHOICE_WITHDRAWN,
)

_POLICY = "policyVersions/2019-01-01"
_PURPOSES = {
    types_pb2.ROLE_CONTROLLER: ("platform_news", "cookies_analytics"),
    types_pb2.ROLE_PROCESSOR: ("customise_messages",),
}


@dataclass(frozen=True, slots=True)
class Person:
    """A data subject that clients decide for."""

    role: types_pb2.Role.ValueType
    id: str

    @property
    def subject(self) -> types_pb2.Subject:
        """The person as requests name one."""
        return types_pb2.Subject(role=self.role, tenant=f"tenants/{TENANT}", subject_id=self.id)


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of one writer; a repeat of it sends the very same request."""

    writer: int
    number: int
    person: Person
    purpose: str
    choice: pb.ConsentChoice.ValueType

    @property
    def request_id(self) -> str:
        """What makes its repeats harmless."""
        return f"w{self.writer}-{self.number}"

    @property
    def request(self) -> pb.RecordConsentRequest:
        """The request."""
        request = pb.RecordConsentRequest(
            subject=self.person.subject,
            purpose=f"purposes/{self.purpose}",
            choice=self.choice,
            request_id=self.request_id,
        )
        if self.choice == GRANTED:
            request.policy_version = _POLICY
            request.locale = "en"
            request.text_digest = text_digest(self.purpose)
        return request


@dataclass(slots=True)
class Book:
    """The calls that were acknowledged, with the decision that each was answered."""

    answers: dict[Asked, str] = field(default_factory=dict[Asked, str])
    contradictions: list[str] = field(default_factory=list[str])

    def write(self, asked: Asked, decision: str) -> None:
        """Keep that *asked* was answered with *decision*; a repeat must be told the same."""
        if decision != self.answers.setdefault(asked, decision):
            self.contradictions.append(f"{asked.request_id} was answered with two decisions")

    def of(self, person: Person) -> dict[str, Asked]:
        """Return the calls about *person*, by their decision."""
        return {
            decision: asked for asked, decision in self.answers.items() if asked.person == person
        }

    def last(self, writer: int) -> Asked | None:
        """Return what *writer* was acknowledged last."""
        own = [asked for asked in self.answers if asked.writer == writer]
        return max(own, key=lambda asked: asked.number, default=None)


def people(writers: int) -> list[Person]:
    """Return a person for each of *writers*, and as many as half of them that all share."""
    roles = (types_pb2.ROLE_CONTROLLER, types_pb2.ROLE_PROCESSOR)
    own = [Person(roles[n % 2], f"own-{n}") for n in range(writers)]
    return own + [Person(roles[n % 2], f"shared-{n}") for n in range(writers // 2)]


def ask(chance: random.Random, writer: int, number: int, everybody: Sequence[Person]) -> Asked:
    """Return what *writer* asks next: for its own person mostly, for one that all share at times.

    A shared one makes calls lose races and be decided anew; too many would make calls so slow
    that a fault finds few of them near their commit.
    """
    shared = [person for person in everybody if person.id.startswith("shared-")]
    person = chance.choice([*[everybody[writer]] * 4, chance.choice(shared)])
    return Asked(
        writer=writer,
        number=number,
        person=person,
        purpose=chance.choice(_PURPOSES[person.role]),
        choice=chance.choice((GRANTED, GRANTED, WITHDRAWN, REFUSED)),
    )


@cache
def text_digest(purpose: str) -> str:
    """Return the digest of the English text that the catalogue has for *purpose*."""
    content: dict[str, Any] = json.loads(CATALOGUE.read_text())["content"]
    (found,) = _named(content["purposes"], f"purposes/{purpose}")
    (text,) = [text["text"] for text in found["texts"] if text["locale"] == "en"]
    return hashlib.sha256(text.encode()).hexdigest()


def _named(all_of_them: Iterable[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [each for each in all_of_them if each["name"] == name]
