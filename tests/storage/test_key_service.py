"""The key service uses the topmost keys, old ones too, and gives none away."""

from __future__ import annotations

import hmac
import pickle
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.domain.errors import SealedContentCorruptError
from server.storage.key_file import Key, KeyFile, open_key_file, signing_key_id
from server.storage.key_service import LocalFileKeyService


def key_file(*seeds: int) -> KeyFile:
    """Return a key file with a key of each kind for each of *seeds*, known to the test."""
    keys = [bytes([seed]) * 32 for seed in seeds]
    return KeyFile(
        format="privacyrights-keys/1",
        master_keys=tuple(Key(key[:8].hex(), key) for key in keys),
        fingerprint_keys=tuple(Key(key[:8].hex(), key) for key in keys),
        signing_keys=tuple(Key(signing_key_id(key), key) for key in keys),
    )


async def test_unwraps_what_it_wrapped() -> None:
    """A wrapped key comes back in the same context, also from another process with the file."""
    wrapped = await LocalFileKeyService(key_file(1)).wrap(b"k" * 32, "tenant-key/v1|acme")

    other = LocalFileKeyService(key_file(1))
    assert b"k" * 32 == await other.unwrap(wrapped, "tenant-key/v1|acme")
    assert b"k" * 32 not in wrapped


async def test_refuses_what_it_did_not_wrap() -> None:
    """Another context, other keys, an altered or empty key: each is refused."""
    service = LocalFileKeyService(key_file(1))
    wrapped = await service.wrap(b"k" * 32, "one")
    forged = LocalFileKeyService(key_file(2))
    forged_id = (await forged.wrap(bytes(32), "one"))[:8]

    for opener, sealed, context in (
        (service, wrapped, "other"),
        (service, wrapped[:-1], "one"),
        (service, b"", "one"),
        (forged, wrapped, "one"),
        (forged, forged_id + wrapped[8:], "one"),
    ):
        with pytest.raises(SealedContentCorruptError):
            await opener.unwrap(sealed, context)


async def test_rotated_keys_still_open_and_verify() -> None:
    """With a new key in the file the old one opens what it wrapped, and stays published."""
    before, after = LocalFileKeyService(key_file(1)), LocalFileKeyService(key_file(1, 2))

    assert b"k" * 32 == await after.unwrap(await before.wrap(b"k" * 32, "c"), "c")
    with pytest.raises(SealedContentCorruptError):
        await before.unwrap(await after.wrap(b"k" * 32, "c"), "c")
    assert [after.signing_key_id, before.signing_key_id] == [
        key["kid"] for key in after.public_keys()
    ]


async def test_signs_with_the_key_in_use() -> None:
    """The signature is that of the newest key, whose id the service tells."""
    service = LocalFileKeyService(key_file(1, 2))
    newest = Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)

    assert newest.sign(b"content") == await service.sign(b"content")
    assert signing_key_id(bytes([2]) * 32) == service.signing_key_id


def test_fingerprint_is_keyed() -> None:
    """A fingerprint is HMAC-SHA256 under the service's key, again and again."""
    service = LocalFileKeyService(key_file(1))
    expected = hmac.digest(bytes([1]) * 32, b"content", "sha256")

    assert expected == service.fingerprint(b"content") == service.fingerprint(b"content")
    assert expected != LocalFileKeyService(key_file(2)).fingerprint(b"content")


def test_published_keys_are_copies() -> None:
    """Whoever gets the public keys can't change those of the service."""
    service = LocalFileKeyService(key_file(1))
    service.public_keys()[0]["x"] = "mine"

    assert "mine" != service.public_keys()[0]["x"]


def test_gives_no_key_away(tmp_path: Path) -> None:
    """Neither what Python shows of the service nor a pickle of it holds a key."""
    keys = open_key_file(tmp_path / "keys.json")
    service = LocalFileKeyService(keys)
    shown = repr(service) + repr(vars(service))

    for key in (*keys.master_keys, *keys.fingerprint_keys, *keys.signing_keys):
        assert repr(key.key) not in shown
        assert key.key.hex() not in shown
    with pytest.raises(TypeError):
        pickle.dumps(service)
