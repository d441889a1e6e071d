"""The keys above all others: they wrap tenant keys, sign proofs and digest request contents."""

from __future__ import annotations

import hmac
from hashlib import sha256
from pathlib import Path
from typing import Protocol, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from server.domain.errors import SealedContentCorruptError
from server.storage import envelope
from server.storage.key_file import KEY_ID_BYTES, KeyFile, open_key_file
from server.storage.signatures import Jwk, public_jwk


class KeyService(Protocol):
    """Uses the topmost keys without giving them away; a cloud's KMS or a Vault fits behind it."""

    @property
    def signing_key_id(self) -> str:
        """The id of the key that signs now."""
        ...

    async def wrap(self, key: bytes, context: str) -> bytes:
        """Return *key* encrypted under a master key, and bound to *context*."""
        ...

    async def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Return the key that `wrap` wrapped in the same context.

        Raises:
            SealedContentCorruptError: it was altered, or wrapped elsewhere or by another service.
        """
        ...

    async def sign(self, content: bytes) -> bytes:
        """Return the Ed25519 signature of *content*, 64 bytes (RFC 8032)."""
        ...

    def public_keys(self) -> list[Jwk]:
        """Return the public keys of all signatures made so far, the one in use first."""
        ...

    def fingerprint(self, content: bytes) -> bytes:
        """Return HMAC-SHA256 of *content* under a key of the service: the same in every process."""
        ...


class LocalFileKeyService:
    """Keys out of a file that every server of a deployment has a copy of.

    Shapes:
        wrapped: eight bytes of master key id, then an envelope.
    """

    def __init__(self, keys: KeyFile) -> None:
        """Use *keys*; of each kind the last."""
        self._masters = {bytes.fromhex(key.id): AESGCM(key.key) for key in keys.master_keys}
        self._master_id = bytes.fromhex(keys.master_keys[-1].id)
        self._fingerprints = hmac.new(keys.fingerprint_keys[-1].key, digestmod=sha256)
        signers = [Ed25519PrivateKey.from_private_bytes(key.key) for key in keys.signing_keys]
        self._signer = signers[-1]
        self._public_keys = [public_jwk(signer.public_key()) for signer in reversed(signers)]
        self.signing_key_id = keys.signing_keys[-1].id

    @classmethod
    def open(cls, path: Path) -> Self:
        """Use the keys in the file at *path*, which is made with new ones if it is missing.

        Raises:
            StartupError: it can't be made or read, others may read it, or it is damaged.
        """
        return cls(open_key_file(path))

    async def wrap(self, key: bytes, context: str) -> bytes:
        """Return *key* encrypted under the newest master key, and bound to *context*."""
        cipher = self._masters[self._master_id]
        return self._master_id + envelope.seal(cipher, key, context.encode())

    async def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Return the key that `wrap` wrapped in the same context.

        Raises:
            SealedContentCorruptError: it was altered, or wrapped elsewhere or under other keys.
        """
        cipher = self._masters.get(wrapped[:KEY_ID_BYTES])
        if cipher is None:
            raise SealedContentCorruptError
        return envelope.unseal(cipher, wrapped[KEY_ID_BYTES:], context.encode())

    async def sign(self, content: bytes) -> bytes:
        """Return the Ed25519 signature of *content*, 64 bytes (RFC 8032)."""
        return self._signer.sign(content)

    def public_keys(self) -> list[Jwk]:
        """Return the public keys of all signatures made so far, the one in use first."""
        return [dict(key) for key in self._public_keys]

    def fingerprint(self, content: bytes) -> bytes:
        """Return HMAC-SHA256 of *content*: the same in every process with the same file."""
        mac = self._fingerprints.copy()
        mac.update(content)
        return mac.digest()
