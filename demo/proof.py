"""The last chapter: what the ledger says, and what nobody finds in files and logs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from demo.cast import BICYCLES, COMPANIES, FLOWERS, psid
from demo.narrator import Narrator
from demo.stage import Stage
from privacyrights.v1 import audit_service_pb2

MEGABYTE = 1_000_000


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
    narrator.expect(
        f"the ledger has {types.total():,} entries of both tenants", holds=types.total() > 0
    )
    words = [FLOWERS.owner_email, BICYCLES.owner_email, psid(FLOWERS, 7), psid(BICYCLES, 3)]
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
