"""Exercising rights: what records hold of a person, and what becomes of a request."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import grpc

from privacyrights.v1 import subject_rights_service_pb2 as pb
from privacyrights.v1 import subject_rights_service_pb2_grpc, types_pb2
from tests.rpc.kept import put
from tests.rpc.people import REASON, new_id, new_tenant, own_user

Person = Callable[[str], types_pb2.Subject]
"""Makes somebody of a tenant who isn't known yet."""

ACCESS = pb.RIGHTS_REQUEST_KIND_ACCESS
ERASURE = pb.RIGHTS_REQUEST_KIND_ERASURE

LOGIN = pb.IdentityAttestation(
    assurance=pb.IDENTITY_ASSURANCE_SUBSTANTIAL, method=pb.IDENTITY_METHOD_PLATFORM_LOGIN
)

ACCOUNT = ("purposes/manage_relationship", "categories/account")
"""What is kept of a tenant's own people."""

ANSWERS = ("purposes/optimise_interactions", "categories/quick_reply")
"""What is kept of those who talk to a tenant's chatbots."""


def rights(
    channel: grpc.aio.Channel,
) -> subject_rights_service_pb2_grpc.SubjectRightsServiceAsyncStub:
    """Return the service's stub."""
    return subject_rights_service_pb2_grpc.SubjectRightsServiceStub(channel)


async def keep(
    channel: grpc.aio.Channel, subject: types_pb2.Subject, key: str = "", **fields: str
) -> None:
    """Record something of *subject*: of the account, or of the answers to a chatbot."""
    is_end_user = subject.role == types_pb2.ROLE_PROCESSOR
    purpose, category = ANSWERS if is_end_user else ACCOUNT
    given = {"answer": "blue"} if is_end_user else {"name": "Ada", "email": "ada@example.org"}
    await put(channel, subject, {**given, **fields}, purpose=purpose, category=category, key=key)


async def known(channel: grpc.aio.Channel, who: Person = own_user) -> types_pb2.Subject:
    """Return somebody about whom something is kept."""
    subject = who(await new_tenant(channel))
    await keep(channel, subject)
    return subject


async def ask(
    channel: grpc.aio.Channel,
    subject: types_pb2.Subject,
    kind: pb.RightsRequestKind.ValueType,
    /,
    **fields: Any,
) -> pb.RightsRequest:
    """Create a request, verified unless *fields* say otherwise."""
    given: dict[str, Any] = {
        "subject": subject,
        "kind": kind,
        "identity": LOGIN,
        "request_id": new_id(),
        **fields,
    }
    response = await rights(channel).CreateRightsRequest(pb.CreateRightsRequestRequest(**given))
    return response.rights_request


async def authorise(channel: grpc.aio.Channel, name: str) -> None:
    """Have the tenant instruct the execution of a request."""
    await rights(channel).AuthoriseRightsRequest(
        pb.AuthoriseRightsRequestRequest(
            name=name, authorised_by="Head of support", request_id=new_id()
        )
    )


async def execute(channel: grpc.aio.Channel, name: str, request_id: str = "") -> pb.RightsRequest:
    """Execute a request."""
    response = await rights(channel).ExecuteRightsRequest(
        pb.ExecuteRightsRequestRequest(name=name, request_id=request_id or new_id())
    )
    return response.rights_request


async def exercise(
    channel: grpc.aio.Channel,
    subject: types_pb2.Subject,
    kind: pb.RightsRequestKind.ValueType,
    **fields: Any,
) -> pb.RightsRequest:
    """Create a request, authorise it if the tenant has to, and execute it."""
    request = await ask(channel, subject, kind, **fields)
    if subject.role == types_pb2.ROLE_PROCESSOR:
        await authorise(channel, request.name)
    return await execute(channel, request.name)


async def get(channel: grpc.aio.Channel, name: str) -> pb.RightsRequest:
    """Return a request as it stands."""
    response = await rights(channel).GetRightsRequest(
        pb.GetRightsRequestRequest(name=name, reason=REASON)
    )
    return response.rights_request


async def pieces(
    channel: grpc.aio.Channel, name: str, offset: int = 0
) -> list[pb.DownloadExportResponse]:
    """Download the export of a request."""
    call = rights(channel).DownloadExport(
        pb.DownloadExportRequest(name=name, offset=offset, reason="handed to the person")
    )
    return [piece async for piece in call]


async def erasures(
    channel: grpc.aio.Channel, tenant: str, role: types_pb2.Role.ValueType, **fields: Any
) -> pb.ListErasuresResponse:
    """Return one page of a tenant's erasures; *fields* are those of the request."""
    return await rights(channel).ListErasures(
        pb.ListErasuresRequest(parent=tenant, role=role, **fields)
    )


async def document(channel: grpc.aio.Channel, name: str) -> dict[str, Any]:
    """Return the export of a request, read."""
    content = b"".join(piece.chunk for piece in await pieces(channel, name))
    read: dict[str, Any] = json.loads(content)
    return read


async def attest(channel: grpc.aio.Channel, name: str) -> pb.AttestIdentityResponse:
    """Attest that a request is the person's own."""
    return await rights(channel).AttestIdentity(
        pb.AttestIdentityRequest(name=name, identity=LOGIN, request_id=new_id())
    )


async def withdraw(channel: grpc.aio.Channel, name: str) -> pb.WithdrawRightsRequestResponse:
    """Take a request back."""
    return await rights(channel).WithdrawRightsRequest(
        pb.WithdrawRightsRequestRequest(name=name, request_id=new_id())
    )


async def refuse(
    channel: grpc.aio.Channel,
    name: str,
    ground: pb.RefusalGround.ValueType,
    *,
    request_id: str = "",
) -> pb.RefuseRightsRequestResponse:
    """Refuse a request."""
    return await rights(channel).RefuseRightsRequest(
        pb.RefuseRightsRequestRequest(
            name=name,
            ground=ground,
            explanation="Your invoice is in dispute.",
            request_id=request_id or new_id(),
        )
    )


async def certificate(channel: grpc.aio.Channel, name: str) -> str:
    """Return the certificate of a request."""
    response = await rights(channel).GetErasureCertificate(
        pb.GetErasureCertificateRequest(name=name)
    )
    return response.jws


def decoded(part: str) -> bytes:
    """Return a part of a JWS as bytes (RFC 7515 section 2)."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def payload(jws: str) -> dict[str, Any]:
    """Return what a JWS says, unverified."""
    claims: dict[str, Any] = json.loads(decoded(jws.split(".")[1]))
    return claims
