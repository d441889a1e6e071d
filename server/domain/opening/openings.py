"""Opening a commitment: a disclosure, which the ledger tells of before anybody is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from server.domain.commands import Commands
from server.domain.errors import (
    CommitmentMissingError,
    NotFoundError,
    SubjectErasedError,
)
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import commitment, content_of
from server.domain.opening.kept import Kept
from server.domain.reasons import require_impersonal
from server.domain.subject import Subject
from server.domain.subjects import subjects

if TYPE_CHECKING:
    from server.domain.audit import Audit
    from server.domain.call import Call
    from server.domain.ledger import Entry
    from server.domain.opening.kept import Rooms
    from server.domain.ports import Ports


@dataclass(frozen=True, slots=True)
class Opened:
    """A salt, and the content as canonical JSON; empty if it isn't kept as it was."""

    salt: bytes = field(repr=False)
    content: bytes = field(repr=False)


class Openings:
    """Opens commitments."""

    def __init__(self, ports: Ports, audit: Audit, rooms: Rooms) -> None:
        """Open entries of *audit* with the keys of *ports* and what *rooms* keep."""
        self._ports = ports
        self._audit = audit
        self._kept = Kept(ports, rooms)
        self._commands = Commands(ports)

    async def open(self, call: Call, id: str, *, name: str, reason: str) -> Opened:
        """Return what opens the commitment of the entry *id*, once the ledger tells why.

        *name* is the entry's resource name.

        Raises:
            TenantNotFoundError, LedgerEntryNotFoundError: of the log or the entry.
            CommitmentMissingError: the entry commits to nothing.
            SubjectErasedError: the salt went with the subject key.
            InvalidArgumentError: the reason says who the subject is.
            StorageUnavailableError: the ledger entry can't be written; nothing is returned.
        """
        found = await self._audit.entry(call, id)
        if not found.commitment:
            raise CommitmentMissingError
        subject = await self._living(call, found)
        keyring = self._ports.keyring
        if subject is not None:
            await require_impersonal(keyring, reason, subject)
        if subject is None:
            salt = await keyring.salt_for_tenant(found.tenant, found.id)
        else:
            salt = await keyring.salt(subject, found.id)
        content = await self._content(found, subject, salt)
        await self._commands.note(self._entry(call, found, name, reason))
        return Opened(salt, content)

    async def _living(self, call: Call, entry: Entry) -> Subject | None:
        """Return the subject under whose key *entry* is salted; None if it is under another key."""
        if entry.generation is None or entry.role is None:
            return None
        call.notes["subject"] = entry.subject
        id = f"{entry.tenant}/{entry.subject}"
        found = await self._ports.reader.get(subjects(entry.role), entry.tenant, id, Subject)
        if found is None or found.is_erased or found.generation != entry.generation:
            raise SubjectErasedError(generation=entry.generation)
        return found

    async def _content(self, entry: Entry, subject: Subject | None, salt: bytes) -> bytes:
        """Return what *entry* commits to; empty if nothing that is kept is just that."""
        try:
            async for sources in self._kept.of(entry, subject):
                content = content_of(entry.type, *sources)
                if commitment(salt, content) == entry.commitment:
                    return content
        except NotFoundError:
            pass
        return b""

    def _entry(self, call: Call, opened: Entry, name: str, reason: str) -> Entry:
        return new_entry(
            call,
            self._ports.ids,
            tenant=opened.tenant,
            type="ledger.commitment_opened",
            time=self._ports.clock.now(),
            role=opened.role,
            subject=opened.subject,
            purpose=opened.purpose,
            reason=reason,
            target=name,
        )
