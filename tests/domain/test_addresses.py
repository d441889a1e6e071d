"""Looking for e-mail addresses in what is kept in clear."""

from __future__ import annotations

import pytest

from server.domain.values import names_an_address


@pytest.mark.parametrize(
    "text",
    ["a@b.c", "write to marie@example.org, please", "<marie@mail.example.org>", "x @ y@z.fr"],
)
def test_addresses_are_found(text: str) -> None:
    """Whatever stands around it."""
    assert names_an_address(text)


@pytest.mark.parametrize(
    "text", ["", "@", "a@b", "a @b.c", "a@ b.c", "a@.c", "at 5.30 @home", "a@b."]
)
def test_other_signs_are_not(text: str) -> None:
    """An @ alone, or a dot somewhere, is no address."""
    assert not names_an_address(text)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["a", "a@", "@", "a.", "\U0001f600"])
def test_no_text_takes_long(piece: str) -> None:
    """A million characters are looked through at once; one look for each pair would take hours."""
    assert not names_an_address(piece * 1_000_000)
