"""What a verdict must be, said a second time and much more simply than the server says it.

A few dictionaries and one clock: no database, no concurrency, nothing of the server's code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

GRANTED, REFUSED, WITHDRAWN = "GRANTED", "REFUSED", "WITHDRAWN"

Verdict = frozenset[str]
"""The reasons; "allowed" is the one of `ALLOWED`."""

ALLOWED = frozenset({"CONSENT_GRANTED", "OTHER_LEGAL_BASIS"})


@dataclass
class State:
    """What was decided last on one purpose."""

    choice: str
    time: datetime
    expire_time: datetime | None = None
    wording: int = 0


@dataclass
class Person:
    """Somebody, in whichever life."""

    life: int = 0
    erased: datetime | None = None
    previous_end: datetime | None = None
    states: dict[str, State] = field(default_factory=dict[str, State])

    @property
    def is_known(self) -> bool:
        """Whether anything was ever recorded."""
        return self.life > 0

    def begin(self, previous_end: datetime | None) -> None:
        """Begin the first life, or the next."""
        self.life += 1
        self.previous_end, self.erased, self.states = previous_end, None, {}


@dataclass
class Purpose:
    """A purpose that rests on consent, or on the tenant's instruction to collect its data."""

    rests_on_consent: bool = True
    wording: int = 1
    renewals: list[tuple[datetime, int]] = field(default_factory=list[tuple[datetime, int]])
    is_retired: bool = False


class Model:
    """People, purposes, one tenant's instruction, and a clock."""

    def __init__(self, now: datetime, purposes: dict[str, Purpose], people: int) -> None:
        self.now = now
        self.purposes = purposes
        self.people = [Person() for _ in range(people)]
        self.is_instructed = False
        self.past: list[tuple[datetime, dict[tuple[int, str], Verdict]]] = []

    def step(self, by: timedelta) -> None:
        """Remember how the moment ends, and let time pass."""
        self.past.append((self.now, self.verdicts()))
        self.now += by

    def grant(
        self,
        who: int,
        purpose: str,
        *,
        age: timedelta | None,
        lasts: timedelta | None,
        wording: int,
    ) -> str:
        """Return why a grant is refused, or "" and let it count."""
        person, what = self.people[who], self.purposes[purpose]
        decided = self.now - (age or timedelta(0))
        if what.is_retired:
            return "PURPOSE_RETIRED"
        if wording != what.wording:
            return "TEXT_NOT_PUBLISHED"
        if not person.is_known:
            person.begin(None)
        elif person.erased is not None:
            # Only what is said to have happened after the erasure begins a new life.
            if age is None or decided <= person.erased:
                return "SUBJECT_ERASED"
            person.begin(person.erased)
        elif self.is_late(person, age, decided):
            return "SUBJECT_ERASED"
        expiry = self.now + lasts if lasts else None
        wording = self.purposes[purpose].wording
        self.count(person, purpose, State(GRANTED, decided, expiry, wording))
        return ""

    def is_late(self, person: Person, age: timedelta | None, decided: datetime) -> bool:
        """Tell whether an event belongs to a life that has ended."""
        end = person.previous_end
        return age is not None and end is not None and decided <= end

    def object(self, who: int, purpose: str, choice: str, *, age: timedelta | None) -> str:
        """Return why a refusal or withdrawal is refused, or "" and let it count."""
        person = self.people[who]
        if person.erased is not None:
            return "SUBJECT_ERASED"
        if not person.is_known:
            person.begin(None)
        self.count(person, purpose, State(choice, self.now - (age or timedelta(0))))
        return ""

    def withdraw_all(self, who: int) -> str:
        """Return why nothing can be withdrawn, or "" and let everything be."""
        person = self.people[who]
        if not person.is_known:
            return "SUBJECT_NOT_FOUND"
        if person.erased is not None:
            return "SUBJECT_ERASED"
        for purpose, state in person.states.items():
            if state.choice == GRANTED:
                self.count(person, purpose, State(WITHDRAWN, self.now))
        return ""

    def count(self, person: Person, purpose: str, new: State) -> None:
        """Let a decision count; a grant that is older than what is known doesn't."""
        old = person.states.get(purpose)
        if old is not None:
            if new.choice == GRANTED and (
                new.time < old.time or (new.time == old.time and old.choice != GRANTED)
            ):
                return
            new.time = max(new.time, old.time)
        person.states[purpose] = new

    def erase(self, who: int) -> None:
        """End the life of somebody who is alive."""
        self.people[who].erased = self.now
        self.people[who].states = {}

    def verdicts(self) -> dict[tuple[int, str], Verdict]:
        """Return the verdict on everybody for every purpose."""
        return {
            (who, purpose): self.verdict(who, purpose)
            for who in range(len(self.people))
            for purpose in self.purposes
        }

    def verdict(self, who: int, purpose: str) -> Verdict:
        """Return the verdict now."""
        person, what = self.people[who], self.purposes[purpose]
        against = {"PURPOSE_RETIRED"} if what.is_retired else set[str]()
        if person.erased is not None:
            against.add("SUBJECT_ERASED")
        elif what.rests_on_consent:
            against |= self.consent_against(person, purpose)
        if not what.rests_on_consent and not self.is_instructed:
            against.add("INSTRUCTION_MISSING")
        in_favour = "CONSENT_GRANTED" if what.rests_on_consent else "OTHER_LEGAL_BASIS"
        return frozenset(against or {in_favour})

    def consent_against(self, person: Person, purpose: str) -> set[str]:
        """Return what stands against a purpose that rests on consent."""
        if not person.is_known:
            return {"SUBJECT_UNKNOWN", "CONSENT_MISSING"}
        state = person.states.get(purpose)
        if state is None:
            return {"CONSENT_MISSING"}
        if state.choice != GRANTED:
            return {f"CONSENT_{state.choice}"}
        if self.is_expired(state):
            return {"CONSENT_EXPIRED"}
        return {"CONSENT_RENEWAL_NEEDED"} if self.is_outdated(state, purpose) else set()

    def is_expired(self, state: State) -> bool:
        """Tell whether a grant was for a time that is over."""
        return state.expire_time is not None and state.expire_time <= self.now

    def is_outdated(self, state: State, purpose: str) -> bool:
        """Tell whether the words have materially changed since."""
        return any(
            time <= self.now and state.time < time and state.wording < wording
            for time, wording in self.purposes[purpose].renewals
        )
