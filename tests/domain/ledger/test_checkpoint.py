"""A checkpoint is a note that anybody reads, and only its key can have signed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.domain.ledger.checkpoint import checkpoint_text, note_key_id, origin, signed_note
from tests.domain.ledger.notes import Note, read_note

NAME = "ledger.example"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
ROOT = bytes(range(32, 64))
TIME = datetime(2026, 3, 31, 9, tzinfo=UTC)
TEXT = (
    "ledger.example/tenants/acme\n"
    "41\n"
    "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=\n"
    "time 2026-03-31T09:00:00.000Z\n"
)


def note() -> str:
    """Return a signed checkpoint."""
    text = checkpoint_text(origin(NAME, "acme"), 41, ROOT, TIME)
    return signed_note(text, name=NAME, public_key=PUBLIC, signature=KEY.sign(text.encode()))


def test_what_is_signed() -> None:
    """Origin, size, root and time, a line each."""
    assert TEXT == checkpoint_text(origin(NAME, "acme"), 41, ROOT, TIME)


def test_the_platform_has_an_origin_of_its_own() -> None:
    """No tenant's log can pass for the platform's, nor the other way round."""
    assert ("ledger.example/platform", "ledger.example/tenants/platform") == (
        origin(NAME, ""),
        origin(NAME, "platform"),
    )


def test_key_id() -> None:
    """A key is named as golang.org/x/mod/sumdb/note does; its documentation's key shows it."""
    # PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW
    key = bytes.fromhex("1a5cd907143c384c41e830c5bce12aa8817ec5649aaabf2c31388b35b2d744d6")

    assert "c74f20a3" == note_key_id("PeterNeumann", key).hex()


def test_a_note_is_verified_with_its_key() -> None:
    """Whoever has the public key reads what was signed."""
    expected = Note("ledger.example/tenants/acme", 41, ROOT, ("time 2026-03-31T09:00:00.000Z",))

    assert expected == read_note(note(), name=NAME, public_key=PUBLIC)


@pytest.mark.parametrize(
    ("old", "new"), [("41", "42"), ("acme", "acne"), ("ICEi", "ICEj"), ("09:00", "09:01")]
)
def test_an_edited_note_is_refused(old: str, new: str) -> None:
    """Size, origin, root and time are all under the signature."""
    with pytest.raises(InvalidSignature):
        read_note(note().replace(old, new, 1), name=NAME, public_key=PUBLIC)


def test_a_note_of_another_key_is_refused() -> None:
    """A note tells its key: after a rotation, each is verified with the one that signed it."""
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()

    with pytest.raises(ValueError, match="nobody"):
        read_note(note(), name=NAME, public_key=other)
