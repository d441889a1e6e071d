"""Recording what people want after death, and putting it into effect."""

from __future__ import annotations

from typing import Any

import grpc

from privacyrights.v1 import directive_service_pb2 as pb
from privacyrights.v1 import directive_service_pb2_grpc, types_pb2
from privacyrights.v1 import subject_rights_service_pb2 as rights_pb
from tests.rpc.exercising import LOGIN
from tests.rpc.people import new_id

KEEP = pb.DIRECTIVE_ACTION_KEEP
ERASE = pb.DIRECTIVE_ACTION_ERASE
COMMUNICATE = pb.DIRECTIVE_ACTION_COMMUNICATE

HEIR = rights_pb.Requester(capacity=rights_pb.REQUESTER_CAPACITY_HEIR, evidence_digest="cd" * 32)
WHY = "asked by the person"


def directives(
    channel: grpc.aio.Channel,
) -> directive_service_pb2_grpc.DirectiveServiceAsyncStub:
    """Return the service's stub."""
    return directive_service_pb2_grpc.DirectiveServiceStub(channel)


async def want(
    channel: grpc.aio.Channel,
    subject: types_pb2.Subject,
    action: pb.DirectiveAction.ValueType,
    *,
    request_id: str = "",
    **fields: Any,
) -> pb.Directive:
    """Record a directive; *fields* are others of it."""
    response = await directives(channel).RecordDirective(
        pb.RecordDirectiveRequest(
            subject=subject,
            directive=pb.Directive(action=action, **fields),
            identity=LOGIN,
            request_id=request_id or new_id(),
        )
    )
    return response.directive


async def told(channel: grpc.aio.Channel, name: str, reason: str = WHY) -> pb.Directive:
    """Return a directive."""
    response = await directives(channel).GetDirective(
        pb.GetDirectiveRequest(name=name, reason=reason)
    )
    return response.directive


async def change(channel: grpc.aio.Channel, name: str, *paths: str, **fields: Any) -> pb.Directive:
    """Change the fields *paths* of a directive."""
    request = pb.UpdateDirectiveRequest(
        directive=pb.Directive(name=name, **fields), identity=LOGIN, request_id=new_id()
    )
    request.update_mask.paths.extend(paths)
    return (await directives(channel).UpdateDirective(request)).directive


async def revoke(channel: grpc.aio.Channel, name: str) -> pb.Directive:
    """Revoke a directive."""
    response = await directives(channel).RevokeDirective(
        pb.RevokeDirectiveRequest(name=name, identity=LOGIN, request_id=new_id())
    )
    return response.directive


async def died(
    channel: grpc.aio.Channel, subject: types_pb2.Subject, **fields: Any
) -> pb.ActivateDirectivesResponse:
    """Put the directives of *subject* into effect, at the instance of an heir."""
    given: dict[str, Any] = {
        "subject": subject,
        "evidence": pb.DEATH_EVIDENCE_CERTIFICATE,
        "evidence_digest": "ab" * 32,
        "requester": HEIR,
        "identity": LOGIN,
        "request_id": new_id(),
        **fields,
    }
    return await directives(channel).ActivateDirectives(pb.ActivateDirectivesRequest(**given))
