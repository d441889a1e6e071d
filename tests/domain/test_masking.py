"""What obviously tells who somebody is doesn't stay in a text that is connected to nobody (S5)."""

from __future__ import annotations

import time

import pytest

from server.domain.unanswered.masking import masked
from server.domain.unanswered.message import MAX_MESSAGE, SIZES, filled_up, size_of, taken_out

IDENTIFIERS = {
    "mail me at ada.lovelace+bot@example.co.uk please": "mail me at [e-mail] please",
    "ada(at)example.org": "[e-mail]",
    "ada [at] example.org": "[e-mail]",
    "\uff20ada_l or @ada.l": "[handle] or [handle]",
    "see https://example.org/u/4711?x=1 now": "see [link] now",
    "see www.example.org/me": "see [link]",
    "m.example/ada.lovelace.9 is me": "[link] is me",
    "call +33 6 12 34 56 78!": "call [number]!",
    "call (06) 12.34.56-78": "call ([number]",
    "my psid is 2873649812736": "my psid is [number]",
    "DE89 3704 0044 0532 0130 00, thanks": "[account], thanks",
    "fr7630006000011234567890189": "[account]",
    "from 192.168.17.4 and 2001:db8::ff00:42:8329": "from [address] and [address]",
    "order no-12-cd34-ef56": "order [number]",
    "card 4111 1111 1111 1111": "card [number]",
}

HARMLESS = (
    "what are your opening hours on 24/12?",
    "at 12:30:45, or C++ std::move?",
    "I want 2 tickets for 15 euros @ noon",
    "c'est à 20h30 ou 21h?",
    "do you have size 42 in blue, e.g. navy/black",
    "a" * 300,
    "ça va ? 你好 🙂",
)


@pytest.mark.parametrize("text", IDENTIFIERS)
def test_obvious_identifiers_are_masked(text: str) -> None:
    """Addresses, numbers, handles, links and accounts are replaced, and what is around stays."""

    assert IDENTIFIERS[text] == masked(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_identifies_nobody_stays(text: str) -> None:
    """A question is of use to the tenant only as it was asked."""

    assert text == masked(text)


@pytest.mark.parametrize("text", IDENTIFIERS)
def test_masking_again_changes_nothing(text: str) -> None:
    """What stands for an identifier looks like none."""

    assert masked(text) == masked(masked(text))


@pytest.mark.parametrize(
    "part",
    ["a", "a.", "1 ", "1-", "a-", "@", "a@", "ab1-", "1.1.", "f:", "+", "(at)", "a./", "de12 "],
)
def test_no_text_takes_long(part: str) -> None:
    """The longest message is masked at once, whatever it is made of."""
    text = (part * MAX_MESSAGE)[:MAX_MESSAGE]

    started = time.process_time()
    for end in ("", "x", "@", "\n"):
        masked(text[: MAX_MESSAGE - 1] + end)

    assert 0.2 > time.process_time() - started


@pytest.mark.parametrize("part", ["@aa ", "a@b.c ", "é", "🙂", "x"])
def test_every_message_has_a_size(part: str) -> None:
    """The longest message fits, also where masks are longer than what they stand for."""
    kept = masked((part * MAX_MESSAGE)[:MAX_MESSAGE])

    assert kept == taken_out(filled_up(kept, size_of(kept)))
    assert len(filled_up(kept, size_of(kept))) in SIZES
