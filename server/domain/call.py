"""The call that a decision is made in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls which method, and what makes a repeat recognisable.

    Shapes:
        caller: the authenticated service or operator.
        rpc: `Service/Method`.
        request_id: empty for calls that change nothing (AIP-155).
        content: the request in a canonical form; only a keyed digest of it is ever kept.
        notes: what the call's one log line says besides: `tenant` and `subject` (the
            reference). Filled in as it becomes known; never personal data.
    """

    caller: str
    rpc: str
    request_id: str = ""
    content: bytes = b""
    notes: dict[str, str] = field(default_factory=dict[str, str], compare=False)
