"""What is sealed opens only unaltered and in its place."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from server.domain.errors import SealedContentCorruptError
from server.storage import envelope

CIPHER = AESGCM(bytes(range(32)))


def test_opens_a_published_vector() -> None:
    """The cipher is AES-256-GCM: test case 16 of the GCM specification opens."""
    cipher = AESGCM(bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2))
    nonce = "cafebabefacedbaddecaf888"
    ciphertext = (
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
    )
    tag = "76fc6ece0f4e1768cddf8853bb2d551b"
    bound_to = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")

    opened = envelope.unseal(cipher, bytes.fromhex("01" + nonce + ciphertext + tag), bound_to)

    assert opened == bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )


@given(content=st.binary(max_size=300), bound_to=st.binary(max_size=40))
def test_opens_what_it_sealed(content: bytes, bound_to: bytes) -> None:
    """What was sealed opens in the same place, and is as much longer as promised."""
    sealed = envelope.seal(CIPHER, content, bound_to)

    assert content == envelope.unseal(CIPHER, sealed, bound_to)
    assert len(content) + envelope.OVERHEAD_BYTES == len(sealed)


def test_every_altered_byte_is_noticed() -> None:
    """Not one byte can be altered, cut off or added."""
    sealed = envelope.seal(CIPHER, b"content", b"place")
    altered = [
        sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))
    ]
    cut = [sealed[:length] for length in range(len(sealed))]

    for wrong in [*altered, *cut, sealed + b"\0"]:
        with pytest.raises(SealedContentCorruptError):
            envelope.unseal(CIPHER, wrong, b"place")


def test_nonces_do_not_repeat() -> None:
    """The same content is never sealed the same way twice: a repeated nonce breaks GCM."""
    nonces = {envelope.seal(CIPHER, b"", b"")[1:13] for _ in range(10_000)}

    assert 10_000 == len(nonces)


@given(
    one=st.lists(st.text(max_size=4), max_size=4),
    other=st.lists(st.text(max_size=4), max_size=4),
)
def test_bindings_are_unambiguous(one: list[str], other: list[str]) -> None:
    """Two bindings are the same only if all their parts are."""
    assert (one == other) == (envelope.binding(*one) == envelope.binding(*other))
