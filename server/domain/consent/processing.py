"""May this person's data be processed? One verdict, out of all that stands in the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from server.domain.catalogue.catalogue import LegalBasis
from server.domain.consent.standing import objection_to
from server.domain.errors import ProcessingNotAllowedError
from server.domain.subject import Choice

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from server.domain.catalogue.catalogue import Catalogue, Purpose
    from server.domain.subject import ConsentState, Subject
    from server.domain.values import Role


class VerdictReason(StrEnum):
    """Why a verdict is what it is; the names are the contract's."""

    CONSENT_GRANTED = "CONSENT_GRANTED"
    OTHER_LEGAL_BASIS = "OTHER_LEGAL_BASIS"
    CONSENT_MISSING = "CONSENT_MISSING"
    CONSENT_REFUSED = "CONSENT_REFUSED"
    CONSENT_WITHDRAWN = "CONSENT_WITHDRAWN"
    CONSENT_EXPIRED = "CONSENT_EXPIRED"
    CONSENT_RENEWAL_NEEDED = "CONSENT_RENEWAL_NEEDED"
    CONSENT_NOT_EXPLICIT = "CONSENT_NOT_EXPLICIT"
    OBJECTION = "OBJECTION"
    RESTRICTION = "RESTRICTION"
    INSTRUCTION_MISSING = "INSTRUCTION_MISSING"
    SUBJECT_ERASED = "SUBJECT_ERASED"
    SUBJECT_UNKNOWN = "SUBJECT_UNKNOWN"
    PURPOSE_RETIRED = "PURPOSE_RETIRED"
    PURPOSE_ROLE_MISMATCH = "PURPOSE_ROLE_MISMATCH"
    HISTORY_MISSING = "HISTORY_MISSING"
    CATEGORY_NOT_IN_PURPOSE = "CATEGORY_NOT_IN_PURPOSE"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to "may I process this?".

    `deciding_entry` is the id of the ledger entry that decides, or else of the subject's newest;
    "" if there is none.
    `expire_time` is when the verdict changes by itself, or may, if that is known.
    """

    allowed: bool
    reasons: tuple[VerdictReason, ...]
    deciding_entry: str
    legal_basis: LegalBasis
    purpose_version: int
    verdict_time: datetime
    expire_time: datetime | None = None

    def require_allowed(self) -> None:
        """Do nothing if the processing is allowed.

        Raises:
            ProcessingNotAllowedError: it isn't; the error lists the reasons.
        """
        if not self.allowed:
            raise ProcessingNotAllowedError(reasons=",".join(self.reasons))


def judge(
    purpose: Purpose,
    catalogue: Catalogue,
    subject: Subject | None,
    role: Role,
    now: datetime,
    *,
    instructed: Collection[str],
    categories: Collection[str] = (),
) -> Verdict:
    """Judge whether data of *subject* (None: unknown) may be processed for *purpose* at *now*.

    *instructed* are the categories whose collection isn't left to an instruction of the tenant, or
    was instructed. A purpose may have others besides, whose data isn't to be used; if it has only
    such, there is nothing that may be processed (S6, Art. 28(3)(a)).

    *categories* are those that are asked about: each must be the purpose's, and instructed. None:
    all that the purpose has.
    """
    asked = set(categories or purpose.categories)
    against = (
        *_against(purpose, catalogue, subject, role, now, asked=asked),
        *_data_against(purpose, set(categories), set(instructed)),
    )
    consent = subject.consents.get(purpose.id) if subject else None
    rests_on_consent = purpose.legal_basis is LegalBasis.CONSENT
    in_favour = (
        VerdictReason.CONSENT_GRANTED if rests_on_consent else VerdictReason.OTHER_LEGAL_BASIS
    )
    return Verdict(
        allowed=not against,
        reasons=against or (in_favour,),
        deciding_entry=_deciding_entry(purpose, subject, consent if rests_on_consent else None),
        legal_basis=purpose.legal_basis,
        purpose_version=purpose.version,
        verdict_time=now,
        expire_time=None if against else _ends(purpose, consent if rests_on_consent else None, now),
    )


def _ends(purpose: Purpose, consent: ConsentState | None, now: datetime) -> datetime | None:
    """Return when what is allowed at *now* ends by itself, as far as the catalogue tells."""
    times = [purpose.retire_time]
    if consent is not None:
        times += [consent.expire_time, purpose.renewal_time]
    return min((time for time in times if time is not None and time > now), default=None)


def ending(verdict: Verdict, time: datetime | None) -> Verdict:
    """Return *verdict*, which isn't known to hold any more from *time* on; None: no such time.

    Also a "no": what is scheduled may well be what allows it.
    """
    if time is None or (verdict.expire_time is not None and verdict.expire_time <= time):
        return verdict
    return replace(verdict, expire_time=time)


def undetermined(verdict: Verdict) -> Verdict:
    """Return *verdict* on a past moment of which too little is known to say "allowed"."""
    against = () if verdict.allowed else verdict.reasons
    return replace(
        verdict,
        allowed=False,
        reasons=(*against, VerdictReason.HISTORY_MISSING),
        expire_time=None,
    )


def _deciding_entry(purpose: Purpose, subject: Subject | None, consent: ConsentState | None) -> str:
    if subject is None:
        return ""
    stands = subject.restriction or objection_to(purpose, subject.objections)
    if stands:
        return stands
    return consent.entry if consent is not None else subject.entry


def _against(
    purpose: Purpose,
    catalogue: Catalogue,
    subject: Subject | None,
    role: Role,
    now: datetime,
    *,
    asked: Collection[str],
) -> Iterator[VerdictReason]:
    if purpose.role is not role:
        yield VerdictReason.PURPOSE_ROLE_MISMATCH
    if purpose.is_retired(now):
        yield VerdictReason.PURPOSE_RETIRED
    if subject is not None and subject.is_erased:
        yield VerdictReason.SUBJECT_ERASED
        return
    if subject is not None and subject.restriction:
        yield VerdictReason.RESTRICTION
    if subject is not None and objection_to(purpose, subject.objections) is not None:
        yield VerdictReason.OBJECTION
    if purpose.legal_basis is LegalBasis.CONSENT:
        if subject is None:
            yield VerdictReason.SUBJECT_UNKNOWN
        yield from _consent_against(purpose, catalogue, subject, now, asked)


def _data_against(
    purpose: Purpose, categories: set[str], instructed: set[str]
) -> Iterator[VerdictReason]:
    needed = set(purpose.categories)
    if not categories <= needed:
        yield VerdictReason.CATEGORY_NOT_IN_PURPOSE
    wanted = categories & needed
    # Of what is asked about by name all must be instructed; else, whatever is may be used.
    if not wanted <= instructed if categories else needed and not needed & instructed:
        yield VerdictReason.INSTRUCTION_MISSING


def _consent_against(
    purpose: Purpose,
    catalogue: Catalogue,
    subject: Subject | None,
    now: datetime,
    asked: Collection[str],
) -> Iterator[VerdictReason]:
    consent = subject.consents.get(purpose.id) if subject else None
    if consent is None:
        yield VerdictReason.CONSENT_MISSING
    elif consent.choice is Choice.REFUSED:
        yield VerdictReason.CONSENT_REFUSED
    elif consent.choice is Choice.WITHDRAWN:
        yield VerdictReason.CONSENT_WITHDRAWN
    elif is_expired(consent, now):
        yield VerdictReason.CONSENT_EXPIRED
    elif needs_renewal(consent, purpose, now):
        yield VerdictReason.CONSENT_RENEWAL_NEEDED
    elif not consent.explicit and _needs_explicit(asked, catalogue):
        yield VerdictReason.CONSENT_NOT_EXPLICIT


def is_expired(consent: ConsentState, now: datetime) -> bool:
    """Whether *consent* was given for a time that is over."""
    return consent.expire_time is not None and consent.expire_time <= now


def needs_renewal(consent: ConsentState, purpose: Purpose, now: datetime) -> bool:
    """Whether the text of *purpose* has materially changed since *consent* was given."""
    return purpose.needs_renewal(consent.time, consent.purpose_version, now)


def _needs_explicit(asked: Collection[str], catalogue: Catalogue) -> bool:
    # Art. 9(2)(a): special-category data needs an explicit statement.
    return any(
        category.special_category
        for id in asked
        if (category := catalogue.categories.get(id)) is not None
    )
