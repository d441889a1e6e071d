"""Certificates of erasures over a real channel: anybody verifies them, offline."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from typing import Any

import grpc
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from privacyrights.v1 import audit_service_pb2
from privacyrights.v1.audit_service_pb2_grpc import AuditServiceStub
from server.compose import App
from server.domain.clock import SteppingClock
from server.domain.subjects import Subjects
from tests.rpc.exercising import (
    ACCESS,
    ERASURE,
    Person,
    ask,
    certificate,
    decoded,
    exercise,
    known,
    payload,
)
from tests.rpc.kept import CALL, subject_id
from tests.rpc.people import end_user, own_user, refused

BOTH = pytest.mark.parametrize("who", [own_user, end_user])


async def verify(channel: grpc.aio.Channel, jws: str) -> dict[str, Any]:
    """Verify *jws* as anyone can, with nothing but the public keys, and return what it says."""
    keys = json.loads(
        (await AuditServiceStub(channel).ListKeys(audit_service_pb2.ListKeysRequest())).jwks
    )["keys"]
    header, content, signature = jws.split(".")
    head = json.loads(decoded(header))
    key = next(each for each in keys if each["kid"] == head["kid"])
    assert ("OKP", "Ed25519") == (key["kty"], key["crv"])
    public = Ed25519PublicKey.from_public_bytes(decoded(key["x"]))
    public.verify(decoded(signature), f"{header}.{content}".encode())
    assert {"alg": "EdDSA", "kid": key["kid"], "typ": "erasure-certificate+jwt"} == head
    return payload(jws)


@BOTH
async def test_certificate_verifies_offline(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock, who: Person
) -> None:
    """The certificate verifies byte by byte with the published keys, and says what was done."""
    subject = await known(channel, who)
    wrapped = (await Subjects(app.ports).require(CALL, subject_id(subject))).key
    request = await exercise(channel, subject, ERASURE)

    claims = await verify(channel, await certificate(channel, request.name))

    assert wrapped is not None
    expected = {
        "tenant": subject.tenant,
        "role": "controller" if who is own_user else "processor",
        "subject_reference": request.subject_reference,
        "generation": 1,
        "request": request.name,
        "jti": request.name,
        "iss": "privacyrights",
        "iat": int(clock.now().timestamp()),
        "erase_time": clock.now().isoformat().replace("+00:00", "Z"),
    }
    assert expected == {name: claims[name] for name in expected}
    assert f"sha256:{sha256(wrapped).hexdigest()}" == claims["destroyed"]["key_digest"]
    assert (["holders/store"], []) == (
        claims["coverage"]["confirmed"],
        claims["coverage"]["holders"],
    )
    assert "No other holder" in claims["coverage"]["statement"]
    assert subject.subject_id not in json.dumps(claims)


async def test_altered_certificate_does_not_verify(channel: grpc.aio.Channel) -> None:
    """A certificate for another generation, under the same signature, is none."""
    subject = await known(channel, end_user)
    request = await exercise(channel, subject, ERASURE)
    header, _, signature = (await certificate(channel, request.name)).split(".")
    claims = {**payload(await certificate(channel, request.name)), "generation": 2}
    content = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")

    with pytest.raises(InvalidSignature):
        await verify(channel, f"{header}.{content}.{signature}")


async def test_only_executed_erasures_have_a_certificate(channel: grpc.aio.Channel) -> None:
    """An erasure that is still open, and an access, have none."""
    subject = await known(channel, end_user)
    opened = await ask(channel, subject, ERASURE)
    access = await exercise(channel, subject, ACCESS)

    found = [await refused(certificate(channel, each.name)) for each in (opened, access)]

    assert [("NOT_FOUND", "CERTIFICATE_NOT_FOUND")] * 2 == [
        (each.code, each.reason) for each in found
    ]


# --- The list ------------------------------------------------------------------------------------
