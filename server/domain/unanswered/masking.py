"""Masks what obviously tells who somebody is, in a text that is to be connected to nobody (S5).

It finds what has a form: addresses, numbers, handles, links that hold an id. A name, or what
people tell of themselves in their own words, has none; so what is kept is sealed besides.

Every pattern begins where no other match of it could have begun, and gives nothing back that
it has taken (`++`): the time is linear in the text, whatever somebody sends.
"""

from __future__ import annotations

import re

EMAIL, LINK, ACCOUNT, ADDRESS, NUMBER, HANDLE = (
    "[e-mail]",
    "[link]",
    "[account]",
    "[address]",
    "[number]",
    "[handle]",
)

_AT = r"(?:[@\uff20\ufe6b]|\s?[(\[]\s?at\s?[)\]]\s?)"
_WORD = r"(?<![\w.+%-])"
_SPACE = r"[ .\u00a0\u2009\u202f/()\-\u2010-\u2013]"

_LINK = re.compile(r"(?i)\b(?:https?|ftp)://\S++|(?<![\w@.])www\.\S++")
_BARE_LINK = re.compile(r"(?i)(?<![\w@.-])[a-z0-9-]++(?:\.[a-z0-9-]++)+/\S++")
_EMAIL = re.compile(rf"(?i){_WORD}[\w.+%-]++{_AT}[\w-]++(?:\.[\w-]++)+")
# Country, check digits, and up to 30 characters in groups as they are printed (ISO 13616).
_IBAN = re.compile(
    r"(?i)(?<!\w)[a-z]{2}\d{2}(?:[ \u00a0-]?[a-z0-9]{4}){2,7}(?:[ \u00a0-]?[a-z0-9]{1,3})?+(?!\w)"
)
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\d)")
# Two colons in a row or five in all: the time of day has neither.
_IPV6 = re.compile(
    r"(?i)(?<![\w:])(?=[0-9a-f:]{0,30}::|(?:[0-9a-f]{1,4}:){5})[0-9a-f:]{3,39}+(?![\w:])"
)
# A telephone number, a PSID, a card, a customer or order number: seven digits or more.
_NUMBER = re.compile(rf"(?<!\w)(?:\+{_SPACE}?)?+\d(?:{_SPACE}{{0,3}}+\d){{6,}}+")
_MIXED = re.compile(r"(?<![\w-])(?=[A-Za-z_-]*+\d)[A-Za-z0-9_-]{12,}+(?!\w)")
_HANDLE = re.compile(r"(?<![\w@])[@\uff20][\w.]{2,}+")

_PATTERNS = (
    (_EMAIL, EMAIL),
    (_LINK, LINK),
    (_BARE_LINK, LINK),
    (_IBAN, ACCOUNT),
    (_IPV4, ADDRESS),
    (_IPV6, ADDRESS),
    (_NUMBER, NUMBER),
    (_MIXED, NUMBER),
    (_HANDLE, HANDLE),
)
"""What is looked for, in this order: what is part of something longer comes after that."""


def masked(text: str) -> str:
    """Return *text* with a word such as `[e-mail]` in the place of each obvious identifier.

    A link is masked as a whole: what follows the host may be somebody's id, whatever its form.
    """
    for pattern, word in _PATTERNS:
        text = pattern.sub(word, text)
    return text
