"""Commitments: what an entry says about content that it must not hold (Art. 5(2), 17, 25).

A commitment is the SHA-256 of a salt followed by the content as canonical JSON. Who is given
both can check it; without the salt nobody can learn the content from it, not even by trying
every likely one. The salt is nowhere stored. It is derived from the entry and from the key
that the content is kept under, and so it goes with that key: of the person, if the entry is
about one; else of the tenant; of the platform's own entries, from a key of the key service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, cast

from server.domain.ledger.canonical import canonical

if TYPE_CHECKING:
    from server.domain.ledger.entry import Entry
    from server.domain.ports import Keyring
    from server.domain.subject import Subject

SALT_BYTES = 32

_DECISION = (
    "purpose",
    "purpose_version",
    "choice",
    "decision_time",
    "policy_version",
    "text_digest",
    "locale",
    "expire_time",
    "method",
    "explicit",
    "parental_authority",
    "evidence_digest",
)
_DIRECTIVE = ("action", "categories", "keep_until_date", "designated_person", "beneficiary")
_ACT = ("kind", "time", "purposes", "direct_marketing", "ground", "until")
_MESSAGE = ("side", "author", "text")
_RECORD = ("key", "purpose_version", "source", "expire_time", "fields")
_REVIEW = ("reviewer", "approved", "note", "evidence_digest")

CONTENTS: Mapping[str, tuple[str, ...]] = {
    "breach.closed": ("lessons",),
    "breach.measure_logged": ("measure",),
    "breach.notice_acknowledged": ("acknowledged_by",),
    "breach.notice_created": ("facts", "affected_count", "categories"),
    "breach.reported": ("facts", "scope"),
    "breach.risk_assessed": ("level", "reasoning"),
    "catalogue.change_approved": _REVIEW,
    "catalogue.change_proposed": ("proposal", "proposer", "reason"),
    "catalogue.change_rejected": _REVIEW,
    "chatbot.created": ("display_name",),
    "chatbot.used": ("last_interaction_date",),
    "consent.granted": _DECISION,
    "consent.refused": _DECISION,
    "consent.signal_recorded": _ACT,
    "consent.withdrawn": _DECISION,
    "contact.set": ("display_name", "address"),
    "directive.recorded": _DIRECTIVE,
    "directive.updated": _DIRECTIVE,
    "disclosure.recorded": ("recipient", "categories", "disclosure_time", "legal_demand"),
    "inquiry.answered": _MESSAGE,
    "inquiry.continued": _MESSAGE,
    "inquiry.opened": ("about", "title", *_MESSAGE),
    "instruction.recorded": ("category", "text", "instructed_by", "evidence_digest"),
    "interaction.recorded": ("first_date", "last_date"),
    "recipient.created": (
        "display_name",
        "kind",
        "country",
        "purposes",
        "contract",
        "safeguard",
        "safeguard_expire_time",
        "vetting_digest",
        "vetting_time",
    ),
    "record.deleted": ("key",),
    "record.put": _RECORD,
    "record.updated": _RECORD,
    "retention.sweep_planned": ("rule", "rule_version", "months", "plan_hash", "due"),
    "rights.objection_recorded": _ACT,
    "rights.objection_withdrawn": _ACT,
    "rights.request_authorised": ("authorised_by", "instruction"),
    "rights.request_created": (
        "right",
        "receive_time",
        "statement",
        "purposes",
        "direct_marketing",
        "restriction_ground",
        "lift_time",
    ),
    "rights.request_refused": ("ground", "explanation"),
    "subject.death_recorded": ("evidence", "evidence_digest", "capacity", "requester_digest"),
    "rights.restriction_lifted": _ACT,
    "rights.restriction_recorded": _ACT,
    "rights.subject_notified": ("kind", "channel", "notice_time", "evidence_digest"),
    "tenant.created": ("display_name", "time_zone"),
}
"""Type of entry → the members of the content that it commits to.

A member that is null, false, 0 or empty is left out. What the entry itself says – the
purpose, the target – isn't said again. About a life that has ended nothing is committed to.
"""

NOTHING: Mapping[str, frozenset[str]] = {
    "the entry says all: a step that was taken": frozenset(
        {
            "catalogue.change_applied",
            "catalogue.change_scheduled",
            "catalogue.change_withdrawn",
            "chatbot.deleted",
            "consent.visitor_linked",
            "contact.deleted",
            "directive.activated",
            "directive.carried_out",
            "directive.replaced",
            "directive.revoked",
            "inquiry.closed",
            "instruction.data_erased",
            "instruction.revoked",
            "retention.destruction_failed",
            "retention.slice_discarded",
            "retention.slice_executed",
            "retention.slice_planned",
            "retention.sweep_ended",
            "retention.sweep_started",
            "rights.export_stored",
            "rights.exports_expired",
            "rights.identity_attested",
            "rights.records_erased",
            "rights.request_completed",
            "rights.request_superseded",
            "rights.request_withdrawn",
            "subject.registered",
            "unanswered_messages.deleted",
            "unanswered_messages.expired",
            "unanswered_messages.released",
        }
    ),
    "a reading: what was read is not kept a second time": frozenset(
        {
            "breach.notice_read",
            "catalogue.activities_exported",
            "contact.listed",
            "contact.read",
            "directive.listed",
            "directive.read",
            "disclosure.listed",
            "disclosure.read",
            "inquiry.listed",
            "inquiry.read",
            "instruction.listed",
            "instruction.read",
            "ledger.commitment_opened",
            "record.read",
            "rights.export_downloaded",
            "rights.request_read",
        }
    ),
    "the key that it would be salted under is gone": frozenset(
        {"subject.erased", "subject.purged"}
    ),
    "how the ledger is delivered, not what is in it": frozenset(
        {"subscription.created", "subscription.deleted", "subscription.updated"}
    ),
}
"""Why an entry commits to nothing → the types."""


def content_of(type: str, *sources: object) -> bytes:
    """Return what an entry of *type* commits to, as canonical JSON.

    Each member is taken from the first of *sources* that has it: by name from a mapping, as an
    attribute from anything else.

    Raises:
        KeyError, AttributeError: the type commits to nothing, or no source has one of its members.
    """
    names = CONTENTS[type]
    first, *others = sources
    if others or isinstance(first, Mapping):
        return canonical({name: _member(name, sources) for name in names})
    # What most entries commit to, such as each decision on consent: in half the time.
    return canonical({name: getattr(first, name) for name in names})


def commitment(salt: bytes, content: bytes) -> bytes:
    """Return what commits to *content*: 32 bytes."""
    return sha256(salt + content).digest()


async def committing(
    keyring: Keyring,
    entry: Entry,
    *sources: object,
    subject: Subject | None = None,
    key: bytes = b"",
) -> Entry:
    """Return *entry* with the commitment to its content, as `content_of` makes it of *sources*.

    It is salted under the key of *subject* if the entry is about one; of one whose key is gone
    it says nothing. Else under that of the tenant, or of the platform. *key* is the wrapped key
    of a tenant that isn't stored yet.

    Raises:
        TenantNotFoundError: there is no such tenant.
    """
    if subject is None:
        salt = await keyring.salt_for_tenant(entry.tenant, entry.id, key=key)
        generation = None
    elif subject.is_erased:
        return entry
    else:
        salt, generation = await keyring.salt(subject, entry.id), subject.generation
    found = commitment(salt, content_of(entry.type, *sources))
    return replace(entry, commitment=found, generation=generation)


def _member(name: str, sources: tuple[object, ...]) -> object:
    for source in sources:
        if isinstance(source, Mapping):
            given = cast("Mapping[str, object]", source)
            if name in given:
                return given[name]
        elif hasattr(source, name):
            return getattr(source, name)
    raise KeyError(name)
