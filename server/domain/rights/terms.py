"""The law's terms: rights, how sure one is of who asks, grounds for refusing, endings."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Right(StrEnum):
    """Which right a request exercises."""

    ACCESS = "access"
    RECTIFICATION = "rectification"
    COMPLETION = "completion"
    ERASURE = "erasure"
    RESTRICTION = "restriction"
    LIFTING_OF_RESTRICTION = "lifting_of_restriction"
    OBJECTION = "objection"
    PORTABILITY = "portability"
    CONSENT_WITHDRAWAL = "consent_withdrawal"
    WITHDRAWAL_OF_OBJECTION = "withdrawal_of_objection"
    HUMAN_REVIEW = "human_review"
    COMMUNICATION = "communication"


class RestrictionGround(StrEnum):
    """What makes a restriction lawful to ask for (Art. 18(1))."""

    ACCURACY_CONTESTED = "accuracy_contested"
    UNLAWFUL_PROCESSING = "unlawful_processing"
    LEGAL_CLAIMS = "legal_claims"
    OBJECTION_PENDING = "objection_pending"


class NoticeKind(StrEnum):
    """What a person is told about a request."""

    RECEIPT = "receipt"
    EXTENSION = "extension"
    OUTCOME = "outcome"
    REFUSAL = "refusal"
    LIFTING = "lifting"


class Channel(StrEnum):
    """A way to reach a person."""

    EMAIL = "email"
    SMS = "sms"
    CONVERSATION = "conversation"
    POST = "post"
    PLATFORM = "platform"


class Assurance(StrEnum):
    """How sure the platform is of who asked."""

    LOW = "low"
    SUBSTANTIAL = "substantial"
    HIGH = "high"


class IdentityMethod(StrEnum):
    """How somebody's identity was established; words would be identity data that nobody needs."""

    PLATFORM_LOGIN = "platform_login"
    CONVERSATION = "conversation"
    BROWSER = "browser"
    ONE_TIME_CODE = "one_time_code"
    DOCUMENT = "document"
    IN_PERSON = "in_person"
    TENANT = "tenant"


class Capacity(StrEnum):
    """Who asks, in relation to the person whom the data is about."""

    SUBJECT = "subject"
    PARENT = "parent"
    LEGAL_REPRESENTATIVE = "legal_representative"
    MANDATARY = "mandatary"
    DESIGNATED_PERSON = "designated_person"
    HEIR = "heir"


class Ground(StrEnum):
    """The law's grounds for refusing."""

    MANIFESTLY_UNFOUNDED = "manifestly_unfounded"
    EXCESSIVE = "excessive"
    NOT_IDENTIFIABLE = "not_identifiable"
    RIGHTS_OF_OTHERS = "rights_of_others"
    FREEDOM_OF_EXPRESSION = "freedom_of_expression"
    LEGAL_OBLIGATION = "legal_obligation"
    PUBLIC_HEALTH = "public_health"
    ARCHIVING_OR_RESEARCH = "archiving_or_research"
    LEGAL_CLAIMS = "legal_claims"
    COMPELLING_LEGITIMATE_GROUNDS = "compelling_legitimate_grounds"
    RESTRICTED_BY_LAW = "restricted_by_law"
    RIGHT_NOT_APPLICABLE = "right_not_applicable"
    IDENTITY_NOT_PROVEN = "identity_not_proven"
    PUBLIC_TASK = "public_task"
    DECISION_AUTHORISED_BY_LAW = "decision_authorised_by_law"


_ONLY_FOR: Mapping[Ground, frozenset[Right]] = {
    Ground.RIGHTS_OF_OTHERS: frozenset({Right.ACCESS, Right.PORTABILITY}),  # Art. 15(4), 20(4)
    Ground.FREEDOM_OF_EXPRESSION: frozenset({Right.ERASURE}),  # Art. 17(3)(a)
    Ground.LEGAL_OBLIGATION: frozenset({Right.ERASURE}),  # Art. 17(3)(b)
    Ground.PUBLIC_HEALTH: frozenset({Right.ERASURE}),  # Art. 17(3)(c)
    Ground.ARCHIVING_OR_RESEARCH: frozenset({Right.ERASURE, Right.OBJECTION}),  # 17(3)(d), 21(6)
    Ground.LEGAL_CLAIMS: frozenset({Right.ERASURE, Right.OBJECTION}),  # Art. 17(3)(e), 21(1)
    Ground.COMPELLING_LEGITIMATE_GROUNDS: frozenset({Right.OBJECTION}),  # Art. 21(1)
    Ground.PUBLIC_TASK: frozenset({Right.PORTABILITY}),  # Art. 20(3)
    Ground.DECISION_AUTHORISED_BY_LAW: frozenset({Right.HUMAN_REVIEW}),  # Art. 22(2)(b)
}


def may_be_refused_on(ground: Ground, right: Right) -> bool:
    """Whether the law offers *ground* against *right*."""
    return right in _ONLY_FOR.get(ground, frozenset(Right))


class Ending(StrEnum):
    """How one place that holds data ended for a request."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    SILENT = "silent"
    UNCOVERED = "uncovered"
    HELD = "held"
