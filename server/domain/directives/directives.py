"""Recording, changing, revoking and reading directives, in life."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from server.domain.change import Insert, Replace
from server.domain.commands import Commands, Decision
from server.domain.directives.directive import (
    MAX_STANDING,
    NO_WORDS,
    Action,
    Directive,
    State,
    Wish,
    Words,
    directives,
    history,
    is_over,
    sealing_context,
)
from server.domain.errors import (
    DirectiveNotFoundError,
    EtagMismatchError,
    IllegalTransitionError,
    InvalidArgumentError,
    LimitExceededError,
    SubjectErasedError,
    Violation,
)
from server.domain.identifiers import role_of
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.ports import DEFAULT_FRESHNESS, Query
from server.domain.reasons import require_impersonal
from server.domain.rights.requests import held_still
from server.domain.subject import Subject
from server.domain.subjects import Subjects, subjects
from server.domain.values import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from server.domain.call import Call
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.change import Committed, Write
    from server.domain.ledger import Entry
    from server.domain.ports import Freshness, Ports
    from server.domain.rights.request import Identity
    from server.domain.values import Role, SubjectId


@dataclass(frozen=True, slots=True)
class Update:
    """What is to become of a directive; None: it stays. `version` None: whichever is current."""

    action: Action | None = None
    categories: tuple[str, ...] | None = None
    keep_until_date: str | None = None
    designated_person: str | None = None
    beneficiary: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Readable:
    """A directive with its sealed words, as far as there is a key to them."""

    directive: Directive
    words: Words = NO_WORDS


def stored(directive: Directive) -> list[Write]:
    """Return the writes that keep *directive* as it now stands, and the state in its history."""
    table = directives(directive.role)
    write = Insert(table, directive) if directive.version == 1 else Replace(table, directive)
    return [write, Insert(history(directive.role), directive.snapshot())]


def directive_entry(
    call: Call, ports: Ports, directive: Directive, type: str, time: datetime, *, reason: str = ""
) -> Entry:
    """Return the ledger entry that says what happened to *directive*."""
    return new_entry(
        call,
        ports.ids,
        tenant=directive.tenant,
        type=type,
        time=time,
        role=directive.role,
        subject=directive.reference,
        reason=reason,
        target=directive.name,
    )


class Directives:
    """Keeps directives, with every state that they ever had."""

    def __init__(self, ports: Ports, catalogues: Catalogues) -> None:
        """Work on *ports*, with the categories of *catalogues*."""
        self._ports = ports
        self._catalogues = catalogues
        self._subjects = Subjects(ports)
        self._commands = Commands(ports)

    async def record(
        self, call: Call, who: SubjectId, wish: Wish, identity: Identity
    ) -> Committed[Directive]:
        """Record what *who* wants; it replaces the one about exactly the same.

        Raises:
            TenantNotFoundError, SubjectNotFoundError, CategoryNotFoundError: of what it names.
            InvalidArgumentError: a category is of the other role.
            SubjectErasedError: that life of the subject has ended.
            IllegalTransitionError: the person's death is recorded.
            LimitExceededError: as many stand as may.
        """

        async def decide() -> Decision[Directive]:
            subject = (await self._subjects.require(call, who)).require_active(who)
            _require_alive(subject)
            self._require_categories(subject.role, wish.categories)
            now = self._ports.clock.now()
            directive = Directive(
                id=f"{subject.tenant}/{self._ports.ids.new(subject.role)}",
                tenant=subject.tenant,
                version=1,
                role=subject.role,
                subject=subject.id,
                generation=subject.generation,
                action=wish.action,
                categories=tuple(sorted(wish.categories)),
                state=State.STANDING,
                create_time=now,
                update_time=now,
                identity=replace(identity, time=now),
                keep_until_date=wish.keep_until_date,
            )
            return await self._decided(call, subject, directive, wish, "directive.recorded")

        return await self._commands.run(call, who.tenant, Directive, decide)

    async def update(
        self, call: Call, *, tenant: str, directive: str, update: Update, identity: Identity
    ) -> Committed[Directive]:
        """Change what *update* names. What no longer fits the action goes, unless it was given.

        Raises:
            DirectiveNotFoundError, CategoryNotFoundError: of what it names.
            InvalidArgumentError: the parts don't fit each other, or a category the role.
            EtagMismatchError: the directive was changed since it was read.
            IllegalTransitionError: it was revoked or replaced, or is in effect.
            SubjectErasedError: there is no key any more to keep it under.
        """

        async def decide() -> Decision[Directive]:
            found = await self.get(call, tenant=tenant, directive=directive)
            if update.version not in (None, found.version):
                raise EtagMismatchError
            subject = await self._living(found)
            found.require_standing()
            wish = _updated(found, await self._words(found, subject), update)
            self._require_categories(found.role, wish.categories)
            now = self._ports.clock.now()
            after = found.moved(
                State.STANDING,
                now,
                action=wish.action,
                categories=tuple(sorted(wish.categories)),
                keep_until_date=wish.keep_until_date,
                identity=replace(identity, time=now),
            )
            return await self._decided(call, subject, after, wish, "directive.updated")

        return await self._commands.run(call, tenant, Directive, decide)

    async def revoke(
        self, call: Call, *, tenant: str, directive: str, identity: Identity
    ) -> Committed[Directive]:
        """Record that the person doesn't want it any more.

        Raises:
            DirectiveNotFoundError: the tenant has none with this id.
            IllegalTransitionError: it was revoked or replaced, or is in effect.
        """

        async def decide() -> Decision[Directive]:
            found = await self.get(call, tenant=tenant, directive=directive)
            found.require_standing()
            subject = await self._subject_of(found)
            now = self._ports.clock.now()
            after = replace(found.ended(State.REVOKED, now), identity=replace(identity, time=now))
            entry = directive_entry(call, self._ports, after, "directive.revoked", now)
            fence = () if is_over(found, subject) else (held_still(subject),)
            return Decision([*stored(after), *fence], (entry,), after)

        return await self._commands.run(call, tenant, Directive, decide)

    async def get(
        self,
        call: Call,
        *,
        tenant: str,
        directive: str,
        freshness: Freshness = DEFAULT_FRESHNESS,
    ) -> Directive:
        """Return *directive*, the last part of its name, as it is kept.

        Raises:
            DirectiveNotFoundError: the tenant has none with this id.
        """
        try:
            role = role_of(directive)
        except InvalidValueError:
            raise DirectiveNotFoundError from None
        found = await self._ports.reader.get(
            directives(role), tenant, f"{tenant}/{directive}", Directive, freshness=freshness
        )
        if found is None:
            raise DirectiveNotFoundError
        call.notes["tenant"], call.notes["subject"] = tenant, found.reference
        return found

    async def read(
        self, call: Call, *, tenant: str, directive: str, reason: str, freshness: Freshness
    ) -> Readable:
        """Return *directive* with its words, once the ledger tells why.

        Raises:
            DirectiveNotFoundError: the tenant has none with this id.
            InvalidArgumentError: the reason says who the person is.
        """
        found = await self.get(call, tenant=tenant, directive=directive, freshness=freshness)
        subject = await self._subject_of(found)
        await require_impersonal(self._ports.keyring, reason, subject)
        now = self._ports.clock.now()
        await self._commands.note(
            directive_entry(call, self._ports, found, "directive.read", now, reason=reason)
        )
        return await self.readable(found, subject)

    async def list(
        self,
        call: Call,
        who: SubjectId,
        *,
        states: tuple[State, ...],
        reason: str,
        after: tuple[object, str] | None,
        limit: int,
        freshness: Freshness,
    ) -> Sequence[Readable]:
        """Return one page of a subject's directives, newest first, once the ledger tells why.

        Raises:
            TenantNotFoundError, SubjectNotFoundError: of the tenant or subject.
        """
        subject = await self._subjects.require(call, who, freshness=freshness)
        query = Query(
            directives(subject.role),
            tenant=subject.tenant,
            equals={"subject": subject.id, **({"state": states} if states else {})},
            order="-create_time",
            after=after,
            limit=limit,
        )
        found = await self._ports.reader.find(query, Directive)
        entry = new_entry(
            call,
            self._ports.ids,
            tenant=subject.tenant,
            type="directive.listed",
            time=self._ports.clock.now(),
            role=subject.role,
            subject=subject.reference,
            reason=reason,
        )
        await self._commands.note(entry)
        return [await self.readable(each, subject) for each in found]

    async def standing(self, subject: Subject) -> tuple[Directive, ...]:
        """Return the directives of this life of *subject* that stand."""
        query = Query(
            directives(subject.role),
            tenant=subject.tenant,
            equals={
                "subject": subject.id,
                "generation": subject.generation,
                "state": State.STANDING,
            },
            limit=MAX_STANDING + 1,
        )
        return tuple(await self._ports.reader.find(query, Directive))

    async def readable(self, directive: Directive, subject: Subject) -> Readable:
        """Return *directive* with its words; those of a life that has ended are gone."""
        if is_over(directive, subject):
            return Readable(directive)
        return Readable(directive, await self._words(directive, subject))

    async def versions(self, directive: Directive) -> Sequence[Directive]:
        """Return every state that *directive* ever had, oldest first."""
        query = Query(
            history(directive.role),
            tenant=directive.tenant,
            equals={"subject": directive.subject},
            limit=MAX_STANDING,
        )
        prefix = f"{directive.id}/"
        return [
            each
            async for each in self._ports.reader.scan(query, Directive)
            if each.id.startswith(prefix)
        ]

    async def _decided(
        self, call: Call, subject: Subject, directive: Directive, wish: Wish, type: str
    ) -> Decision[Directive]:
        """Keep *directive* with the words of *wish*, and end the one about exactly the same."""
        now, words = directive.update_time, wish.words
        directive = replace(
            directive,
            sealed_designated_person=await self._sealed(
                subject, directive, "designated-person", words.designated_person
            ),
            sealed_beneficiary=await self._sealed(
                subject, directive, "beneficiary", words.beneficiary
            ),
        )
        entry = directive_entry(call, self._ports, directive, type, now)
        entry = await committing(self._ports.keyring, entry, words, directive, subject=subject)
        others = [each for each in await self.standing(subject) if each.id != directive.id]
        before = [
            each.ended(State.REPLACED, now)
            for each in others
            if each.categories == directive.categories
        ]
        if len(others) - len(before) >= MAX_STANDING:
            raise LimitExceededError(what="directives of a subject", limit=MAX_STANDING)
        replaced = [
            directive_entry(call, self._ports, each, "directive.replaced", now) for each in before
        ]
        return Decision(
            writes=[
                *stored(directive),
                *(write for each in before for write in stored(each)),
                held_still(subject),
            ],
            entries=(entry, *replaced),
            outcome=directive,
        )

    def _require_categories(self, role: Role, categories: Sequence[str]) -> None:
        catalogue = self._catalogues.current
        rule = "must be a category of the subject's role"
        found = tuple(
            Violation(f"directive.categories[{index}]", rule)
            for index, id in enumerate(categories)
            if catalogue.category(id).role is not role
        )
        if found:
            raise InvalidArgumentError(found)

    async def _subject_of(self, directive: Directive) -> Subject:
        found = await self._ports.reader.get(
            subjects(directive.role), directive.tenant, directive.subject, Subject
        )
        assert found is not None, "a tombstone stays"  # noqa: S101 – narrows a type
        return found

    async def _living(self, directive: Directive) -> Subject:
        subject = await self._subject_of(directive)
        if is_over(directive, subject):
            raise SubjectErasedError(generation=subject.generation)
        return subject

    async def _sealed(
        self, subject: Subject, directive: Directive, words: str, text: str
    ) -> bytes | None:
        if not text:
            return None
        context = sealing_context(directive, words)
        return await self._ports.keyring.seal(subject, text.encode(), context)

    async def _words(self, directive: Directive, subject: Subject) -> Words:
        async def unsealed(sealed: bytes | None, words: str) -> str:
            if sealed is None:
                return ""
            context = sealing_context(directive, words)
            return (await self._ports.keyring.unseal(subject, sealed, context)).decode()

        return Words(
            await unsealed(directive.sealed_designated_person, "designated-person"),
            await unsealed(directive.sealed_beneficiary, "beneficiary"),
        )


def _require_alive(subject: Subject) -> None:
    if subject.death is not None:
        raise IllegalTransitionError(state="death_recorded")


def _updated(found: Directive, words: Words, update: Update) -> Wish:
    """Return what is wanted after *update*."""
    action = found.action if update.action is None else update.action
    beneficiary = words.beneficiary if action is Action.COMMUNICATE else ""
    until = found.keep_until_date if action is Action.KEEP else ""
    designated = words.designated_person
    return Wish(
        action=action,
        categories=found.categories if update.categories is None else update.categories,
        keep_until_date=until if update.keep_until_date is None else update.keep_until_date,
        words=Words(
            designated if update.designated_person is None else update.designated_person,
            beneficiary if update.beneficiary is None else update.beneficiary,
        ),
    )
