"""What the domain needs from the outside, as protocols that storage implements."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from server.domain.turns import Turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from server.domain.change import Change, Committed, Table
    from server.domain.subject import Subject
    from server.domain.values import Role, SubjectId

E = TypeVar("E")

Scalar = str | int | bool | bytes | None


@dataclass(frozen=True, slots=True)
class Query:
    """Documents of one table and one tenant, in the order of one field, one page at a time.

    Shapes:
        tenant: whose documents; "" for the platform's own tables. None reaches across
            tenants and is for workers only.
        equals: field → value, or field → tuple of values of which one must match. A dotted
            field reaches into an embedded document.
        but: field → values that must not match.
        patterns: field → texts of which one must match; one that ends with `*` matches every
            longer text that begins like it.
        at_most: field → highest value that matches (dates as `YYYY-MM-DD`, or times).
        at_least: field → lowest value that matches.
        order: field to sort by ascending; ties are broken by id. "-field" sorts descending.
        after: (value of the order field, id) of the last document of the page before.
        limit: most documents returned.
        is_snapshot: whether a page is read as of one moment; by default, each document is as
            of the moment when it is come to.
        only: fields that are read, for a type that has few of those that are stored; all if empty.
    """

    table: Table
    tenant: str | None
    equals: Mapping[str, Scalar | tuple[Scalar, ...]] = field(
        default_factory=dict[str, "Scalar | tuple[Scalar, ...]"]
    )
    but: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict[str, "tuple[Scalar, ...]"])
    patterns: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    at_most: Mapping[str, str | int | datetime] = field(
        default_factory=dict[str, "str | int | datetime"]
    )
    at_least: Mapping[str, str | int | datetime] = field(
        default_factory=dict[str, "str | int | datetime"]
    )
    order: str = "id"
    after: tuple[object, str] | None = None
    limit: int = 100
    is_snapshot: bool = False
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh a read is: majority by default, as fresh as a token, or linearizable."""

    token: str = ""
    linearizable: bool = False


DEFAULT_FRESHNESS = Freshness()


class Reader(Protocol):
    """Reads what is majority-committed: nothing that was returned is ever rolled back."""

    async def get(
        self,
        table: Table,
        tenant: str,
        id: str,
        type: type[E],
        *,
        freshness: Freshness = DEFAULT_FRESHNESS,
    ) -> E | None:
        """Return the document *id* of *tenant*, or None – for another tenant's document as well."""
        ...

    async def find(self, query: Query, type: type[E]) -> Sequence[E]:
        """Return one page of what *query* asks for, in its order."""
        ...

    def scan(self, query: Query, type: type[E]) -> AsyncIterator[E]:
        """Yield everything that *query* asks for (its limit is the batch), in bounded memory."""
        ...

    async def count(self, query: Query) -> int:
        """Return how many documents *query* asks for, whatever its limit and page."""
        ...

    async def outcome(self, key: str, fingerprint: bytes, type: type[E]) -> Committed[E] | None:
        """Return what the first call under *key* answered, or None if there was none.

        Raises:
            RequestIdReusedError: that call had another content.
        """
        ...

    async def moment(self) -> str:
        """Return a consistency token: a read with it sees all that any read has seen by now."""
        ...

    async def wait_for_change(
        self, table: Table, *, at_most_seconds: float, by_others: bool = True
    ) -> None:
        """Return soon after *table* was written to, or when the time is over.

        A hint only: it may return early, and what it misses is found by the next read. What
        other servers write is only waited for *by_others*, since that costs the database more.
        """
        ...


class Committer(Protocol):
    """The only way to write."""

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Make *change* durable together with its ledger entries, or raise and leave nothing.

        Concurrent calls share one transaction; one that fails is retried alone, so it
        harms no neighbour. Returns after majority and journal. A repeat of an earlier
        call writes nothing and returns the first outcome.

        Raises:
            ConflictError: a document was changed since it was read, or an id exists; decide again.
            RequestIdReusedError: the request id belongs to a call with another content.
            StorageUnavailableError: the database can't confirm; the change may or may not hold,
                and a repeat with the same request id tells.
        """
        ...


@dataclass(frozen=True, slots=True)
class Signature:
    """An Ed25519 signature (RFC 8032), and the public key that verifies it.

    Shapes:
        key: the id (`kid`) of the key in the JWK set.
        public_key: 32 bytes.
        signature: 64 bytes.
    """

    key: str
    public_key: bytes
    signature: bytes


class Keyring(Protocol):
    """Subject keys and what they protect; erasing one takes effect on the next read."""

    async def reference(self, subject: SubjectId) -> str:
        """Return the keyed pseudonym of *subject* (HMAC under its tenant's key), 22 characters.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        ...

    async def new_key(self, tenant: str, reference: str) -> bytes:
        """Return a fresh subject key, wrapped under *tenant*'s and bound to *reference*."""
        ...

    async def seal(self, subject: Subject, content: bytes, context: str) -> bytes:
        """Encrypt *content* under the key of *subject*, bound to *context* (what and where it is).

        Raises:
            SubjectErasedError: the key was destroyed.
        """
        ...

    async def unseal(self, subject: Subject, sealed: bytes, context: str) -> bytes:
        """Decrypt what `seal` made for the same subject and context.

        Raises:
            SubjectErasedError: the key was destroyed, or the content is of another generation.
            SealedContentCorruptError: it was altered, or sealed for another subject or context.
        """
        ...

    async def seal_for_tenant(self, tenant: str, content: bytes, context: str) -> bytes:
        """Encrypt *content* under the key of *tenant*, bound to *context* (what and where it is).

        For what is kept about a tenant's and our own professionals, such as contacts; what
        is kept about a data subject is sealed under that person's own key.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        ...

    async def unseal_for_tenant(self, tenant: str, sealed: bytes, context: str) -> bytes:
        """Decrypt what `seal_for_tenant` made for the same tenant and context.

        Raises:
            TenantNotFoundError: there is no such tenant.
            SealedContentCorruptError: it was altered, or sealed for another tenant or context.
        """
        ...

    async def salt(self, subject: Subject, entry: str) -> bytes:
        """Return the salt of what the ledger entry with the id *entry* commits to, 32 bytes.

        It is the same each time, another for each entry, and gone with the key of *subject*.

        Raises:
            SubjectErasedError: the key was destroyed.
        """
        ...

    async def salt_for_tenant(self, tenant: str, entry: str, *, key: bytes = b"") -> bytes:
        """Return the salt of an entry about no person, 32 bytes; *tenant* "" is the platform.

        *key* is the wrapped key of a tenant that isn't stored yet.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        ...

    async def new_tenant_key(self, tenant: str) -> bytes:
        """Return a fresh tenant key, wrapped by the key service."""
        ...

    async def sign(self, payload: bytes, *, type: str) -> str:
        """Return *payload* as a compact JWS (RFC 7515, EdDSA) whose header has `typ` *type*."""
        ...

    async def sign_bytes(self, content: bytes) -> Signature:
        """Return the Ed25519 signature of *content* as it is, and the key that made it."""
        ...

    def jwks(self) -> Mapping[str, Sequence[Mapping[str, str]]]:
        """Return the public keys that verify what `sign` made, as a JWK set (RFC 7517)."""
        ...

    def fingerprint(self, content: bytes) -> bytes:
        """Return a keyed digest of *content* from which nothing can be learnt."""
        ...


class Clock(Protocol):
    """Time as the service sees it."""

    def now(self) -> datetime:
        """Return the time: UTC, aware, whole milliseconds."""
        ...


class Ids(Protocol):
    """Where new ids come from."""

    def new(self, role: Role | None = None) -> str:
        """Return a new id that sorts by time, and whose first letter tells its regime."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything that the domain needs from the outside, handed to each of its services."""

    reader: Reader
    committer: Committer
    keyring: Keyring
    clock: Clock
    ids: Ids
    turns: Turns = field(default_factory=Turns)
