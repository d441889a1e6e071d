"""Recipients: who may be given personal data, and what vetted them (S9)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from server.domain.change import Insert, Kind, Table
from server.domain.commands import Commands, Decision
from server.domain.disclosure.countries import EEA
from server.domain.errors import (
    CommercialDisclosureError,
    InvalidArgumentError,
    RecipientNotFoundError,
    RecipientNotVettedError,
    ResourceExistsError,
    Violation,
)
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.ports import Query

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from server.domain.call import Call
    from server.domain.catalogue.catalogue import Purpose
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.change import Committed
    from server.domain.ports import Ports

RECIPIENTS = Table(Kind.RECIPIENTS)
PLATFORM = ""
"""The tenant of what belongs to no tenant."""


class RecipientKind(StrEnum):
    """What a recipient is."""

    PROCESSOR = "processor"
    CONTROLLER = "controller"
    AUTHORITY = "authority"


class Safeguard(StrEnum):
    """What makes a transfer to a third country lawful (Art. 44–49)."""

    NONE = ""
    EEA = "eea"
    ADEQUACY_DECISION = "adequacy_decision"
    STANDARD_CONTRACTUAL_CLAUSES = "standard_contractual_clauses"
    BINDING_CORPORATE_RULES = "binding_corporate_rules"
    DEROGATION = "derogation"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who may receive personal data; an organisation, described without personal data.

    Shapes:
        country: ISO 3166-1 alpha-2.
        purposes: ids; may be empty for an authority.
        contract: may be "" for an authority.
        vetting_digest: SHA-256 of the evidence.
    """

    id: str
    tenant: str
    version: int
    display_name: str
    kind: RecipientKind
    country: str
    purposes: tuple[str, ...]
    contract: str
    safeguard: Safeguard
    vetting_digest: str
    vetting_time: datetime
    create_time: datetime
    safeguard_expire_time: datetime | None = None

    @property
    def is_authority(self) -> bool:
        """Whether it gets what the law makes it get, and nothing else."""
        return self.kind is RecipientKind.AUTHORITY

    def is_safeguarded(self, at: datetime) -> bool:
        """Whether what makes the transfer lawful hasn't ended by *at*."""
        return self.safeguard_expire_time is None or at < self.safeguard_expire_time

    def require_vetted(self, at: datetime) -> None:
        """Do nothing if data could be given to it at *at*.

        Raises:
            RecipientNotVettedError: it wasn't vetted yet, or its safeguard had expired.
        """
        if at < self.vetting_time or not self.is_safeguarded(at):
            raise RecipientNotVettedError(recipient=self.id)


def violations(recipient: Recipient) -> Iterator[Violation]:
    """Yield what *recipient* lacks for being what it says it is."""
    if not recipient.is_authority:
        for name, value in (("purposes", recipient.purposes), ("contract", recipient.contract)):
            if not value:
                yield Violation(f"recipient.{name}", "must be given unless it is an authority")
    if recipient.country not in EEA and recipient.safeguard in (Safeguard.NONE, Safeguard.EEA):
        yield Violation(
            "recipient.safeguard",
            "must be what makes a transfer outside the European Economic Area lawful",
        )


def require_not_commercial(purpose: Purpose) -> None:
    """Do nothing if data may be disclosed for *purpose*.

    Raises:
        CommercialDisclosureError: it is marketing.
    """
    if purpose.direct_marketing:
        raise CommercialDisclosureError(purpose=purpose.id)


class Recipients:
    """Registers and finds recipients."""

    def __init__(self, ports: Ports, catalogues: Catalogues) -> None:
        """Work on *ports*, with the purposes of *catalogues*."""
        self._ports = ports
        self._catalogues = catalogues
        self._commands = Commands(ports)

    async def create(self, call: Call, new: Recipient) -> Committed[Recipient]:
        """Register *new*, whose `create_time` is set here.

        Raises:
            InvalidArgumentError: what `violations` finds.
            PurposeNotFoundError: it names a purpose that the catalogue doesn't have.
            CommercialDisclosureError: one of its purposes is commercial.
            ResourceExistsError: there is one with this id.
        """

        async def decide() -> Decision[Recipient]:
            if found := tuple(violations(new)):
                raise InvalidArgumentError(found)
            for id in new.purposes:
                require_not_commercial(await self._catalogues.purpose(id))
            if await self._ports.reader.get(RECIPIENTS, PLATFORM, new.id, Recipient):
                raise ResourceExistsError(thing="recipient")
            now = self._ports.clock.now()
            # A caller's clock may be ahead of ours; the recipient is vetted all the same.
            created = replace(new, create_time=now, vetting_time=min(new.vetting_time, now))
            entry = new_entry(
                call,
                self._ports.ids,
                tenant=PLATFORM,
                type="recipient.created",
                time=now,
                target=f"recipients/{new.id}",
            )
            entry = await committing(self._ports.keyring, entry, created)
            return Decision(
                writes=(Insert(RECIPIENTS, created),), entries=(entry,), outcome=created
            )

        return await self._commands.run(call, PLATFORM, Recipient, decide)

    async def get(self, id: str) -> Recipient:
        """Return the recipient *id*.

        Raises:
            RecipientNotFoundError: there is none.
        """
        found = await self._ports.reader.get(RECIPIENTS, PLATFORM, id, Recipient)
        if found is None:
            raise RecipientNotFoundError
        return found

    async def list(self, *, after: tuple[object, str] | None, limit: int) -> Sequence[Recipient]:
        """Return one page of the recipients, by id."""
        query = Query(RECIPIENTS, tenant=PLATFORM, after=after, limit=limit)
        return await self._ports.reader.find(query, Recipient)
