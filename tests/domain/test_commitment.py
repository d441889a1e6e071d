"""Who has content and salt can check what an entry commits to; who lacks one learns nothing."""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, replace
from hashlib import sha256
from typing import cast

import pytest

from server.domain.call import Call
from server.domain.clock import SteppingClock
from server.domain.identifiers import TimeOrderedIds
from server.domain.ledger import Entry, new_entry
from server.domain.ledger.commitment import (
    SALT_BYTES,
    commitment,
    committing,
    content_of,
)
from server.domain.ports import Keyring
from server.domain.subject import Subject
from tests.domain.subjects import NOW, person

ids = TimeOrderedIds(SteppingClock(NOW))


class Salts:
    """The two methods of `Keyring` that commitments need."""

    async def salt(self, subject: Subject, entry: str) -> bytes:
        """Return a salt that goes with the key of *subject*."""
        assert subject.key is not None
        return hmac.digest(subject.key, f"{subject.generation}{entry}".encode(), sha256)

    async def salt_for_tenant(self, tenant: str, entry: str, *, key: bytes = b"") -> bytes:
        """Return a salt of *tenant*."""
        return hmac.digest(key or b"tenant", f"{tenant}{entry}".encode(), sha256)


KEYRING = cast("Keyring", Salts())


def deleted(subject: Subject) -> Entry:
    """Return an entry about *subject* that commits to the key of a record."""
    return new_entry(
        Call("shop", "RecordsService/DeleteRecord"),
        ids,
        tenant="acme",
        type="record.deleted",
        time=NOW,
        role=subject.role,
        subject=subject.reference,
        target="categories/profile",
    )


async def test_content_and_salt_open_a_commitment() -> None:
    """It is the SHA-256 of the salt and the content as canonical JSON: anybody can compute it."""
    subject = person()
    entry = await committing(KEYRING, deleted(subject), {"key": "ada"}, subject=subject)

    salt = await KEYRING.salt(subject, entry.id)

    assert SALT_BYTES == len(salt)
    assert sha256(salt + b'{"key":"ada"}').digest() == entry.commitment
    assert subject.generation == entry.generation


async def test_entry_about_nobody_is_salted_for_its_tenant() -> None:
    """What is about no person is salted for the tenant."""
    entry = new_entry(
        Call("shop", ""), ids, tenant="acme", type="chatbot.created", time=NOW, target="x"
    )
    found = await committing(KEYRING, entry, {"display_name": "Shop"})

    salt = await KEYRING.salt_for_tenant("acme", entry.id)
    assert commitment(salt, b'{"display_name":"Shop"}') == found.commitment
    assert found.generation is None


async def test_nothing_is_said_of_an_ended_life() -> None:
    """An entry about somebody whose key is gone commits to nothing: nobody could open it."""
    subject = person().erased(time=NOW, entry="")

    entry = deleted(subject)
    assert entry == await committing(KEYRING, entry, {"key": "ada"}, subject=subject)


def test_members_come_from_the_first_that_has_them() -> None:
    """What isn't in the entity is given beside it; a member that nobody gives is a defect."""
    given = {"text": "Forget me", "instructed_by": "Ada", "evidence_digest": ""}

    found = content_of("instruction.recorded", given, {"text": "?", "category": "profile"})
    assert b'{"category":"profile","instructed_by":"Ada","text":"Forget me"}' == found
    with pytest.raises(KeyError, match="category"):
        content_of("instruction.recorded", given)
    with pytest.raises(KeyError, match=r"record\.read"):
        content_of("record.read", given)


DICTIONARY = ("ada", "bob", "eve")

Commit = Callable[[Entry, Subject, str], Awaitable[Entry]]


async def ours(entry: Entry, subject: Subject, key: str) -> Entry:
    """Commit as the service does."""
    return await committing(KEYRING, entry, {"key": key}, subject=subject)


async def unsalted(entry: Entry, subject: Subject, key: str) -> Entry:
    """Broken: hashes the content alone."""
    del subject
    return replace(entry, commitment=commitment(b"", content(key)))


async def salt_beside_it(entry: Entry, subject: Subject, key: str) -> Entry:
    """Broken: stores the salt in the entry."""
    salt = await KEYRING.salt(subject, entry.id)
    return replace(entry, commitment=commitment(salt, content(key)), reason=salt.hex())


async def one_salt_for_all(entry: Entry, subject: Subject, key: str) -> Entry:
    """Broken: salts all entries of a person alike."""
    salt = await KEYRING.salt(subject, "")
    return replace(entry, commitment=commitment(salt, content(key)))


def content(key: str) -> bytes:
    """Return what is committed to."""
    return content_of("record.deleted", {"key": key})


def strings(entry: Entry) -> Iterator[bytes]:
    """Yield all that somebody who has the ledger could take for a salt."""
    yield b""
    for value in asdict(entry).values():
        yield str(value).encode()
        if isinstance(value, str) and re.fullmatch("([0-9a-f]{2})+", value):
            yield bytes.fromhex(value)


async def assert_ledger_teaches_nothing(commit: Commit) -> None:
    """Hold that neither a dictionary nor other entries tell what an entry commits to."""
    subject = person()
    one, same = [await commit(deleted(subject), subject, "ada") for _ in range(2)]
    guesses = {commitment(salt, content(key)) for salt in strings(one) for key in DICTIONARY}
    assert one.commitment not in guesses, "a dictionary finds the content"
    assert one.commitment != same.commitment, "equal contents show"


async def test_ledger_teaches_nothing() -> None:
    """Who has the whole ledger and every likely content still can't tell which it was (Art. 25)."""
    await assert_ledger_teaches_nothing(ours)


@pytest.mark.parametrize("broken", [unsalted, salt_beside_it, one_salt_for_all])
async def test_broken_commitments_are_caught(broken: Commit) -> None:
    """A commitment without a salt, with the salt at hand, or with one for all, is noticed."""
    with pytest.raises(AssertionError):
        await assert_ledger_teaches_nothing(broken)
