"""Verifiers that leave out one check each, to show that the harness would notice."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from privacyrights.audit import Checkpoint, PublicKey, checkpoint, leaf, lines, log, note
from privacyrights.audit.findings import Findings
from privacyrights.audit.note import Note, Signature
from tests.audit.writer import BEGIN


@dataclass(frozen=True)
class Broken:
    """What stands in for a check, and a kind of mutation that then goes unseen."""

    place: Any
    name: str
    instead: Callable[..., Any]
    kind: str


def always(*_: Any) -> bool:
    """Pass everything."""
    return True


def any_time(_: str) -> datetime:
    """Take any text for a time."""
    return BEGIN


def any_base64(text: str) -> bytes:
    """Decode base64 in any form."""
    return b64decode(text + "==")


def any_signature(whole: Note, signed: Checkpoint, keys: Sequence[PublicKey]) -> None:
    """Be content with one good signature among bad ones."""
    for signature in whole.signatures:
        try:
            checkpoint.signed_by(replace(whole, signatures=(signature,)), signed, keys)
        except checkpoint.SignatureError:
            continue
        return


def any_ledger(signature: Signature, key: PublicKey, _: str) -> bool:
    """Overlook in which ledger's name a key signed."""
    return signature.key_id == key.key_id(signature.name)


def any_holder(signature: Signature, key: PublicKey, ledger: str) -> bool:
    """Overlook of which ledger the key was given."""
    return signature.name == ledger and signature.key_id == key.key_id(ledger)


def any_key_id(signature: Signature, _: PublicKey, ledger: str) -> bool:
    """Overlook which key a signature claims to be by."""
    return signature.name == ledger


def first_four_lines(whole: Note) -> Checkpoint:
    """Overlook what else was signed."""
    text = "".join(whole.text.splitlines(keepends=True)[:4])
    return checkpoint.read_checkpoint(replace(whole, text=text))


def unsigned(kept: Sequence[log.Kept], *_: Any) -> tuple[log.Earlier, ...]:
    """Believe what was kept without a look at its signature."""
    return tuple(
        log.Earlier(one.name, checkpoint.read_checkpoint(note.read_note(one.content)))
        for one in kept
    )


_compare_earlier = log.compare_earlier


def first_kept(
    read: lines.Lines, signed: Checkpoint, before: Sequence[log.Earlier], findings: Findings
) -> None:
    """Compare with one of the checkpoints that were kept."""
    _compare_earlier(read, signed, before[:1], findings)


BROKEN = {
    "form of a line": Broken(leaf, "is_canonical", always, "sign a blank inside"),
    "members of a line": Broken(leaf, "has_members", always, "sign an unknown member"),
    "forms of members": Broken(leaf, "has_forms", always, "sign an unknown role"),
    "time of a line": Broken(leaf, "time_of", any_time, "sign a day that isn't"),
    "position": Broken(lines, "is_in_place", always, "sign a gap"),
    "tenant of a line": Broken(lines, "is_of_tenant", always, "sign a line of another tenant"),
    "tenant of the log": Broken(log, "is_tenants", always, "sign all lines of another tenant"),
    "log asked for": Broken(log, "is_log", always, "hand out another tenants to a stranger"),
    "log kept": Broken(log, "is_of_same_log", always, "hand out another tenants to a newcomer"),
    "size": Broken(log, "has_size", always, "sign another size"),
    "root": Broken(log, "has_root", always, "edit reason"),
    "growth": Broken(log, "has_grown", always, "roll back"),
    "beginning": Broken(log, "begins_with", always, "edit reason before kept"),
    "every kept note": Broken(log, "compare_earlier", first_kept, "fork between kept"),
    "signature": Broken(PublicKey, "verifies", always, "edit note's time"),
    "signer": Broken(log, "signed_by", always, "sign as stranger"),
    "every signature": Broken(log, "signed_by", any_signature, "sign twice"),
    "kept signature": Broken(log, "_signed_earlier", unsigned, "edit kept note's time"),
    "ledger that signed": Broken(checkpoint, "is_signer", any_ledger, "sign for another ledger"),
    "ledger of the key": Broken(
        checkpoint, "is_signer", any_holder, "sign with a named key of another ledger"
    ),
    "key id": Broken(checkpoint, "is_signer", any_key_id, "edit key id"),
    "form of a signature": Broken(note, "strict_base64", any_base64, "write signature otherwise"),
    "form of a root": Broken(
        checkpoint, "strict_base64", any_base64, "sign a root without padding"
    ),
    "form of a size": Broken(checkpoint, "_size", int, "sign a padded size"),
    "time of a checkpoint": Broken(checkpoint, "time_of", any_time, "sign a time that can't be"),
    "nothing but a checkpoint": Broken(
        log, "read_checkpoint", first_four_lines, "sign more than a checkpoint"
    ),
}
