"""Chapters about people's rights: a copy handed over, and an erasure proven."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from demo.cast import FLOWERS, new_request_id
from demo.daily_life import OPTIMISE
from demo.narrator import Narrator
from demo.stage import Stage
from privacyrights.v1 import (
    audit_service_pb2,
    records_service_pb2,
    retention_service_pb2,
    subject_rights_service_pb2,
    types_pb2,
)
from server.domain.subject import Subject
from server.domain.subjects import subjects
from server.domain.values import Role

pb = subject_rights_service_pb2
LOGIN = pb.IdentityAttestation(
    assurance=pb.IDENTITY_ASSURANCE_SUBSTANTIAL, method=pb.IDENTITY_METHOD_PLATFORM_LOGIN
)


async def give_access(stage: Stage, narrator: Narrator) -> None:
    """Answer the request of a tenant's own user with a copy of everything."""
    narrator.chapter(
        5,
        "“What do you have about me?”",
        "“Access your personal data […]” “Receive, upon request, all your personal data in a"
        " structured and standard format”",
    )
    narrator.tell(f"{FLOWERS.owner} is signed in, and asks for a copy.")
    created = await stage.rights.CreateRightsRequest(
        pb.CreateRightsRequestRequest(
            subject=FLOWERS.own_user(),
            kind=pb.RIGHTS_REQUEST_KIND_ACCESS,
            identity=LOGIN,
            request_id=new_request_id(),
        )
    )
    request = created.rights_request
    narrator.tell(f"Due by {request.due_time.ToJsonString()}: one calendar month, Paris time.")
    done = await stage.rights.ExecuteRightsRequest(
        pb.ExecuteRightsRequestRequest(name=request.name, request_id=new_request_id())
    )
    narrator.expect(
        "the request is completed",
        holds=done.rights_request.state == pb.RIGHTS_REQUEST_STATE_COMPLETED,
    )
    export = b""
    async for piece in stage.rights.DownloadExport(
        pb.DownloadExportRequest(name=request.name, reason="handed to the person")
    ):
        export += piece.chunk
    copy = json.loads(export)
    text = export.decode()
    shown = {part: copy[part] for part in ("controller", "subject", "records", "retention")}
    narrator.show(json.dumps(shown, indent=2, ensure_ascii=False))
    narrator.tell(f"… and {', '.join(sorted(copy.keys() - shown.keys()))}.")
    narrator.expect("it has her name and address", holds=FLOWERS.owner_email in text)
    narrator.expect("it has nobody else's data", holds="Person " not in text)


async def erase(stage: Stage, narrator: Narrator) -> None:
    """Erase an end-user at the tenant's instruction, and prove it."""
    narrator.chapter(
        6,
        "“Forget me.”",
        "We are processor: the tenant decides. Then the key is destroyed, and it can be proven.",
    )
    who = FLOWERS.end_user(7)
    created = await stage.rights.CreateRightsRequest(
        pb.CreateRightsRequestRequest(
            subject=who,
            kind=pb.RIGHTS_REQUEST_KIND_ERASURE,
            identity=LOGIN,
            request_id=new_request_id(),
        )
    )
    name = created.rights_request.name
    execute = pb.ExecuteRightsRequestRequest(name=name, request_id=new_request_id())
    await narrator.expect_refused(
        "nothing happens before the tenant has said so",
        stage.rights.ExecuteRightsRequest(execute),
        "CONTROLLER_NOT_AUTHORISED",
    )
    await stage.rights.AuthoriseRightsRequest(
        pb.AuthoriseRightsRequestRequest(
            name=name, authorised_by="data protection officer", request_id=new_request_id()
        )
    )
    done = await stage.rights.ExecuteRightsRequest(
        pb.ExecuteRightsRequestRequest(name=name, request_id=new_request_id())
    )
    narrator.expect(
        f"{FLOWERS.title} authorises it, and it is completed",
        holds=done.rights_request.state == pb.RIGHTS_REQUEST_STATE_COMPLETED,
    )
    reference = done.rights_request.subject_reference
    tenant = FLOWERS.tenant.removeprefix("tenants/")
    kept = await stage.reader.get(
        subjects(Role.PROCESSOR), tenant, f"{tenant}/{reference}", Subject
    )
    narrator.expect(
        "in the database there is no key any more, only a tombstone",
        holds=kept is not None and kept.key is None and kept.sealed_id is None,
    )
    await _expect_gone(stage, narrator, who)
    certificate = await stage.rights.GetErasureCertificate(
        pb.GetErasureCertificateRequest(name=name)
    )
    keys = await stage.audit.ListKeys(audit_service_pb2.ListKeysRequest())
    claims = verified(certificate.jws, json.loads(keys.jwks))
    narrator.expect(
        "the certificate verifies offline, with the published key", holds=claims is not None
    )
    narrator.show(json.dumps(claims, indent=2, ensure_ascii=False))


async def _expect_gone(stage: Stage, narrator: Narrator, who: types_pb2.Subject) -> None:
    await narrator.expect_refused(
        "the next read finds nothing to decrypt",
        stage.records.ReadRecords(
            records_service_pb2.ReadRecordsRequest(
                subject=who, purpose=OPTIMISE, reason="greet the person by name"
            )
        ),
        "SUBJECT_ERASED",
    )
    await narrator.expect_refused(
        "a late event of another service resurrects nobody",
        stage.retention.RecordInteraction(
            retention_service_pb2.RecordInteractionRequest(
                interaction=retention_service_pb2.Interaction(subject=who),
                request_id=new_request_id(),
            )
        ),
        "SUBJECT_ERASED",
    )


def verified(jws: str, jwks: dict[str, Any]) -> dict[str, Any] | None:
    """Return the claims of *jws*, or None if no key of *jwks* signed it (RFC 7515, 8037)."""
    header, payload, signature = jws.split(".")
    kid = json.loads(_decoded(header))["kid"]
    key = next(key for key in jwks["keys"] if key["kid"] == kid)
    public = Ed25519PublicKey.from_public_bytes(_decoded(key["x"]))
    try:
        public.verify(_decoded(signature), f"{header}.{payload}".encode())
    except InvalidSignature:
        return None
    claims: dict[str, Any] = json.loads(_decoded(payload))
    return claims


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
