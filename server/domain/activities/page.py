"""The record of processing activities for people: one page that stands alone and prints well."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from server.domain.activities.words import DEFAULT, WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from server.domain.activities.record import (
        Activity,
        Controller,
        ProcessingRecord,
        RecipientEntry,
    )
    from server.domain.activities.words import Words

# It loads nothing, runs nothing and sends nothing: it may be mailed and opened anywhere.
_HEAD = (
    '<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
)
_STYLE = (
    "<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;"
    "padding:0 1rem}dt{font-weight:600;margin-top:.5rem}dd{margin:0}"
    "section{break-inside:avoid}</style>"
)


def page(record: ProcessingRecord) -> str:
    """Return *record* as HTML in its locale, as near as there are words for."""
    wanted = (record.locale, record.locale.partition("-")[0])
    language = next((each for each in wanted if each in WORDS), DEFAULT)
    words = WORDS[language]
    title = escape(words.title)
    return (
        f'<!DOCTYPE html><html lang="{language}"><head>{_HEAD}<title>{title}</title>{_STYLE}</head>'
        f"<body><h1>{title}</h1><p>{escape(words.articles[record.article])}, "
        f"{_time(record.export_time)}</p>{''.join(_sections(record, words))}</body></html>"
    )


def _sections(record: ProcessingRecord, words: Words) -> Iterator[str]:
    if record.missing:
        yield f"<h2>{escape(words.missing)}</h2>" + _items(
            words.values[each] for each in record.missing
        )
    yield f"<h2>{escape(words.party)}</h2>" + _list(_party(record, words))
    if record.controllers:
        yield f"<h2>{escape(words.controllers)}</h2>"
        for controller in record.controllers:
            yield _section(controller.display_name, _controller(controller, words))
    names = {each.category: each.title for each in record.categories}
    names.update({each.recipient: each.display_name for each in record.recipients})
    yield f"<h2>{escape(words.activities)}</h2>"
    for activity in record.activities:
        yield _section(activity.title, _activity(activity, words, names))
    yield f"<h2>{escape(words.categories)}</h2>" + _list(
        (each.title + (f" – {words.special}" if each.special_category else ""), _text(each.fields))
        for each in record.categories
    )
    yield f"<h2>{escape(words.recipients)}</h2>" + (
        _list((each.display_name, _recipient(each, words)) for each in record.recipients)
        or f"<p>{escape(words.none)}</p>"
    )
    measures = record.security_measures or words.none
    yield f"<h2>{escape(words.security)}</h2><p>{escape(measures)}</p>"


def _party(record: ProcessingRecord, words: Words) -> Iterator[tuple[str, str]]:
    ours = record.organisation
    if ours is None:
        return
    yield ours.display_name, ""
    for term, said in (
        (words.address, ours.address),
        (words.contact_point, ours.contact_point),
        (words.representative, ours.representative),
        (words.officer, ours.data_protection_officer),
        (words.authority, ours.supervisory_authority),
    ):
        if said:
            yield term, escape(said)


def _controller(controller: Controller, words: Words) -> Iterator[tuple[str, str]]:
    for contact in controller.contacts:
        yield words.values[contact.function], _text((contact.display_name, contact.address))
    if controller.instructed_categories:
        yield words.instructed, _text(controller.instructed_categories)


def _activity(activity: Activity, words: Words, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    if activity.description:
        # Valid by its pattern, and escaped all the same.
        lang = escape(activity.description_locale)
        yield activity.purpose, f'<span lang="{lang}">{escape(activity.description)}</span>'
    basis = words.values[activity.legal_basis]
    yield words.basis, _text(filter(None, (basis, activity.legitimate_interest)))
    yield words.subjects, _text(words.values[each] for each in activity.data_subjects)
    yield words.data, _text(names.get(each, each) for each in activity.categories)
    yield words.recipients, _text(names[each] for each in activity.recipients) or escape(words.none)
    limit = activity.time_limit
    if limit is not None:
        period = f"{words.months.format(limit.months)} {words.values[limit.anchor]}"
        yield words.erasure, escape(f"{period}: {limit.reason}")
    if activity.retire_time is not None:
        yield words.retired, _time(activity.retire_time)


def _recipient(each: RecipientEntry, words: Words) -> str:
    said = f"{words.values[each.kind]}, {each.country}"
    if each.is_third_country:
        safeguard = words.values.get(each.safeguard, words.none)
        said += f" ({words.third_country} {safeguard})"
    return escape(said)


def _section(title: str, rows: Iterable[tuple[str, str]]) -> str:
    return f"<section><h3>{escape(title)}</h3>{_list(rows)}</section>"


def _list(rows: Iterable[tuple[str, str]]) -> str:
    """Return *rows*, of a term and HTML, as a list; nothing if there are none."""
    said = "".join(f"<dt>{escape(term)}</dt><dd>{html}</dd>" for term, html in rows)
    return f"<dl>{said}</dl>" if said else ""


def _items(texts: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>"


def _text(texts: Iterable[str]) -> str:
    return escape(", ".join(texts))


def _time(time: datetime) -> str:
    return f'<time datetime="{time.isoformat()}">{time:%Y-%m-%d %H:%M} UTC</time>'
