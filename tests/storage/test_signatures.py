"""Signatures are what the RFCs say, so that others' libraries verify them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.storage.signatures import base64url, public_jwk, signing_input, thumbprint

# RFC 8037, appendix A.1
SEED = urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
PUBLIC = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
KEY = Ed25519PrivateKey.from_private_bytes(SEED)


def test_published_thumbprint() -> None:
    """A key's id is its RFC 7638 thumbprint: the one in RFC 8037, appendix A.3."""
    assert "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" == thumbprint(KEY.public_key())


def test_published_signature() -> None:
    """Ed25519 over base64url parts signs as RFC 8037, appendix A.4 does."""
    signed = ".".join([base64url(b'{"alg":"EdDSA"}'), base64url(b"Example of Ed25519 signing")])

    assert "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc" == signed
    assert (
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        == base64url(KEY.sign(signed.encode()))
    )


def test_public_jwk_has_no_private_part() -> None:
    """The published key says what it is for, and has no `d`."""
    assert {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": PUBLIC,
        "kid": thumbprint(KEY.public_key()),
        "use": "sig",
        "alg": "EdDSA",
    } == public_jwk(KEY.public_key())


def test_header_names_key_and_type() -> None:
    """The protected header tells which key signed, how, and what."""
    header, payload = signing_input(b"{}", key_id="k1", type="receipt+jwt").split(".")

    assert {"alg": "EdDSA", "kid": "k1", "typ": "receipt+jwt"} == json.loads(
        urlsafe_b64decode(header + "==")
    )
    assert "e30" == payload
