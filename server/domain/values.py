"""The values that every decision is made of; an invalid one can't be built.

Each function takes what a caller sent and returns the value, or raises
`InvalidValueError` with the rule that was broken – never with the value itself,
which may be personal data.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MAX_SUBJECT_ID_BYTES = 256
MAX_TEXT_CHARACTERS = 10_000

CLOCK_SKEW = timedelta(seconds=60)
"""How far a caller's clock may be ahead of ours."""

_STEP = timedelta(milliseconds=1)

_RESOURCE_ID = re.compile(r"[a-z][a-z0-9_-]{0,61}[a-z0-9]|[a-z]")
_VISITOR_ID = re.compile(r"[A-Za-z0-9._-]{16,64}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Looked for from its @ on, so that the time is linear in the text, whatever somebody sends.
_EMAIL = re.compile(r"(?<=[^\s@])@[^\s@]+\.[^\s@]")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class InvalidValueError(ValueError):
    """A value breaks its *rule*; the message is the rule and never the value."""


class Role(StrEnum):
    """What we are towards a data subject (GDPR Art. 4(7), 4(8))."""

    CONTROLLER = "controller"
    PROCESSOR = "processor"


_VISITOR = "visitor "


@dataclass(frozen=True, slots=True)
class SubjectId:
    """A data subject as callers know it: role, tenant and the tenant's own id for the person.

    `generation` 0 means "whichever is current"; a positive one ties a write to the
    life of the subject it was made for, so that a late one is refused after erasure.
    `is_visitor`: the id is that of a browser; an account with an equal one is somebody else.
    """

    role: Role
    tenant: str
    value: str
    generation: int = 0
    is_visitor: bool = False

    @property
    def known_as(self) -> str:
        """What nobody else of the tenant and role is known as: an account's id has no space."""
        return f"{_VISITOR}{self.value}" if self.is_visitor else self.value

    @classmethod
    def known(cls, role: Role, tenant: str, known_as: str, *, generation: int = 0) -> SubjectId:
        """Return the person whose `known_as` is *known_as*."""
        is_visitor = known_as.startswith(_VISITOR)
        return cls(role, tenant, known_as.removeprefix(_VISITOR), generation, is_visitor)

    def __repr__(self) -> str:
        """Keep the id itself, which is personal data, out of logs and tracebacks."""
        return f"SubjectId({self.role.value}, {self.tenant}, …)"


def resource_id(text: str) -> str:
    """Return *text* as the id of a tenant, purpose, category or other resource (AIP-122)."""
    if not text:
        raise InvalidValueError("must not be empty")
    if not _RESOURCE_ID.fullmatch(text):
        raise InvalidValueError(
            "must be 1-63 characters of a-z, 0-9, '_' and '-', start with a letter "
            "and end with a letter or digit"
        )
    return text


def subject_value(text: str) -> str:
    """Return *text* as the tenant's own id of a person: 1–256 bytes, nothing unprintable."""
    if not text:
        raise InvalidValueError("must not be empty")
    if len(text.encode()) > MAX_SUBJECT_ID_BYTES:
        raise InvalidValueError(f"must not be longer than {MAX_SUBJECT_ID_BYTES} bytes")
    if any(unicodedata.category(character).startswith(("C", "Z")) for character in text):
        raise InvalidValueError("must not have spaces, control or unassigned characters")
    return text


def visitor_value(text: str) -> str:
    """Return *text* as the random id that a site made for a visitor's browser."""
    if not text:
        raise InvalidValueError("must not be empty")
    if not _VISITOR_ID.fullmatch(text):
        raise InvalidValueError("must be 16-64 characters of A-Z, a-z, 0-9, '.', '_' and '-'")
    return text


def request_id(text: str) -> str:
    """Return *text* as the id that makes a call idempotent (AIP-155)."""
    if not text:
        raise InvalidValueError("must not be empty")
    if not _REQUEST_ID.fullmatch(text):
        raise InvalidValueError("must be 1-64 characters of A-Z, a-z, 0-9, '.', '_' and '-'")
    return text


def sentence(text: str, *, most: int = MAX_TEXT_CHARACTERS) -> str:
    """Return *text* as prose that a person wrote: not blank, at most *most* characters."""
    if not text.strip():
        raise InvalidValueError("must not be empty")
    return optional_sentence(text, most=most)


def optional_sentence(text: str, *, most: int = MAX_TEXT_CHARACTERS) -> str:
    """Return *text* as prose that may be empty: at most *most* characters, no control ones."""
    if len(text) > most:
        raise InvalidValueError(f"must not be longer than {most} characters")
    if any(
        unicodedata.category(character) == "Cc" and character not in "\n\t" for character in text
    ):
        raise InvalidValueError("must not have control characters")
    return text


def names_an_address(text: str) -> bool:
    """Tell whether *text* has an e-mail address in it: the plainest way to name somebody."""
    return _EMAIL.search(text) is not None


def impersonal(text: str) -> str:
    """Return *text*, which is kept in clear and shown to many, if it has no address in it.

    What else names somebody is kept out by whoever writes it.
    """
    if names_an_address(text):
        raise InvalidValueError("must not have an e-mail address in it")
    return text


def locale(text: str) -> str:
    """Return *text* as a language tag: language, optional script, optional region (BCP 47)."""
    if not _LOCALE.fullmatch(text):
        raise InvalidValueError("must be a BCP 47 language tag such as 'en' or 'fr-FR'")
    return text


def calendar_date(text: str) -> str:
    """Return *text* as an RFC 3339 full-date."""
    if not _DATE.fullmatch(text):
        raise InvalidValueError("must be a date such as 2026-03-31 (RFC 3339 full-date)")
    try:
        date.fromisoformat(text)
    except ValueError:
        raise InvalidValueError("must be a date that exists") from None
    return text


def time_zone(text: str) -> str:
    """Return *text* as the name of a zone of the IANA time zone database."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValueError("must be an IANA time zone such as 'Europe/Paris'") from None
    return text


def sha256_digest(text: str) -> str:
    """Return *text* as a SHA-256 digest: 64 lower-case hexadecimal digits."""
    if not _DIGEST.fullmatch(text):
        raise InvalidValueError("must be a SHA-256 digest of 64 lower-case hexadecimal digits")
    return text


def past_time(time: datetime, *, now: datetime, skew: timedelta) -> datetime:
    """Return *time* truncated to BSON's milliseconds, if it isn't later than *now* plus *skew*."""
    if time > now + skew:
        raise InvalidValueError(
            f"must not be more than {int(skew.total_seconds())} s in the future"
        )
    return milliseconds(time)


def milliseconds(time: datetime) -> datetime:
    """Truncate *time* to milliseconds, the precision that BSON keeps."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def just_before(time: datetime) -> datetime:
    """Return the last time before *time* that BSON keeps; the first of all times stays itself."""
    first = datetime.min.replace(tzinfo=UTC)
    return max(milliseconds(time), first + _STEP) - _STEP
