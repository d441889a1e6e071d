"""What is kept about a tenant's professionals opens for that tenant, and in its place, alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from server.domain.errors import SealedContentCorruptError, TenantNotFoundError
from server.domain.ports import Reader
from server.storage import envelope
from server.storage.key_service import LocalFileKeyService
from server.storage.keyring import EnvelopeKeyring, TenantKey
from tests.storage.test_keyring import Tenants, derived

CANARY = b"dpo.canary@example.org"


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


async def assert_content_stays_in_its_place(keyring: EnvelopeKeyring) -> None:
    """Hold that content opens for its tenant and in its context only."""
    sealed = await keyring.seal_for_tenant("acme", CANARY, "contact/tenant-breach")
    assert CANARY == await keyring.unseal_for_tenant("acme", sealed, "contact/tenant-breach")

    for tenant, context in (
        ("acme", "contact/platform-breach"),
        ("globex", "contact/tenant-breach"),
    ):
        with pytest.raises(SealedContentCorruptError):
            await keyring.unseal_for_tenant(tenant, sealed, context)


async def assert_key_is_for_this_alone(keyring: EnvelopeKeyring) -> None:
    """Hold that content is sealed under a key that neither wraps keys nor makes references."""
    sealed = await keyring.seal_for_tenant("acme", CANARY, "inquiry")
    key = AESGCM(derived(b"k" * envelope.KEY_BYTES, b"tenant-content/v1"))
    bound_to = envelope.binding("tenant-content/v1", "inquiry", "acme")
    assert CANARY == envelope.unseal(key, sealed, bound_to)


class ContentUnbound(EnvelopeKeyring):
    """Broken: leaves out what content is bound to."""

    def _tenant_content_binding(self, tenant: str, context: str) -> bytes:
        del tenant, context
        return b""


class TenantUnbound(EnvelopeKeyring):
    """Broken: binds content to everything but the tenant."""

    def _tenant_content_binding(self, tenant: str, context: str) -> bytes:
        del tenant
        return envelope.binding("tenant-content/v1", context)


class KeyShared(EnvelopeKeyring):
    """Broken: seals content under the key that wraps subject keys."""

    async def seal_for_tenant(self, tenant: str, content: bytes, context: str) -> bytes:
        """Return *content* under the wrong key."""
        keys = await self._tenant_keys(tenant)
        return envelope.seal(keys.wrapping, content, self._tenant_content_binding(tenant, context))


Assertion = Callable[[EnvelopeKeyring], Awaitable[None]]


@pytest.mark.parametrize("hold", [assert_content_stays_in_its_place, assert_key_is_for_this_alone])
async def test_guarantees_hold(keyring: EnvelopeKeyring, hold: Assertion) -> None:
    """Each guarantee holds."""

    await hold(keyring)


@pytest.mark.parametrize(
    ("broken", "hold"),
    [
        (ContentUnbound, assert_content_stays_in_its_place),
        (TenantUnbound, assert_content_stays_in_its_place),
        (KeyShared, assert_key_is_for_this_alone),
    ],
)
async def test_broken_variants_are_caught(
    tenants: Tenants, service: LocalFileKeyService, broken: type[EnvelopeKeyring], hold: Assertion
) -> None:
    """Each guarantee would be missed."""

    with pytest.raises((AssertionError, SealedContentCorruptError, pytest.fail.Exception)):
        await hold(broken(cast("Reader", tenants), service))


async def test_every_altered_byte_is_noticed(keyring: EnvelopeKeyring) -> None:
    """Content with any one byte altered, or cut short, doesn't open."""

    sealed = await keyring.seal_for_tenant("acme", b"x", "inquiry")
    altered = [
        sealed[:index] + bytes([sealed[index] ^ 1]) + sealed[index + 1 :]
        for index in range(len(sealed))
    ]
    for wrong in (*altered, sealed[:-1], b""):
        with pytest.raises(SealedContentCorruptError):
            await keyring.unseal_for_tenant("acme", wrong, "inquiry")


async def test_unknown_tenant(keyring: EnvelopeKeyring) -> None:
    """A tenant that doesn't exist has no key, and nothing is sealed for it."""

    with pytest.raises(TenantNotFoundError):
        await keyring.seal_for_tenant("nobody", CANARY, "inquiry")
    with pytest.raises(TenantNotFoundError):
        await keyring.unseal_for_tenant("nobody", b"", "inquiry")
