"""An unanswered message: as it waits for others to be mixed with, and once it was.

What waits tells when it came, since the database keeps the order and the time of every write;
what was released tells its words. So nothing may join the two but chance:

- What waits is ciphertext of one of few lengths: neither its words nor how many they are show.
- It waits in a crowd: with those of the same chatbot, language and length, since these are
  seen on both sides. Of what is handed in at once, each goes to another crowd, so that a
  crowd never has two of the same hand.
- A crowd is released as a whole, in one transaction, in random order and under new ids, and
  only if it has `CROWD` members.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.domain.change import Kind, Table

HELD = Table(Kind.HELD_MESSAGES)
MESSAGES = Table(Kind.UNANSWERED_MESSAGES)

MAX_MESSAGE = 4000
"""Most characters of a message, as it is handed in."""

CROWD = 20
"""How many are released together at least: who links one to its hour is right once in so many."""

SIZES = (512, 4096, 16_384)
"""Bytes to which what waits is filled up; few, so that there is company for each length."""


@dataclass(frozen=True, slots=True)
class Held:
    """A message that waits to be released.

    Shapes:
        id: `tenant/` and a random id, which it doesn't keep.
        crowd: `tenant/chatbot/locale/size/turn`; `turn` counts from 0 what was handed in at once.
        day: `YYYY-MM-DD`, UTC, of its coming.
        sealed: the text, filled up to its size, under the tenant's key.
    """

    id: str
    tenant: str
    version: int
    chatbot: str
    locale: str
    crowd: str
    day: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class UnansweredMessage:
    """A message that was released, connected to nobody.

    Shapes:
        id: `tenant/` and a random id.
        release_date: `YYYY-MM-DD`, UTC; there is no finer time.
        sealed: the text, under the tenant's key.
    """

    id: str
    tenant: str
    version: int
    chatbot: str
    locale: str
    release_date: str
    sealed: bytes


def size_of(text: str) -> int:
    """Return the size that *text*, which was masked, is filled up to."""
    length = len(text.encode())
    return next(size for size in SIZES if length <= size)


def filled_up(text: str, size: int) -> bytes:
    """Return *text* in *size* bytes; it has no control characters, so zeros end it."""
    return text.encode().ljust(size, b"\0")


def taken_out(content: bytes) -> str:
    """Return the text that was `filled_up`."""
    return content.rstrip(b"\0").decode()


def held_context(crowd: str) -> str:
    """Return what a message that waits is sealed as."""
    return f"unanswered/held/{crowd}"


def released_context(id: str) -> str:
    """Return what the message *id* is sealed as."""
    return f"unanswered/released/{id}"
