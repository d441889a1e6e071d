"""Consistency tokens are opaque, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from bson.timestamp import Timestamp
from hypothesis import example, given
from hypothesis import strategies as st

from server.domain.errors import ConsistencyTokenInvalidError
from server.storage import token

numbers = st.integers(0, 2**32 - 1)


@given(numbers, numbers)
def test_a_token_keeps_the_time(seconds: int, increment: int) -> None:
    """What was encoded is decoded, from characters that are safe in URLs."""
    made = token.encode(Timestamp(seconds, increment))

    assert Timestamp(seconds, increment) == token.decode(made)
    assert made.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=30))
@example("é" * 18)
@example("A" * 18)
def test_garbage_is_refused(text: str) -> None:
    """Whatever a caller sends instead is an error of the caller's."""
    with pytest.raises(ConsistencyTokenInvalidError):
        token.decode(text)


@given(numbers, st.integers(0, 17), st.sampled_from("AZaz09-_"))
def test_a_damaged_token_is_refused(seconds: int, position: int, character: str) -> None:
    """A token with one other character isn't a token of another time."""
    made = token.encode(Timestamp(seconds, 7))
    damaged = made[:position] + character + made[position + 1 :]

    try:
        decoded = token.decode(damaged)
    except ConsistencyTokenInvalidError:
        return
    assert Timestamp(seconds, 7) == decoded
