"""Lists in pages (AIP-158): a page token names the last thing seen, in one certain list."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec
from google.protobuf.message import Message

from server.domain.errors import PageTokenInvalidError, ResumeTokenInvalidError
from server.handlers.fields import Fields

T = TypeVar("T")

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
_DIGEST_BYTES = 8
_INT64 = 2**63


class _Paged(Protocol):
    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True)
class Page:
    """The page that a request asks for: at most `size` things after `after` (order value, id)."""

    size: int
    after: tuple[object, str] | None
    list: bytes

    @property
    def limit(self) -> int:
        """How many to read: one more than the page has, to know whether there is a next one."""
        return self.size + 1

    def cut(
        self, found: Sequence[T], position: Callable[[T], tuple[object, str]]
    ) -> tuple[Sequence[T], str]:
        """Return the page out of what was *found* with `limit`, and the token of the next one.

        *position* gives the order value and id of a thing.
        """
        if len(found) <= self.size:
            return found, ""
        shown = found[: self.size]
        return shown, self.token(position(shown[-1]))

    def token(self, position: tuple[object, str]) -> str:
        """Return the token of the page that begins after *position*: order value and id."""
        token = msgspec.msgpack.encode((self.list, *position))
        return base64.urlsafe_b64encode(token).decode().rstrip("=")


class _Token(msgspec.Struct, array_like=True):
    list: bytes
    value: object
    id: str


def page(fields: Fields, request: Message) -> Page:
    """Return the page that *request*, which has `page_size` and `page_token`, asks for.

    Raises:
        PageTokenInvalidError: the token isn't one that the same list returned.
    """
    paged: _Paged = request  # type: ignore[assignment]  # a message with both fields
    if paged.page_size < 0:
        fields.wrong("page_size", "must not be negative")
    size = min(paged.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    listed = _listed(request)
    return Page(size, _after(paged.page_token, listed), listed)


def resumed(request: Message, token: str) -> Page:
    """Return the rest of the stream that *request* asks for: all after its *token*, if it has one.

    Raises:
        ResumeTokenInvalidError: the token isn't one that the same stream returned.
    """
    listed = _listed(request)
    try:
        return Page(0, _after(token, listed), listed)
    except PageTokenInvalidError:
        raise ResumeTokenInvalidError from None


def _listed(request: Message) -> bytes:
    """Return a digest of what is listed: of all in *request* but how, why and from where on."""
    bare = type(request)()
    bare.CopyFrom(request)
    for name in ("page_size", "page_token", "reason", "consistency", "resume_token"):
        if name in bare.DESCRIPTOR.fields_by_name:
            bare.ClearField(name)
    content = bare.DESCRIPTOR.name.encode() + bare.SerializeToString(deterministic=True)
    return hashlib.sha256(content).digest()[:_DIGEST_BYTES]


def _after(token: str, listed: bytes) -> tuple[object, str] | None:
    if not token:
        return None
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        decoded = msgspec.msgpack.decode(raw, type=_Token)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise PageTokenInvalidError from None
    if decoded.list != listed or not _is_order_value(decoded.value):
        raise PageTokenInvalidError
    return decoded.value, decoded.id


def _is_order_value(value: object) -> bool:
    """Whether a list can be ordered by *value*: whoever reads a token can make one as well."""
    if isinstance(value, int):
        return abs(value) < _INT64
    return value is None or isinstance(value, str | datetime)
