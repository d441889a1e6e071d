"""How a contact can be reached."""

from __future__ import annotations

import pytest

from server.domain.assistance.contacts import Function, Post, address
from server.domain.assistance.inquiry import Side
from server.domain.values import InvalidValueError


@pytest.mark.parametrize(
    "text",
    [
        "dpo@example.org",
        "Équipe.RGPD+breach@sub.example.org",
        "root@localhost",
        "+33 1 23 45 67 89",
        "01.23.45.67.89",
        "112",
    ],
)
def test_addresses_are_mail_or_phone(text: str) -> None:
    """What somebody can be reached at is taken as it is."""

    assert text == address(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "dpo",
        "dpo@",
        "@example.org",
        "dpo@example..org",
        "a@b@c.org",
        "dpo @example.org",
        "dpo@example.org\n",
        "dpo\x00@example.org",
        "+",
        "12",
        "https://example.org",
        "1" * 201,
        "a" * 190 + "@example.org",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """What nobody can be reached at isn't a contact; the rule never echoes it."""

    with pytest.raises(InvalidValueError) as caught:
        address(text)
    assert not text.strip() or text not in str(caught.value)


def test_posts_have_names_of_their_own() -> None:
    """Each function of each side has one name."""

    names = {Post(side, function).name("acme") for side in Side for function in Function}
    assert 8 == len(names)
    assert "tenants/acme/contacts/tenant-data-protection-officer" in names
