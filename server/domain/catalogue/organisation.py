"""The organisation: who the platform is, as its papers say it (Art. 13(1)(a), 30(1)(a))."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who the platform is. `version`, `effective_time` and `change` are set when it is applied."""

    display_name: str
    address: str
    contact_point: str
    data_protection_officer: str = ""
    representative: str = ""
    security_measures: str = ""
    supervisory_authority: str = ""
    version: int = 0
    effective_time: datetime | None = None
    change: str = ""
