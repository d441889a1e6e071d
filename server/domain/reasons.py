"""Why something is read: the ledger keeps it for ever, so it mustn't say about whom (Art. 17)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.domain.errors import InvalidArgumentError, Violation
from server.domain.records.minimisation import stated_reason
from server.domain.subjects import SEALED_ID
from server.domain.values import InvalidValueError, SubjectId

if TYPE_CHECKING:
    from server.domain.ports import Keyring
    from server.domain.subject import Subject


async def require_impersonal(keyring: Keyring, reason: str, *about: Subject) -> None:
    """Do nothing unless *reason* says who one of *about* is.

    For readings by another name than the person's, of which only what is kept tells whom they
    are about. Of somebody erased nobody knows any more who that was.

    Raises:
        InvalidArgumentError: it has somebody's id, or an e-mail address, in it.
    """
    for subject in about:
        if subject.sealed_id is None or subject.is_erased:
            continue
        known_as = await keyring.unseal(subject, subject.sealed_id, SEALED_ID)
        who = SubjectId.known(subject.role, subject.tenant, known_as.decode())
        try:
            stated_reason(reason, who.value)
        except InvalidValueError as error:
            raise InvalidArgumentError((Violation("reason", str(error)),)) from None
