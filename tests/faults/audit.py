"""Compares what clients were promised with what the server answers and the database holds.

A finding is one line that begins with its kind: LOST (acknowledged and not there), TWICE
(applied more than once, or never asked for), TORN (one part of a change without another),
WRONG (a state that the history doesn't say).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import grpc
from pymongo import AsyncMongoClient

from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1 import consent_service_pb2_grpc
from server.domain.consent.consent import DECISIONS_AT_ONCE
from tests.faults.book import GRANTED, REFUSED, TENANT, WITHDRAWN, Asked, Book, Person, people
from tests.faults.writers import WRITERS

PAGE = 100
_ROLES = ("controller", "processor")
_CHOICES = {"granted": GRANTED, "refused": REFUSED, "withdrawn": WITHDRAWN}
_STATES = {
    GRANTED: pb.CONSENT_STATE_GRANTED,
    REFUSED: pb.CONSENT_STATE_REFUSED,
    WITHDRAWN: pb.CONSENT_STATE_WITHDRAWN,
}

Document = dict[str, Any]


class Told:
    """What the server tells of everybody: histories, oldest first, and states by purpose."""

    def __init__(self) -> None:
        self.histories: dict[Person, list[pb.ConsentDecision]] = {}
        self.states: dict[Person, dict[str, pb.Consent]] = {}

    @classmethod
    async def by(cls, address: str) -> Told:
        """Ask the server at *address*."""
        told = cls()
        async with grpc.aio.insecure_channel(address) as channel:
            stub = consent_service_pb2_grpc.ConsentServiceStub(channel)
            for person in people(WRITERS):
                told.histories[person] = await _history(stub, person)
                told.states[person] = await _states(stub, person)
        return told


class Held:
    """What the database holds of the tenant, as documents."""

    def __init__(self) -> None:
        self.decisions: list[Document] = []
        self.subjects: list[Document] = []
        self.entries: list[Document] = []
        self.outcomes: list[Document] = []

    @classmethod
    async def by(cls, uri: str, database: str) -> Held:
        """Read the database of the server past the server."""
        held = cls()
        own = {"tenant": TENANT}
        async with AsyncMongoClient[Document](uri, tz_aware=True) as client:
            main, keys = client[database], client[f"{database}_keys"]
            for role in _ROLES:
                held.decisions += await main[f"consents_{role}"].find(own).to_list()
                held.subjects += await keys[f"subjects_{role}"].find(own).to_list()
            ours = {**own, "type": {"$regex": "^consent[.]"}}
            held.entries = await main["ledger"].find(ours).to_list()
            calls = {"_id": {"$regex": f"^{TENANT}/[^/]*/w"}}
            held.outcomes = await main["idempotency"].find(calls).to_list()
        return held


def findings(book: Book, told: Told, held: Held) -> list[str]:
    """Return all that is not as promised; every call that was ever sent must be in *book*."""
    return [
        *(f"TWICE {contradiction}" for contradiction in book.contradictions),
        *_of_histories(book, told),
        *_of_states(told),
        *_of_documents(book, held),
        *_of_subjects(held),
    ]


async def _history(
    stub: consent_service_pb2_grpc.ConsentServiceAsyncStub, person: Person
) -> list[pb.ConsentDecision]:
    found: list[pb.ConsentDecision] = []
    request = pb.ListConsentDecisionsRequest(subject=person.subject, page_size=PAGE)
    while True:
        try:
            page = await stub.ListConsentDecisions(request)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return []
            raise
        found += page.consent_decisions
        if not page.next_page_token:
            return found[::-1]
        request.page_token = page.next_page_token


async def _states(
    stub: consent_service_pb2_grpc.ConsentServiceAsyncStub, person: Person
) -> dict[str, pb.Consent]:
    try:
        answer = await stub.ListConsents(pb.ListConsentsRequest(subject=person.subject))
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return {}
        raise
    return {consent.purpose: consent for consent in answer.consents}


def _of_histories(book: Book, told: Told) -> Iterable[str]:
    for person, history in told.histories.items():
        promised = book.of(person)
        listed = Counter(decision.name for decision in history)
        yield from (f"LOST {promised[name].request_id}" for name in promised.keys() - listed)
        yield from (f"TWICE {name}, which no answer named" for name in listed.keys() - promised)
        yield from (f"TWICE {name} is listed {n} times" for name, n in listed.items() if n > 1)
        known = [(promised[each.name], each) for each in history if each.name in promised]
        yield from (
            f"WRONG {asked.request_id} is another decision"
            for asked, decision in known
            if (decision.purpose, decision.choice) != (f"purposes/{asked.purpose}", asked.choice)
        )
        yield from _out_of_order([asked for asked, _ in known])


def _out_of_order(history: Iterable[Asked]) -> Iterable[str]:
    """Yield the calls that stand before one that the same writer made earlier."""
    last: dict[int, int] = {}
    for asked in history:
        if asked.number < last.get(asked.writer, 0):
            yield f"WRONG {asked.request_id} is told before what its writer did earlier"
        last[asked.writer] = asked.number


def _of_states(told: Told) -> Iterable[str]:
    for person, history in told.histories.items():
        steps = [
            (each.purpose, each.choice, each.decision_time.ToDatetime(), each.name)
            for each in history
        ]
        expected = {
            purpose: (_STATES[choice], name)
            for purpose, (choice, _, name) in _replayed(steps).items()
        }
        found = {
            purpose: (consent.state, consent.consent_decision.name)
            for purpose, consent in told.states[person].items()
        }
        if expected != found:
            yield "WRONG the state of a person is not what the history says"


def _replayed(
    steps: Iterable[tuple[str, int, datetime, str]],
) -> dict[str, tuple[Any, datetime, str]]:
    """Return choice, time and name in force by purpose; a grant that is late changes nothing."""
    state: dict[str, tuple[Any, datetime, str]] = {}
    for purpose, choice, time, name in steps:
        before = state.get(purpose)
        if before is None:
            state[purpose] = (choice, time, name)
            continue
        is_late = time < before[1] or (time == before[1] and before[0] != GRANTED)
        if choice != GRANTED or not is_late:
            state[purpose] = (choice, max(time, before[1]), name)
    return state


def _of_documents(book: Book, held: Held) -> Iterable[str]:
    stored = Counter(_name("consentDecisions", each["_id"]) for each in held.decisions)
    entered = Counter(each["target"] for each in held.entries)
    remembered = Counter(
        _name("consentDecisions", each["outcome"]["decision"]) for each in held.outcomes
    )
    promised = Counter(book.answers.values())
    yield from (f"LOST {name} from the database" for name in promised - stored)
    yield from (f"TWICE {name} in the database" for name in stored - promised)
    yield from (f"TORN {name} without its ledger entry" for name in stored - entered)
    yield from (f"TORN a ledger entry without {name}" for name in entered - stored)
    yield from (f"TORN {name} without its idempotency record" for name in stored - remembered)
    yield from (f"TORN an idempotency record without {name}" for name in remembered - stored)


def _of_subjects(held: Held) -> Iterable[str]:
    histories: dict[str, list[Document]] = {}
    for decision in held.decisions:
        histories.setdefault(decision["subject"], []).append(decision)
    entries = {each["target"]: each["_id"] for each in held.entries}
    subjects = {each["_id"]: each for each in held.subjects}
    if subjects.keys() != histories.keys():
        yield "TORN a person without decisions, or decisions without their person"
    for id in subjects.keys() & histories.keys():
        history = sorted(histories[id], key=lambda decision: int(decision["number"]))
        yield from _of_subject(subjects[id], history, entries)


def _of_subject(
    subject: Document, history: Sequence[Document], entries: Mapping[str, str]
) -> Iterable[str]:
    versions = [each["number"] // DECISIONS_AT_ONCE for each in history]
    if list(range(1, len(history) + 1)) != versions:
        yield "TORN the numbers of a person's decisions have gaps or repeats"
    if subject["version"] != len(history):
        yield "TORN a person's version is not the number of changes"
    if subject["entry"] != entries.get(_name("consentDecisions", history[-1]["_id"])):
        yield "TORN a person doesn't name the ledger entry of the newest change"
    steps = [
        (each["purpose"], _CHOICES[each["choice"]], each["decision_time"], each["_id"])
        for each in history
    ]
    expected = {purpose: name for purpose, (_, _, name) in _replayed(steps).items()}
    if expected != {p: state["decision"] for p, state in subject["consents"].items()}:
        yield "WRONG a person's stored state is not what the decisions say"


def _name(collection: str, id: str) -> str:
    tenant, _, rest = id.partition("/")
    return f"tenants/{tenant}/{collection}/{rest}"
