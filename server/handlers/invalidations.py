"""Invalidations and resume tokens, between the contract and `domain.consent.watching`."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping

import msgspec

from privacyrights.v1 import consent_service_pb2 as pb
from server.domain.consent.invalidation import Invalidation
from server.domain.consent.watching import Told, Watched
from server.domain.errors import ResumeTokenInvalidError
from server.domain.values import Role
from server.handlers import names
from server.handlers.fields import Fields
from server.handlers.times import timestamp

MAX_TENANTS = 100
MAX_TOKEN = 1_000
_DIGEST_BYTES = 8


class _Token(msgspec.Struct, array_like=True):
    watched: bytes
    positions: dict[int, int]


def decode_watch(
    request: pb.WatchInvalidationsRequest, fields: Fields
) -> tuple[Watched, Mapping[int, int] | None]:
    """Return what *request* asks to watch, and from which positions on; None: from now on.

    Raises:
        InvalidArgumentError: fields break their rules.
        ResumeTokenInvalidError: the token isn't one that the same stream returned.
    """
    given = fields.several("tenants", request.tenants, least=1, most=MAX_TENANTS)
    tenants = tuple(
        fields.take(f"tenants[{index}]", names.tenant, tenant) for index, tenant in enumerate(given)
    )
    role: Role = fields.role("role", request.role)
    fields.done()
    watched = Watched(tenants, role)
    if not request.resume_token:
        return watched, None
    return watched, _positions(watched, request.resume_token)


def told_message(watched: Watched, told: Told) -> pb.WatchInvalidationsResponse:
    """Return *told* as the contract has it."""
    token = msgspec.msgpack.encode(_Token(_digest(watched), dict(told.positions)))
    return pb.WatchInvalidationsResponse(
        invalidations=[_message(each) for each in told.invalidations],
        complete_time=timestamp(told.complete_time),
        resume_token=base64.urlsafe_b64encode(token).decode().rstrip("="),
        consistency_token=told.token,
    )


def _message(invalidation: Invalidation) -> pb.Invalidation:
    return pb.Invalidation(
        tenant=invalidation.tenant and f"tenants/{invalidation.tenant}",
        subject_reference=invalidation.subject,
        purpose=invalidation.purpose and f"purposes/{invalidation.purpose}",
        change_time=timestamp(invalidation.time),
    )


def _positions(watched: Watched, token: str) -> Mapping[int, int]:
    if len(token) > MAX_TOKEN:
        raise ResumeTokenInvalidError
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        decoded = msgspec.msgpack.decode(raw, type=_Token)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise ResumeTokenInvalidError from None
    if decoded.watched != _digest(watched):
        raise ResumeTokenInvalidError
    return decoded.positions


def _digest(watched: Watched) -> bytes:
    named = "\n".join((watched.role, *watched.tenants))
    return hashlib.sha256(named.encode()).digest()[:_DIGEST_BYTES]
