"""Verifies an exported ledger offline: no network, no server, no trust in who exported it.

`verify_log` reads the file that docs/audit.md describes and answers with a `Verdict`. Needs
the extra `audit` of this distribution. It shares no code with the server whose ledger it
verifies, so that a mistake would have to be made twice.
"""

from privacyrights.audit.checkpoint import Checkpoint
from privacyrights.audit.findings import Finding, Found, Oddity, Warned
from privacyrights.audit.keys import KeysError, PublicKey, read_keys
from privacyrights.audit.log import Earlier, Kept, UnreadableError, Verdict, verify_log

__all__ = [
    "Checkpoint",
    "Earlier",
    "Finding",
    "Found",
    "Kept",
    "KeysError",
    "Oddity",
    "PublicKey",
    "UnreadableError",
    "Verdict",
    "Warned",
    "read_keys",
    "verify_log",
]
