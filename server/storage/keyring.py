"""The key hierarchy: key service → tenant key → subject key → what is kept about a person.

A tenant key also gives the key of what is kept about the tenant's professionals. Tenant and
subject keys give the salts of what the ledger commits to.
Destroying the one wrapped copy of a subject key destroys everything sealed under it, in
every process, with the next read: subject keys are never cached (Art. 17, Art. 32(1)(a)).
"""

from __future__ import annotations

import hmac
import os
from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from server.domain.change import Kind, Table
from server.domain.errors import (
    SealedContentCorruptError,
    SubjectErasedError,
    TenantNotFoundError,
)
from server.domain.ports import Query, Reader, Signature
from server.domain.subject import Subject
from server.domain.values import SubjectId
from server.startup import StartupError
from server.storage import envelope
from server.storage.key_service import KeyService
from server.storage.signatures import Jwk, base64url, raw_public_key, signing_input

CACHED_TENANTS = 10_000
"""Tenants whose keys are kept unwrapped, some 1 kB each; the least recently used goes first."""

_REFERENCE_BYTES = 16
_GENERATION_BYTES = 4


@dataclass(frozen=True, slots=True)
class TenantKey:
    """The part of a tenant's document that the keyring needs; the key is wrapped."""

    id: str
    tenant: str
    key: bytes = field(repr=False)


class EnvelopeKeyring:
    """Subject keys and what they protect, with AES-256-GCM and HMAC-SHA256.

    Shapes:
        reference: 22 characters, 16 bytes of HMAC in base64url.
        subject key: 32 bytes; wrapped, an envelope bound to tenant and reference.
        sealed: four bytes of generation, then an envelope bound to context, tenant,
            reference and generation: 33 bytes more than the content.
        sealed for a tenant: an envelope bound to context and tenant.
    """

    def __init__(
        self, reader: Reader, service: KeyService, *, cached_tenants: int = CACHED_TENANTS
    ) -> None:
        """Read wrapped tenant keys with *reader*, and unwrap them with *service*."""
        self._reader = reader
        self._service = service
        self._cached_tenants = cached_tenants
        self._tenants: OrderedDict[str, _TenantKeys] = OrderedDict()

    async def reference(self, subject: SubjectId) -> str:
        """Return the keyed pseudonym of *subject*; the same person has others with other tenants.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        mac = (await self._tenant_keys(subject.tenant)).references.copy()
        mac.update(envelope.binding(subject.role, subject.known_as))
        return base64url(mac.digest()[:_REFERENCE_BYTES])

    async def new_key(self, tenant: str, reference: str) -> bytes:
        """Return a fresh subject key, wrapped under the key of *tenant* and bound to *reference*.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        keys = await self._tenant_keys(tenant)
        bound_to = self._key_binding(tenant, reference)
        return envelope.seal(keys.wrapping, os.urandom(envelope.KEY_BYTES), bound_to)

    async def seal(self, subject: Subject, content: bytes, context: str) -> bytes:
        """Encrypt *content* under the key of *subject*, bound to *context* (what and where it is).

        Raises:
            SubjectErasedError: the key was destroyed.
            SealedContentCorruptError: the wrapped key isn't what we wrapped for this subject.
        """
        cipher = await self._subject_cipher(subject)
        generation = subject.generation.to_bytes(_GENERATION_BYTES, "big")
        return generation + envelope.seal(cipher, content, self._content_binding(subject, context))

    async def unseal(self, subject: Subject, sealed: bytes, context: str) -> bytes:
        """Decrypt what `seal` made for the same subject and context.

        Raises:
            SubjectErasedError: the key was destroyed, or the content is of another generation.
            SealedContentCorruptError: content or key were altered, or sealed elsewhere.
        """
        cipher = await self._subject_cipher(subject)
        if len(sealed) < _GENERATION_BYTES + envelope.OVERHEAD_BYTES:
            raise SealedContentCorruptError
        if int.from_bytes(sealed[:_GENERATION_BYTES], "big") != subject.generation:
            # What a late write or a purge under way left of another life of the subject.
            raise SubjectErasedError(generation=subject.generation)
        bound_to = self._content_binding(subject, context)
        return envelope.unseal(cipher, sealed[_GENERATION_BYTES:], bound_to)

    async def seal_for_tenant(self, tenant: str, content: bytes, context: str) -> bytes:
        """Encrypt *content* under a key of *tenant*, bound to *context* (what and where it is).

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        keys = await self._tenant_keys(tenant)
        return envelope.seal(keys.content, content, self._tenant_content_binding(tenant, context))

    async def unseal_for_tenant(self, tenant: str, sealed: bytes, context: str) -> bytes:
        """Decrypt what `seal_for_tenant` made for the same tenant and context.

        Raises:
            TenantNotFoundError: there is no such tenant.
            SealedContentCorruptError: it was altered, or sealed for another tenant or context.
        """
        keys = await self._tenant_keys(tenant)
        return envelope.unseal(keys.content, sealed, self._tenant_content_binding(tenant, context))

    async def salt(self, subject: Subject, entry: str) -> bytes:
        """Return the salt of what the ledger entry with the id *entry* commits to, 32 bytes.

        Raises:
            SubjectErasedError: the key was destroyed.
            SealedContentCorruptError: the wrapped key isn't what we wrapped for this subject.
        """
        # HKDF-Expand of one block: the key is uniform, there is nothing to extract (RFC 5869, 3.3).
        info = self._salt_binding(str(subject.generation), entry)
        return hmac.digest(await self._subject_key(subject), info + b"\x01", "sha256")

    async def salt_for_tenant(self, tenant: str, entry: str, *, key: bytes = b"") -> bytes:
        """Return the salt of an entry about no person, 32 bytes; *tenant* "" is the platform.

        *key* is the wrapped key of a tenant that isn't stored yet.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        binding = self._salt_binding(tenant, entry)
        if not tenant:
            return self._service.fingerprint(binding)
        if key:
            keys = _TenantKeys(await self._service.unwrap(key, _tenant_context(tenant)))
        else:
            keys = await self._tenant_keys(tenant)
        return hmac.digest(keys.salts, binding, "sha256")

    async def new_tenant_key(self, tenant: str) -> bytes:
        """Return a fresh tenant key, wrapped by the key service, for the tenant's document."""
        return await self._service.wrap(os.urandom(envelope.KEY_BYTES), _tenant_context(tenant))

    async def sign(self, payload: bytes, *, type: str) -> str:
        """Return *payload* as a compact JWS (RFC 7515, EdDSA) whose header has `typ` *type*."""
        signed = signing_input(payload, key_id=self._service.signing_key_id, type=type)
        return f"{signed}.{base64url(await self._service.sign(signed.encode()))}"

    async def sign_bytes(self, content: bytes) -> Signature:
        """Return the Ed25519 signature of *content* as it is, and the key that made it."""
        key = self._service.public_keys()[0]
        return Signature(key["kid"], raw_public_key(key), await self._service.sign(content))

    def jwks(self) -> dict[str, list[Jwk]]:
        """Return the public keys that verify what `sign` made, as a JWK set (RFC 7517)."""
        return {"keys": self._service.public_keys()}

    def fingerprint(self, content: bytes) -> bytes:
        """Return a keyed digest of *content*, 32 bytes, from which nothing can be learnt."""
        return self._service.fingerprint(content)

    async def require_fit(self) -> None:
        """Hold that the key service is the one that the database was made with.

        Raises:
            StartupError: the key service can't unwrap the key of a tenant.
        """
        some = Query(Table(Kind.TENANTS), tenant=None, limit=1)
        for tenant in await self._reader.find(some, TenantKey):
            try:
                await self._service.unwrap(tenant.key, _tenant_context(tenant.tenant))
            except SealedContentCorruptError:
                raise StartupError(
                    "the keys are not those that the database was made with",
                    "restore the key file that belongs to it; other keys open nothing in it",
                ) from None

    async def _tenant_keys(self, tenant: str) -> _TenantKeys:
        """Return the unwrapped keys of *tenant*; they never change, so they can be kept."""
        keys = self._tenants.get(tenant)
        if keys is None:
            keys = self._tenants[tenant] = await self._load(tenant)
            if len(self._tenants) > self._cached_tenants:
                self._tenants.popitem(last=False)
        else:
            self._tenants.move_to_end(tenant)
        return keys

    async def _load(self, tenant: str) -> _TenantKeys:
        stored = await self._reader.get(Table(Kind.TENANTS), tenant, tenant, TenantKey)
        if stored is None:
            raise TenantNotFoundError
        return _TenantKeys(await self._service.unwrap(stored.key, _tenant_context(tenant)))

    async def _subject_cipher(self, subject: Subject) -> AESGCM:
        return AESGCM(await self._subject_key(subject))

    async def _subject_key(self, subject: Subject) -> bytes:
        if subject.key is None:
            raise SubjectErasedError(generation=subject.generation)
        keys = await self._tenant_keys(subject.tenant)
        bound_to = self._key_binding(subject.tenant, subject.reference)
        return envelope.unseal(keys.wrapping, subject.key, bound_to)

    def _key_binding(self, tenant: str, reference: str) -> bytes:
        return envelope.binding("subject-key/v1", tenant, reference)

    def _content_binding(self, subject: Subject, context: str) -> bytes:
        place = (context, subject.tenant, subject.reference, str(subject.generation))
        return envelope.binding("content/v1", *place)

    def _tenant_content_binding(self, tenant: str, context: str) -> bytes:
        return envelope.binding("tenant-content/v1", context, tenant)

    def _salt_binding(self, owner: str, entry: str) -> bytes:
        return envelope.binding("ledger-salt/v1", owner, entry)


class _TenantKeys:
    """What is derived from one tenant key: a key for each use, so that none weakens another.

    Shapes:
        references: makes pseudonyms of subjects.
        wrapping: wraps subject keys.
        content: seals what is kept about the tenant's professionals.
        salts: salts what the ledger commits to in entries about no person, 32 bytes.
    """

    __slots__ = ("content", "references", "salts", "wrapping")

    def __init__(self, tenant_key: bytes) -> None:
        self.references = hmac.new(_derive(tenant_key, b"reference/v1"), digestmod=sha256)
        self.wrapping = AESGCM(_derive(tenant_key, b"subject-keys/v1"))
        self.content = AESGCM(_derive(tenant_key, b"tenant-content/v1"))
        self.salts = _derive(tenant_key, b"ledger-salts/v1")


def _derive(key: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), length=envelope.KEY_BYTES, salt=None, info=info).derive(key)


def _tenant_context(tenant: str) -> str:
    return f"tenant-key/v1|{tenant}"
