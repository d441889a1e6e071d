"""What is refused to be kept or read of a person."""

from __future__ import annotations

from server.domain.errors.refusal import ForbiddenByStateError, NotFoundError
from server.domain.errors.request import InvalidError


class RecordNotFoundError(NotFoundError):
    """No such record of the subject."""

    reason, thing = "RECORD_NOT_FOUND", "record"


class FieldNotInCategoryError(InvalidError):
    """A record has a field that its category doesn't allow: more than the purpose needs (S3)."""

    reason = "FIELD_NOT_IN_CATEGORY"


class FieldTypeMismatchError(InvalidError):
    """A record's field has another type or a larger size than its category says."""

    reason = "FIELD_TYPE_MISMATCH"


class CategoryNotInPurposeError(ForbiddenByStateError):
    """The purpose doesn't need this category: data minimisation (S3, Art. 5(1)(c))."""

    reason = "CATEGORY_NOT_IN_PURPOSE"
    words = "the purpose does not allow this category of data"


class InstructionMissingError(ForbiddenByStateError):
    """The tenant hasn't instructed this kind of collection (S6, Art. 28(3)(a))."""

    reason = "INSTRUCTION_MISSING"
    words = "the tenant's documented instruction for this category is missing"
