"""A change: documents to write plus their ledger entries, committed together or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.domain.ledger import Entry
    from server.domain.values import Role

OutcomeT = TypeVar("OutcomeT")


class Kind(StrEnum):
    """What a document is; with a role it names the collection that holds it.

    Everything about a person, or sent because of one, is tagged with the role, so that
    no query can ever reach across both regimes (S1). The rest belongs to the platform.
    """

    SUBJECTS = "subjects"
    CONSENTS = "consents"
    ACTS = "acts"
    RECORDS = "records"
    REQUESTS = "requests"
    EXPORTS = "exports"
    CERTIFICATES = "certificates"
    ERASURES = "erasures"
    INTERACTIONS = "interactions"
    SWEEPS = "sweeps"
    SWEEP_SLICES = "sweep_slices"
    NOTICES = "notices"
    REVOCATIONS = "revocations"
    DISCLOSURES = "disclosures"
    DIRECTIVES = "directives"
    DIRECTIVE_VERSIONS = "directive_versions"

    TENANTS = "tenants"
    CHATBOTS = "chatbots"
    ROSTERS = "rosters"
    INSTRUCTIONS = "instructions"
    MANDATES = "mandates"
    CATALOGUE = "catalogue"
    CATALOGUE_CHANGES = "catalogue_changes"
    CATALOGUE_HEADS = "catalogue_heads"
    TEXTS = "texts"
    BREACHES = "breaches"
    RECIPIENTS = "recipients"
    INQUIRIES = "inquiries"
    INQUIRY_MESSAGES = "inquiry_messages"
    CONTACTS = "contacts"
    LEDGER = "ledger"
    LEDGER_HEADS = "ledger_heads"
    LEDGER_PARTITIONS = "ledger_partitions"
    LEDGER_NODES = "ledger_nodes"
    LEDGER_CHECKPOINTS = "ledger_checkpoints"
    SUBSCRIPTIONS = "subscriptions"
    FEED_CURSORS = "feed_cursors"
    FEED_MEMBERS = "feed_members"
    HELD_MESSAGES = "held_messages"
    UNANSWERED_MESSAGES = "unanswered_messages"


PLATFORM_KINDS = frozenset(
    {
        Kind.TENANTS,
        Kind.CHATBOTS,
        Kind.ROSTERS,
        Kind.INSTRUCTIONS,
        Kind.MANDATES,
        Kind.CATALOGUE,
        Kind.CATALOGUE_CHANGES,
        Kind.CATALOGUE_HEADS,
        Kind.TEXTS,
        Kind.BREACHES,
        Kind.RECIPIENTS,
        Kind.INQUIRIES,
        Kind.INQUIRY_MESSAGES,
        Kind.CONTACTS,
        Kind.LEDGER,
        Kind.LEDGER_HEADS,
        Kind.LEDGER_PARTITIONS,
        Kind.LEDGER_NODES,
        Kind.LEDGER_CHECKPOINTS,
        Kind.SUBSCRIPTIONS,
        Kind.FEED_CURSORS,
        Kind.FEED_MEMBERS,
        # Connected to nobody, so not about a person (S5).
        Kind.HELD_MESSAGES,
        Kind.UNANSWERED_MESSAGES,
    }
)


@dataclass(frozen=True, slots=True)
class Table:
    """The place of one kind of document: tagged with a role, or the platform's own.

    Raises:
        ValueError: a kind about people without a role, or a platform's kind with one.
    """

    kind: Kind
    role: Role | None = None

    def __post_init__(self) -> None:
        """Hold the two regimes apart (S1)."""
        if (self.role is None) != (self.kind in PLATFORM_KINDS):
            raise ValueError(f"{self.kind} {'needs a' if self.role is None else 'has no'} role")

    @property
    def name(self) -> str:
        """The collection's name, such as `records_processor`."""
        return self.kind if self.role is None else f"{self.kind}_{self.role}"


class Entity(Protocol):
    """A document as the domain sees it: a frozen dataclass with an id and the tenant it belongs to.

    The id starts with the tenant, so that no other tenant's document can be hit by its id.
    The platform's own documents (catalogue, texts, breaches) have the tenant "".
    """

    @property
    def id(self) -> str:
        """The id, unique in its table."""
        ...

    @property
    def tenant(self) -> str:
        """The tenant whose document this is, or ""."""
        ...


class Versioned(Entity, Protocol):
    """An entity that is replaced over time; `version` counts from 1 and grows by one each time."""

    @property
    def version(self) -> int:
        """The count of this state, from 1."""
        ...


@dataclass(frozen=True, slots=True)
class Insert:
    """Add *entity*, whose id must not exist yet."""

    table: Table
    entity: Entity


@dataclass(frozen=True, slots=True)
class Replace:
    """Replace what has the id of *entity* and the version just below its own."""

    table: Table
    entity: Versioned


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete *entity*, which must still have the version that was read."""

    table: Table
    entity: Versioned


@dataclass(frozen=True, slots=True)
class Purge:
    """Delete all documents of a subject up to and including a generation; none is fine too."""

    table: Table
    tenant: str
    subject: str
    generation: int


@dataclass(frozen=True, slots=True)
class Position:
    """Put *entry*, which has its places in log and feed, where it waits for them."""

    entry: Entry


Write = Insert | Replace | Delete | Purge | Position


@dataclass(frozen=True, slots=True)
class Once:
    """What makes a repeated call return the outcome of the first (AIP-155).

    `key` names the call: tenant, caller and request id. `fingerprint` is a keyed digest
    of the method and the request's content, so that reuse with other content is noticed and nothing
    can be learnt from it. `outcome` is a dataclass without personal data.
    """

    key: str
    fingerprint: bytes
    outcome: object


@dataclass(frozen=True, slots=True)
class Change:
    """Writes with their ledger entries and, for a call, its idempotency record."""

    writes: Sequence[Write]
    entries: Sequence[Entry]
    once: Once | None = None


@dataclass(frozen=True, slots=True)
class Committed(Generic[OutcomeT]):
    """Proof that a change is durable.

    `outcome` is the change's own, or that of the first call when this was a repeat.
    `token` is the consistency token: a read that carries it sees the change.
    """

    outcome: OutcomeT
    token: str
    repeated: bool = field(default=False)
