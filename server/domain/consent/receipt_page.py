"""A consent receipt for people: one page that stands alone, in the language that was shown."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from server.domain.consent.receipt_words import DEFAULT, WORDS
from server.domain.values import Role

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from server.domain.consent.receipt_claims import Matter
    from server.domain.consent.receipt_words import Words

# It loads nothing, runs nothing and sends nothing: it may be mailed and opened anywhere.
_HEAD = (
    '<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
)
_STYLE = (
    "<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;"
    "padding:0 1rem}dt{font-weight:600;margin-top:.75rem}dd{margin:0}"
    "blockquote{margin:0;padding-left:1rem;border-left:.25rem solid}</style>"
)


def page(matter: Matter, locale: str) -> tuple[str, str]:
    """Return the page about *matter* in *locale*, as near as there are words for, and its language.

    What was shown is quoted in the language in which it was shown, whatever that of the page.
    """
    language = next((each for each in (locale, locale.partition("-")[0]) if each in WORDS), DEFAULT)
    words = WORDS[language]
    rows = "".join(f"<dt>{escape(term)}</dt><dd>{said}</dd>" for term, said in _rows(matter, words))
    title = escape(words.title)
    body = f"<h1>{title}</h1><p>{escape(words.choices[matter.decision.choice])}</p><dl>{rows}</dl>"
    html = (
        f'<!DOCTYPE html><html lang="{language}"><head>{_HEAD}<title>{title}</title>{_STYLE}</head>'
        f"<body>{body}<p>{escape(words.withdrawal)}</p></body></html>"
    )
    return html, language


def _rows(matter: Matter, words: Words) -> Iterator[tuple[str, str]]:
    """Yield what is told, as term and HTML."""
    decision, rule = matter.decision, matter.rule
    is_ours = matter.purpose.role is Role.CONTROLLER
    yield words.purpose, escape(matter.purpose.title)
    if matter.text:
        # Valid by its pattern, and escaped all the same.
        lang = escape(decision.locale)
        yield words.shown, f'<blockquote lang="{lang}">{escape(matter.text)}</blockquote>'
    yield words.decided, _time(decision.decision_time)
    if decision.expire_time is not None:
        yield words.until, _time(decision.expire_time)
    yield words.data, escape(", ".join(category.title for category in matter.categories))
    yield words.controller, escape(words.platform if is_ours else matter.tenant_name)
    if rule is not None:
        yield words.kept, escape(words.months.format(rule.months))
    if matter.policy_version:
        yield words.policy, escape(matter.policy_version)
    yield words.reference, escape(decision.reference)
    yield words.receipt, escape(matter.name)


def _time(time: datetime) -> str:
    return f'<time datetime="{time.isoformat()}">{time:%Y-%m-%d %H:%M} UTC</time>'
