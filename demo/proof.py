"""The last chapter: what the ledger says, and what nobody finds in files and logs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from demo.cast import BICYCLES, COMPANIES, END_USERS_EACH, FLOWERS, psid
from demo.narrator import Narrator
from demo.stage import Stage
from privacyrights.v1 import audit_service_pb2

MEGABYTE = 1_000_000
READINGS = 4
"""How often the story read somebody's records: both owners', and two end-users'."""


async def look_back(stage: Stage, narrator: Narrator) -> None:
    """Count the ledger's entries, and search every file for the people of the story."""
    narrator.chapter(
        9, "What is left of it", "Every change and every disclosure is in the ledger; no person is."
    )
    types: Counter[str] = Counter()
    for company in COMPANIES:
        token = ""
        while True:
            page = await stage.audit.ListLedgerEntries(
                audit_service_pb2.ListLedgerEntriesRequest(
                    parent=company.tenant, page_size=1000, page_token=token
                )
            )
            types.update(entry.type for entry in page.entries)
            token = page.next_page_token
            if not token:
                break
    narrator.table(
        ("ledger entries", "count"), [(type, f"{n:,}") for type, n in types.most_common()]
    )
    people = END_USERS_EACH * len(COMPANIES)
    narrator.expect(
        f"each of the {READINGS} readings is among them, and the records of {people + 2:,} people",
        holds=types["record.read"] == READINGS and types["record.put"] == 2 * people + 2,
    )
    words = [name for company in COMPANIES for name in (company.owner, company.owner_email)]
    words += [psid(FLOWERS, 7), psid(BICYCLES, 3), "Person 7", "Person 3"]
    size, found = _search(stage.folder, [word.encode() for word in words])
    narrator.expect(
        f"{size / MEGABYTE:,.0f} MB of database files, journal and logs hold none of their names",
        holds=not found,
    )


def _search(folder: Path, words: list[bytes]) -> tuple[int, list[bytes]]:
    size, found = 0, list[bytes]()
    for file in folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            size += len(content)
            found += [word for word in words if word in content]
    return size, found
