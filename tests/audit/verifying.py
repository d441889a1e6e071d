"""How the tests ask for a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from privacyrights.audit import Finding, Kept, PublicKey, Verdict, read_keys, verify_log
from tests.audit.stories import OUR_KEY, Handed

NAMED = read_keys(OUR_KEY.verifier.encode())
"""Our key, as that of our ledger."""

NAMELESS = read_keys(OUR_KEY.jwks.encode())
"""Our key, as ListKeys returns it."""


def verdict(
    file: bytes,
    kept: Sequence[bytes] = (),
    log: str = "",
    keys: Sequence[PublicKey] = NAMELESS,
) -> Verdict:
    """Return the verdict on *file*."""
    named = [Kept(f"note {number}", note) for number, note in enumerate(kept, 1)]
    return verify_log(BytesIO(file), keys, named, log)


def found(given: Handed, keys: Sequence[PublicKey] = NAMELESS) -> set[Finding]:
    """Return what is found in what a reader is handed."""
    answer = verdict(given.file, given.kept, given.log, NAMED if given.is_named else keys)
    return {one.finding for one in answer.findings}
