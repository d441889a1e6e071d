"""Disclosures: which personal data was given to whom, and what made that lawful (S9)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from server.domain.change import Insert, Kind, Table
from server.domain.commands import Commands, Decision
from server.domain.consent.history import past_consents
from server.domain.consent.processing import judge
from server.domain.disclosure.recipients import require_not_commercial
from server.domain.errors import (
    CategoryNotInPurposeError,
    DisclosureNotFoundError,
    InstructionMissingError,
    InvalidArgumentError,
    LegalGroundMissingError,
    PurposeRetiredError,
    PurposeRoleMismatchError,
    RecipientNotVettedError,
    Violation,
)
from server.domain.identifiers import role_of
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.ports import Query
from server.domain.reasons import require_impersonal
from server.domain.subject import Subject
from server.domain.subjects import Subjects, saved, subjects
from server.domain.values import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from server.domain.call import Call
    from server.domain.catalogue.catalogue import Catalogue
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.catalogue.instructions import Instructions
    from server.domain.change import Committed
    from server.domain.disclosure.recipients import Recipient, Recipients
    from server.domain.ports import Ports
    from server.domain.values import Role, SubjectId


@dataclass(frozen=True, slots=True)
class LegalDemand:
    """What an authority's demand rests on; its words may be about the person, or name a colleague.

    What is given is what `scope` says, and no more (S9).
    """

    legal_ground: str = field(repr=False)
    scope: str = field(repr=False)
    approver: str = field(repr=False)

    @property
    def is_complete(self) -> bool:
        """Whether ground, scope and approver are all there."""
        return all(text.strip() for text in (self.legal_ground, self.scope, self.approver))


@dataclass(frozen=True, slots=True)
class NewDisclosure:
    """What a caller gives, or has given, to a recipient; `disclosure_time` None: now."""

    who: SubjectId
    recipient: str
    purpose: str
    categories: tuple[str, ...]
    disclosure_time: datetime | None = None
    legal_demand: LegalDemand | None = None


@dataclass(frozen=True, slots=True)
class Disclosure:
    """That data of a subject was given to a recipient; kept as long as the subject's life.

    Shapes:
        id: `tenant/id`; the id's letter tells the role.
        subject: `tenant/reference`.
        recipient, purpose, categories: ids of a recipient and of the catalogue's things; the
            purpose may be "" if the recipient is an authority.
        sealed_demand: a `LegalDemand` as JSON, under the subject's key; authorities only.
    """

    id: str
    tenant: str
    subject: str
    generation: int
    recipient: str
    purpose: str
    categories: tuple[str, ...]
    disclosure_time: datetime
    record_time: datetime
    sealed_demand: bytes | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A disclosure as the subject is shown it."""

    disclosure: Disclosure
    legal_demand: LegalDemand | None


@dataclass(frozen=True, slots=True)
class Listed:
    """Disclosures that were shown, and the id of the ledger entry that says so."""

    shown: Sequence[Shown]
    entry: str


@dataclass(frozen=True, slots=True)
class DisclosureRecorded:
    """What the caller of `record` is told, now and at a repeat."""

    disclosure: str


def disclosures(role: Role) -> Table:
    """Return the table of what was disclosed about the subjects of *role*."""
    return Table(Kind.DISCLOSURES, role)


def require_lawful(
    new: NewDisclosure, recipient: Recipient, catalogue: Catalogue, at: datetime
) -> None:
    """Do nothing if *new* may be given to *recipient* at *at*.

    Raises:
        InvalidArgumentError: it lacks what such a recipient needs, or mixes the regimes (S1).
        RecipientNotVettedError: the recipient wasn't vetted, or not for this purpose.
        LegalGroundMissingError: an authority's demand is not complete.
        PurposeNotFoundError, CategoryNotFoundError: the catalogue lacks what it names.
        CommercialDisclosureError, PurposeRoleMismatchError, PurposeRetiredError,
            CategoryNotInPurposeError: the purpose doesn't allow it.
    """
    recipient.require_vetted(at)
    if recipient.is_authority:
        if new.legal_demand is None or not new.legal_demand.is_complete:
            raise LegalGroundMissingError(recipient=recipient.id)
    elif found := tuple(_unlike_a_partner(new)):
        raise InvalidArgumentError(found)
    if new.purpose:
        _require_purpose(new, recipient, catalogue, at)
    _require_role(new, catalogue)


def _unlike_a_partner(new: NewDisclosure) -> Iterator[Violation]:
    if not new.purpose:
        yield Violation("purpose", "must be given unless the recipient is an authority")
    if new.legal_demand is not None:
        yield Violation("legal_demand", "must be given for an authority only")


def _require_purpose(
    new: NewDisclosure, recipient: Recipient, catalogue: Catalogue, at: datetime
) -> None:
    purpose = catalogue.purpose(new.purpose)
    require_not_commercial(purpose)
    if purpose.role is not new.who.role:
        raise PurposeRoleMismatchError(purpose=purpose.id)
    if purpose.is_retired(at):
        raise PurposeRetiredError(purpose=purpose.id)
    if not recipient.is_authority and purpose.id not in recipient.purposes:
        # What was looked at when it was vetted is what it may do, and nothing besides.
        raise RecipientNotVettedError(recipient=recipient.id, purpose=purpose.id)
    for category in new.categories:
        if catalogue.category(category).id not in purpose.categories:
            raise CategoryNotInPurposeError(purpose=purpose.id, category=category)


def _require_role(new: NewDisclosure, catalogue: Catalogue) -> None:
    rule = "must be a category of the subject's role"
    found = tuple(
        Violation(f"categories[{index}]", rule)
        for index, id in enumerate(new.categories)
        if catalogue.category(id).role is not new.who.role
    )
    if found:
        raise InvalidArgumentError(found)


class Disclosures:
    """Records what is given to whom, and shows it."""

    def __init__(
        self,
        ports: Ports,
        catalogues: Catalogues,
        recipients: Recipients,
        instructions: Instructions,
    ) -> None:
        """Work on *ports*, with what the others know."""
        self._ports = ports
        self._catalogues = catalogues
        self._instructions = instructions
        self._recipients = recipients
        self._subjects = Subjects(ports)
        self._commands = Commands(ports)

    async def record(self, call: Call, new: NewDisclosure) -> Committed[DisclosureRecorded]:
        """Record that *new* is given.

        What makes it lawful is judged at the time of the disclosure: what was lawful then is
        recorded also when the safeguard has expired, or the consent was withdrawn, since.
        Restriction and objection are taken as they stand, since nothing tells yet since when.

        Raises:
            TenantNotFoundError, SubjectNotFoundError, RecipientNotFoundError: of what it names.
            SubjectErasedError: the subject was erased, or that life of it has ended.
            DomainError: what `require_lawful` refuses.
            InstructionMissingError: the tenant had not instructed to collect a category.
            ProcessingNotAllowedError: the verdict on the purpose was "no". Authorities aren't
                given data for a purpose of ours: what binds them is the law's demand.
        """

        async def decide() -> Decision[DisclosureRecorded]:
            now = self._ports.clock.now()
            at = new.disclosure_time or now
            subject = (await self._subjects.require(call, new.who)).require_active(new.who)
            recipient = await self._recipients.get(new.recipient)
            catalogue = await self._catalogue(new)
            require_lawful(new, recipient, catalogue, at)
            if not recipient.is_authority:
                await self._require_allowed(new, catalogue, subject, at)
            disclosure = await self._disclosure(new, subject, at=at, now=now)
            entry = new_entry(
                call,
                self._ports.ids,
                tenant=subject.tenant,
                type="disclosure.recorded",
                time=now,
                role=subject.role,
                subject=subject.reference,
                purpose=new.purpose,
                target=name(disclosure),
            )
            keyring = self._ports.keyring
            entry = await committing(keyring, entry, disclosure, new, subject=subject)
            return Decision(
                writes=(
                    # Nothing else of the subject changes; but an erasure meanwhile is noticed.
                    saved(replace(subject, version=subject.version + 1)),
                    Insert(disclosures(subject.role), disclosure),
                ),
                entries=(entry,),
                outcome=DisclosureRecorded(disclosure.id),
            )

        return await self._commands.run(call, new.who.tenant, DisclosureRecorded, decide)

    async def list(
        self,
        call: Call,
        who: SubjectId,
        *,
        reason: str,
        after: tuple[object, str] | None,
        limit: int,
    ) -> Listed:
        """Return one page of the disclosures of the subject's present life, newest first.

        Raises:
            TenantNotFoundError, SubjectNotFoundError: of the tenant or subject.
        """
        subject = await self._subjects.require(call, who)
        found = await self._ports.reader.find(_query(subject, after, limit), Disclosure)
        entry = await self._note(call, "disclosure.listed", subject, reason=reason)
        return Listed([await self.shown(subject, disclosure) for disclosure in found], entry)

    async def read(self, call: Call, *, tenant: str, disclosure: str, reason: str) -> Listed:
        """Return *disclosure* (the last part of its name), once the ledger says that it was read.

        Raises:
            DisclosureNotFoundError: the tenant has none with this id.
            InvalidArgumentError: the reason says who the person is.
        """
        try:
            role = role_of(disclosure)
        except InvalidValueError:
            raise DisclosureNotFoundError from None
        found = await self._ports.reader.get(
            disclosures(role), tenant, f"{tenant}/{disclosure}", Disclosure
        )
        if found is None:
            raise DisclosureNotFoundError
        subject = await self._ports.reader.get(subjects(role), tenant, found.subject, Subject)
        assert subject is not None, "a tombstone stays"  # noqa: S101 – narrows a type
        call.notes["tenant"] = tenant
        await require_impersonal(self._ports.keyring, reason, subject)
        entry = await self._note(
            call, "disclosure.read", subject, reason=reason, target=name(found)
        )
        return Listed([await self.shown(subject, found)], entry)

    async def _note(
        self, call: Call, type: str, subject: Subject, *, reason: str, target: str = ""
    ) -> str:
        """Make the ledger say that disclosures of *subject* are shown; return the entry's name."""
        entry = new_entry(
            call,
            self._ports.ids,
            tenant=subject.tenant,
            type=type,
            time=self._ports.clock.now(),
            role=subject.role,
            subject=subject.reference,
            reason=reason,
            target=target,
        )
        await self._commands.note(entry)
        return entry.id

    async def _require_allowed(
        self, new: NewDisclosure, catalogue: Catalogue, subject: Subject, at: datetime
    ) -> None:
        """Do nothing if the subject's data could be processed for the purpose at *at*."""
        asked = [catalogue.category(id) for id in new.categories]
        instructed = await self._instructions.stood(subject.tenant, asked, at)
        for category in asked:
            if category.id not in instructed:
                raise InstructionMissingError(category=category.id)
        if new.disclosure_time is not None:
            past = await past_consents(
                self._ports.reader, subject, lambda decision: decision.decision_time <= at
            )
            subject = replace(subject, consents={id: each.state for id, each in past.items()})
        purpose = catalogue.purpose(new.purpose)
        judge(
            purpose, catalogue, subject, subject.role, at, instructed=instructed
        ).require_allowed()

    async def _catalogue(self, new: NewDisclosure) -> Catalogue:
        """Return the catalogue in force: the newest, if the one in memory lacks what is named."""
        known = self._catalogues.current
        missing = not known.categories.keys() >= set(new.categories)
        if missing or (new.purpose and new.purpose not in known.purposes):
            await self._catalogues.refresh()
        return self._catalogues.current

    async def _disclosure(
        self, new: NewDisclosure, subject: Subject, *, at: datetime, now: datetime
    ) -> Disclosure:
        disclosure = Disclosure(
            id=f"{subject.tenant}/{self._ports.ids.new(subject.role)}",
            tenant=subject.tenant,
            subject=subject.id,
            generation=subject.generation,
            recipient=new.recipient,
            purpose=new.purpose,
            categories=new.categories,
            disclosure_time=at,
            record_time=now,
        )
        if new.legal_demand is None:
            return disclosure
        content = json.dumps(asdict(new.legal_demand)).encode()
        sealed = await self._ports.keyring.seal(subject, content, _context(disclosure))
        return replace(disclosure, sealed_demand=sealed)

    async def shown(self, subject: Subject, disclosure: Disclosure) -> Shown:
        """Return *disclosure* as *subject* is shown it; the ledger is the caller's to tell."""
        # The words of an ended life went with its key.
        is_gone = subject.is_erased or disclosure.generation != subject.generation
        if disclosure.sealed_demand is None or is_gone:
            return Shown(disclosure, None)
        content = await self._ports.keyring.unseal(
            subject, disclosure.sealed_demand, _context(disclosure)
        )
        return Shown(disclosure, LegalDemand(**json.loads(content)))


def name(disclosure: Disclosure) -> str:
    """Return the resource name of *disclosure*."""
    tenant, id = disclosure.id.split("/", 1)
    return f"tenants/{tenant}/disclosures/{id}"


def _query(subject: Subject, after: tuple[object, str] | None, limit: int) -> Query:
    return Query(
        disclosures(subject.role),
        tenant=subject.tenant,
        equals={"subject": subject.id, "generation": subject.generation},
        order="-id",
        after=after,
        limit=limit,
    )


def _context(disclosure: Disclosure) -> str:
    return f"disclosure/{disclosure.id}"
