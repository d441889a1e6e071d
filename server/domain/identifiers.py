"""Ids: 128 bits that sort by time, or tell nothing at all.

An id is a letter and 26 characters of lower-case Crockford base32, so that it needs no
escaping, can be read out, and is a valid resource id (AIP-122), which starts with a letter.
The letter tells the regime: `c` for controller, `p` for processor, `n` for neither. The
128 bits are laid out as in a UUIDv7 without its version and variant bits (RFC 9562 section
5.7): 48 bits of milliseconds since 1970, then 80 random ones.
"""

from __future__ import annotations

import re
import secrets

from server.domain.ports import Clock
from server.domain.values import InvalidValueError, Role

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_LETTERS = {Role.CONTROLLER: "c", Role.PROCESSOR: "p", None: "n"}
_ROLES = {letter: role for role, letter in _LETTERS.items() if role is not None}
_ID = re.compile(f"[cp][0-7][{_ALPHABET}]{{25}}")

_SHIFTS = range(120, -1, -10)
_BITS = 128
_RANDOM_BITS = 80
_STEP_BITS = 32


class TimeOrderedIds:
    """Ids in the order in which they were made, by one event loop of one process.

    Within a millisecond, or when the clock was set back, each is the one before plus a
    random step (RFC 9562 section 6.2, method 2).
    """

    def __init__(self, clock: Clock) -> None:
        """Take the time from *clock*."""
        self._clock = clock
        self._milliseconds = -1
        self._last = 0

    def new(self, role: Role | None = None) -> str:
        """Return a new id that sorts by time, and whose first letter tells its regime, *role*."""
        milliseconds = round(self._clock.now().timestamp() * 1000)
        if milliseconds > self._milliseconds:
            self._milliseconds = milliseconds
            self._last = milliseconds << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
        else:
            self._last += 1 + secrets.randbits(_STEP_BITS)
        return _encode(self._last, role)


def random_id(role: Role | None = None) -> str:
    """Return a new id that tells neither when nor after what it was made (S5)."""
    return _encode(secrets.randbits(_BITS), role)


def role_of(id: str) -> Role:
    """Return the regime that *id* belongs to.

    Raises:
        InvalidValueError: it isn't the id of something that belongs to a regime.
    """
    if not _ID.fullmatch(id):
        raise InvalidValueError("must be an id that an earlier call returned")
    return _ROLES[id[0]]


def _encode(number: int, role: Role | None) -> str:
    # Two characters at a time: every change takes several ids, and this is half of what one costs.
    return _LETTERS[role] + "".join([_PAIRS[number >> shift & 0x3FF] for shift in _SHIFTS])
