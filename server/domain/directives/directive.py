"""A directive: what a person, in life, wants to happen with their data after death.

    STANDING ──► ACTIVE ──► CARRIED_OUT        (KEEP stays ACTIVE: it is never done)
        └──► REVOKED (by the person), REPLACED (by a later one)

Everything here is pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from server.domain.change import Kind, Table
from server.domain.errors import IllegalTransitionError, InvalidArgumentError, Violation
from server.domain.rights.request import Identity
from server.domain.values import Role

if TYPE_CHECKING:
    from server.domain.subject import Subject

MAX_STANDING = 100
"""Most directives of one person that stand at a time: all are read when they come into effect."""


class Action(StrEnum):
    """What a directive wants."""

    KEEP = "keep"
    ERASE = "erase"
    COMMUNICATE = "communicate"


class State(StrEnum):
    """Where a directive stands."""

    STANDING = "standing"
    REVOKED = "revoked"
    REPLACED = "replaced"
    ACTIVE = "active"
    CARRIED_OUT = "carried_out"


@dataclass(frozen=True, slots=True)
class Words:
    """What a directive says of other people: kept under the subject's key; "" where nothing is."""

    designated_person: str = field(default="", repr=False)
    beneficiary: str = field(default="", repr=False)


NO_WORDS = Words()


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted; no `categories`: a general directive.

    Raises:
        InvalidArgumentError: its parts don't fit each other.
    """

    action: Action
    categories: tuple[str, ...] = ()
    keep_until_date: str = ""
    words: Words = NO_WORDS

    def __post_init__(self) -> None:
        """Hold that there is a beneficiary exactly where data is communicated."""
        if found := tuple(self._violations()):
            raise InvalidArgumentError(found)

    def _violations(self) -> Iterator[Violation]:
        communicates = self.action is Action.COMMUNICATE
        if communicates and not self.words.beneficiary:
            yield Violation("directive.beneficiary", "must be given for COMMUNICATE")
        if self.words.beneficiary and not communicates:
            # No more about other people than the directive needs (Art. 5(1)(c)).
            yield Violation("directive.beneficiary", "must be empty unless for COMMUNICATE")
        if self.keep_until_date and self.action is not Action.KEEP:
            yield Violation("directive.keep_until_date", "must be empty unless for KEEP")


@dataclass(frozen=True, slots=True)
class Directive:
    """A directive as it stands, and, under an id with the version, as it once stood.

    Shapes:
        id: `tenant/id`; `tenant/id/version`, in 6 digits, for a state of the history.
        subject: the subject's id, `tenant/reference`.
        generation: the life of the subject in which it was recorded.
        categories: sorted; none: a general directive.
        identity: what established that the last change was the person's own wish.
        requests: the ids of the requests that carry it out, `tenant/id`.
    """

    id: str
    tenant: str
    version: int
    role: Role
    subject: str
    generation: int
    action: Action
    categories: tuple[str, ...]
    state: State
    create_time: datetime
    update_time: datetime
    identity: Identity
    keep_until_date: str = ""
    sealed_designated_person: bytes | None = None
    sealed_beneficiary: bytes | None = None
    revoke_time: datetime | None = None
    activate_time: datetime | None = None
    requests: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The resource name."""
        tenant, id = self.id.split("/")[:2]
        return f"tenants/{tenant}/directives/{id}"

    @property
    def reference(self) -> str:
        """The subject reference."""
        return self.subject.rpartition("/")[2]

    def require_standing(self) -> None:
        """Do nothing if the person can still change it.

        Raises:
            IllegalTransitionError: it was revoked or replaced, or is in effect.
        """
        if self.state is not State.STANDING:
            raise IllegalTransitionError(state=self.state)

    def moved(self, state: State, time: datetime, **changes: object) -> Directive:
        """Return the directive in its next *state*."""
        return replace(
            self,
            version=self.version + 1,
            state=state,
            update_time=time,
            **changes,  # type: ignore[arg-type]  # of the fields' own types
        )

    def ended(self, state: State, time: datetime) -> Directive:
        """Return the directive as revoked or replaced at *time*."""
        return self.moved(state, time, revoke_time=time)

    def snapshot(self) -> Directive:
        """Return this state as it is kept in the history, which nothing ever changes."""
        return replace(self, id=f"{self.id}/{self.version:06d}")


def directives(role: Role) -> Table:
    """Return the table of the directives of *role*, as they stand."""
    return Table(Kind.DIRECTIVES, role)


def history(role: Role) -> Table:
    """Return the table of every state that a directive of *role* ever had."""
    return Table(Kind.DIRECTIVE_VERSIONS, role)


def sealing_context(directive: Directive, words: str) -> str:
    """Return the context under which *words* (`beneficiary`, …) are sealed, in every version."""
    tenant, id = directive.id.split("/")[:2]
    return f"directive/{tenant}/{id}/{words}"


def is_over(directive: Directive, subject: Subject) -> bool:
    """Whether the life of *subject* in which *directive* was recorded has ended."""
    return subject.is_erased or subject.generation != directive.generation


@dataclass(frozen=True, slots=True)
class Effect:
    """What one directive comes to; no `categories`: it is about everything there is."""

    directive: Directive
    categories: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Effects:
    """What directives come to when one takes precedence over another.

    Shapes:
        effects: those that have an effect, in the order in which they are carried out.
        overruled: those of which nothing is left.
    """

    effects: tuple[Effect, ...]
    overruled: tuple[Directive, ...]


def effects(standing: tuple[Directive, ...], categories: frozenset[str]) -> Effects:
    """Return what *standing* directives come to, where there are these *categories*.

    KEEP and ERASE exclude each other: in each category one of them holds, a particular one
    before the general, and of two particular ones the one recorded or changed last. Whether
    the data is communicated is another question, and answered in the same way; communicating
    comes before erasing.
    """
    fate = _holding([each for each in standing if each.action is not Action.COMMUNICATE])
    told = _holding([each for each in standing if each.action is Action.COMMUNICATE])
    found: list[Effect] = []
    overruled: list[Directive] = []
    for directive in sorted(standing, key=_first_to_carry_out):
        holding = told if directive.action is Action.COMMUNICATE else fate
        if directive.categories:
            mine = frozenset(id for id in directive.categories if holding[id] is directive)
        else:
            # The particular ones that want the same take nothing away from the general one.
            lost = {id for id, each in holding.items() if each.action is not directive.action}
            mine = categories - lost if lost else _NONE
            if lost and not mine:
                overruled.append(directive)
                continue
        if directive.categories and not mine:
            overruled.append(directive)
        else:
            found.append(Effect(directive, mine))
    return Effects(tuple(found), tuple(overruled))


def _holding(directives: list[Directive]) -> Mapping[str, Directive]:
    """Return which of the particular *directives* holds in each category that one is about."""
    held: dict[str, Directive] = {}
    for directive in sorted(directives, key=lambda each: (each.update_time, each.id)):
        held.update(dict.fromkeys(directive.categories, directive))
    return held


_NONE: frozenset[str] = frozenset()


def _first_to_carry_out(directive: Directive) -> tuple[int, str]:
    order = (Action.COMMUNICATE, Action.KEEP, Action.ERASE)
    return order.index(directive.action), directive.id
