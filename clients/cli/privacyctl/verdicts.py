"""A verdict in words for people, and in JSON for programs."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

from privacyrights.audit import Checkpoint, Found, Verdict, Warned


def as_text(verdict: Verdict, file: str) -> str:
    """Return *verdict* on *file* as lines to read; the first says all."""
    entries = "1 entry" if verdict.lines == 1 else f"{verdict.lines:,} entries"
    told = "VERIFIED" if verdict.verified else "NOT VERIFIED"
    lines = [f"{told}  {file}: {entries}"]
    if verdict.checkpoint is not None:
        lines += _checkpoint_lines(verdict.checkpoint)
    if verdict.verified:
        lines += [
            f"  earlier  {it.name}: its {it.checkpoint.size:,} entries are still the first ones"
            for it in verdict.earlier
        ]
    for found in verdict.findings:
        lines += ["", f"  {found.finding.name}{_where(found)}", f"    {_sentence(found)}"]
        lines += [f"    {found.detail}"]
    for warned in verdict.warnings:
        lines += ["", f"  odd: {warned.oddity.value}{_at(warned)}", f"    {warned.detail}"]
    return "\n".join(lines)


def as_json(verdict: Verdict, file: str) -> str:
    """Return *verdict* on *file* as one JSON object; names and members stay."""
    members = {
        "verified": verdict.verified,
        "file": file,
        "entries": verdict.lines,
        "checkpoint": _members(verdict.checkpoint) if verdict.checkpoint else None,
        "earlier": [{"file": it.name, **_members(it.checkpoint)} for it in verdict.earlier],
        "findings": [
            {
                "name": found.finding.name,
                "meaning": found.finding.value,
                "detail": found.detail,
                "line": found.line,
                "last_line": found.last_line,
            }
            for found in verdict.findings
        ],
        "warnings": [
            {
                "name": warned.oddity.name,
                "meaning": warned.oddity.value,
                "detail": warned.detail,
                "line": warned.line,
            }
            for warned in verdict.warnings
        ],
    }
    return json.dumps(members, indent=2)


def _checkpoint_lines(checkpoint: Checkpoint) -> list[str]:
    return [
        f"  log      {checkpoint.origin}",
        f"  signed   {_time(checkpoint.time)}",
        f"  root     {_root(checkpoint)}",
    ]


def _members(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": _root(checkpoint),
        "time": _time(checkpoint.time),
    }


def _where(found: Found) -> str:
    if found.line is None:
        return ""
    if found.last_line is None or found.last_line == found.line:
        return f", line {found.line:,}"
    return f", lines {found.line:,} to {found.last_line:,}"


def _at(warned: Warned) -> str:
    return f", line {warned.line:,}" if warned.line is not None else ""


def _sentence(found: Found) -> str:
    meaning = found.finding.value
    return f"{meaning[0].upper()}{meaning[1:]}."


def _root(checkpoint: Checkpoint) -> str:
    return b64encode(checkpoint.root).decode()


def _time(time: datetime) -> str:
    text = time.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
