"""The salt of an entry is its own, the same each time, and gone with the key it is derived from."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from server.domain.errors import SealedContentCorruptError, SubjectErasedError, TenantNotFoundError
from server.domain.ports import Reader
from server.domain.subject import Subject
from server.storage import envelope
from server.storage.key_service import LocalFileKeyService
from server.storage.keyring import EnvelopeKeyring, TenantKey
from tests.storage.test_keyring import NOW, Tenants, derived, person

ENTRY = "acme/p0000"


@pytest.fixture
def service(tmp_path: Path) -> LocalFileKeyService:
    """Return a key service with keys of its own."""
    return LocalFileKeyService.open(tmp_path / "keys.json")


@pytest.fixture
async def tenants(service: LocalFileKeyService) -> Tenants:
    """Return a reader of two tenants, `acme` and `globex`, who have the same key by a mishap."""
    tenants = Tenants()
    for tenant in ("acme", "globex"):
        wrapped = await service.wrap(b"k" * envelope.KEY_BYTES, f"tenant-key/v1|{tenant}")
        tenants.keys[tenant] = TenantKey(tenant, tenant, wrapped)
    return tenants


@pytest.fixture
def keyring(tenants: Tenants, service: LocalFileKeyService) -> EnvelopeKeyring:
    """Return the keyring under test."""
    return EnvelopeKeyring(cast("Reader", tenants), service)


async def assert_each_entry_has_its_own(keyring: EnvelopeKeyring) -> None:
    """Hold that entry, life, person, tenant and platform each make another salt."""
    one = await person(keyring)
    key = await keyring.new_key(one.tenant, one.reference)
    salts = {
        await keyring.salt(one, ENTRY),
        await keyring.salt(one, "acme/p0001"),
        await keyring.salt(await person(keyring, "psid-2"), ENTRY),
        await keyring.salt(replace(one, generation=2, key=key), ENTRY),
        # Somebody with access to the database makes a life look like another.
        await keyring.salt(replace(one, generation=2), ENTRY),
        await keyring.salt_for_tenant("acme", ENTRY),
        await keyring.salt_for_tenant("acme", "acme/p0001"),
        await keyring.salt_for_tenant("globex", ENTRY),
        await keyring.salt_for_tenant("", "/n0000"),
        await keyring.salt_for_tenant("", "/n0001"),
    }
    assert 10 == len(salts)


async def assert_always_the_same(keyring: EnvelopeKeyring) -> None:
    """Hold that a salt, which nobody stores, can be made again."""
    one = await person(keyring)
    assert await keyring.salt(one, ENTRY) == await keyring.salt(one, ENTRY)
    for tenant in ("acme", ""):
        first = await keyring.salt_for_tenant(tenant, ENTRY)
        assert first == await keyring.salt_for_tenant(tenant, ENTRY)


async def assert_gone_with_the_key(keyring: EnvelopeKeyring) -> None:
    """Hold that no salt is made of a person whose key is gone."""
    one = await person(keyring)
    await keyring.salt(one, ENTRY)
    with pytest.raises(SubjectErasedError):
        await keyring.salt(one.erased(time=NOW, entry=""), ENTRY)


class OneForAll(EnvelopeKeyring):
    """Broken: salts all entries of an owner alike, so that equal contents show."""

    def _salt_binding(self, owner: str, entry: str) -> bytes:
        del entry
        return super()._salt_binding(owner, "")


class OwnerUnbound(EnvelopeKeyring):
    """Broken: leaves life and tenant out."""

    def _salt_binding(self, owner: str, entry: str) -> bytes:
        del owner
        return super()._salt_binding("", entry)


class Random(EnvelopeKeyring):
    """Broken: makes salts up, and stores them nowhere."""

    async def salt(self, subject: Subject, entry: str) -> bytes:
        """Return another salt each time."""
        return await self.seal(subject, b"", entry)


class OfTheTenant(EnvelopeKeyring):
    """Broken: salts under the tenant's key, which outlives the person's."""

    async def salt(self, subject: Subject, entry: str) -> bytes:
        """Return a salt that an erasure doesn't reach."""
        return await self.salt_for_tenant(subject.tenant, entry)


Assertion = Callable[[EnvelopeKeyring], Awaitable[None]]


@pytest.mark.parametrize(
    "hold", [assert_each_entry_has_its_own, assert_always_the_same, assert_gone_with_the_key]
)
async def test_guarantees_hold(keyring: EnvelopeKeyring, hold: Assertion) -> None:
    """Salts are what they are promised to be."""
    await hold(keyring)


@pytest.mark.parametrize(
    ("broken", "hold"),
    [
        (OneForAll, assert_each_entry_has_its_own),
        (OwnerUnbound, assert_each_entry_has_its_own),
        (Random, assert_always_the_same),
        (OfTheTenant, assert_gone_with_the_key),
    ],
)
async def test_broken_variants_are_caught(
    tenants: Tenants, service: LocalFileKeyService, broken: type[EnvelopeKeyring], hold: Assertion
) -> None:
    """Each guarantee's assertion fails on a keyring that breaks it."""
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await hold(broken(cast("Reader", tenants), service))


async def test_salts_are_known_answers(
    keyring: EnvelopeKeyring, tenants: Tenants, service: LocalFileKeyService
) -> None:
    """Salts are HKDF and HMAC as written down: they open for ever what was committed to."""
    key = bytes(range(envelope.KEY_BYTES))
    tenant_key = await service.unwrap(tenants.keys["acme"].key, "tenant-key/v1|acme")
    salts = derived(tenant_key, b"ledger-salts/v1")
    assert hmac.digest(
        salts, envelope.binding("ledger-salt/v1", "acme", ENTRY), "sha256"
    ) == await keyring.salt_for_tenant("acme", ENTRY)

    class KnownKey(EnvelopeKeyring):
        async def _subject_key(self, subject: Subject) -> bytes:
            del subject
            return key

    one = await person(keyring)
    info = b"\0\0\0\x0eledger-salt/v1\0\0\0\x011\0\0\0\x0aacme/p0000"
    expected = HKDFExpand(SHA256(), 32, info).derive(key)
    assert expected == await KnownKey(cast("Reader", tenants), service).salt(one, ENTRY)


async def test_tenant_that_is_not_stored_yet(keyring: EnvelopeKeyring, tenants: Tenants) -> None:
    """The first entry of a tenant is salted under the key that is stored with it."""
    key = await keyring.new_tenant_key("initech")
    first = await keyring.salt_for_tenant("initech", "initech/n0000", key=key)
    tenants.keys["initech"] = TenantKey("initech", "initech", key)

    assert first == await keyring.salt_for_tenant("initech", "initech/n0000")


async def test_unknown_tenant(keyring: EnvelopeKeyring) -> None:
    """There is no salt for a tenant that there isn't, and none under another's key."""
    with pytest.raises(TenantNotFoundError):
        await keyring.salt_for_tenant("nobody", "nobody/n0000")
    with pytest.raises(SealedContentCorruptError):
        await keyring.salt_for_tenant(
            "nobody", "nobody/n0000", key=await keyring.new_tenant_key("acme")
        )
