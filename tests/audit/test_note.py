"""Signed notes are C2SP's: a published one verifies, and keys are read in both their forms."""

from __future__ import annotations

import json

import pytest

from privacyrights.audit import KeysError, PublicKey, read_keys
from privacyrights.audit.note import read_note
from tests.audit.writer import signer

# The example of Go's golang.org/x/mod/sumdb/note, where the format comes from.
PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)
OURS = signer()


def test_published_note() -> None:
    """The name, the key id and the signature of a published note are what we take them for."""
    (key,) = read_keys(PUBLISHED_KEY.encode())
    note = read_note(PUBLISHED_NOTE.encode())
    (signature,) = note.signatures

    assert ("PeterNeumann", "c74f20a3") == (signature.name, signature.key_id.hex())
    assert signature.key_id == key.key_id("PeterNeumann")
    assert key.verifies(signature.value, note.text)
    assert not key.verifies(signature.value, note.text.replace("is", "was"))


def test_text_may_have_empty_lines() -> None:
    """The last empty line is the one before the signatures."""
    note = read_note(OURS.sign("one\n\ntwo\n"))

    assert "one\n\ntwo\n" == note.text


def test_both_forms_of_a_key() -> None:
    """A key is the same as a JWK, which has no holder, and as a verifier key, which has one."""
    assert (PublicKey(OURS.public),) == read_keys(OURS.jwks.encode())
    assert (PublicKey(OURS.public, OURS.name),) == read_keys(f"{OURS.verifier}\n".encode())


def test_retired_keys_are_read_as_well() -> None:
    """All keys of a set are read, and those of other kinds are left out."""
    first, second = json.loads(OURS.jwks), json.loads(signer(seed=2).jwks)
    other = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}
    both = {"keys": [*first["keys"], other, *second["keys"]]}

    assert 2 == len(read_keys(json.dumps(both).encode()))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        '{"keys": {}}',
        '{"keys": []}',
        '{"keys": [{"kty": "OKP", "crv": "Ed25519"}]}',
        '{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}]}',
        '{"keys": [7]}',
        "{",
        "\xff",
        "a key",
        "name+01234567",
        "name+01234567+AAAA",
        "name+zz+" + OURS.verifier.rsplit("+")[-1],
        OURS.verifier.replace("ledger", "badger"),
        OURS.verifier[:-1],
    ],
)
def test_no_key(content: str) -> None:
    """What isn't keys, or not all of one, is refused: nobody verifies with less than he thinks."""
    with pytest.raises(KeysError):
        read_keys(content.encode("latin-1"))


def test_private_key_is_refused() -> None:
    """A private key in the hands of a reader is an accident, and is said."""
    jwks = json.loads(OURS.jwks)
    jwks["keys"][0]["d"] = "AA"

    with pytest.raises(KeysError, match="private"):
        read_keys(json.dumps(jwks).encode())
