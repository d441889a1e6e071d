"""The keyring opens a person's data for that person's key alone, and never after its erasure."""

from __future__ import annotations

import hmac
import json
import traceback
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from server.domain.change import Kind, Table
from server.domain.errors import (
    Code,
    SealedContentCorruptError,
    SubjectErasedError,
    TenantNotFoundError,
)
from server.domain.ports import Keyring, Query, Reader
from server.domain.subject import Subject
from server.domain.values import Role, SubjectId
from server.startup import StartupError
from server.storage import envelope
from server.storage.key_service import LocalFileKeyService
from server.storage.keyring import EnvelopeKeyring, TenantKey

NOW = datetime(2026, 3, 5, tzinfo=UTC)
CANARY = b"canary.person@example.org"


class Tenants:
    """The two methods of `Reader` that the keyring calls, over a dict of tenants."""

    def __init__(self) -> None:
        self.keys: dict[str, TenantKey] = {}
        self.reads = 0

    async def get(
        self, table: Table, tenant: str, id: str, type: type[TenantKey], **_: object
    ) -> TenantKey | None:
        """Return the tenant *id*, to itself only."""
        assert (Table(Kind.TENANTS), TenantKey, tenant) == (table, type, id)
        self.reads += 1
        return self.keys.get(id)

    async def find(self, query: Query, type: type[TenantKey]) -> list[TenantKey]:
        """Return the first of all tenants."""
        assert (Table(Kind.TENANTS), TenantKey) == (query.table, type)
        return list(self.keys.values())[: query.limit]


@pytest.fixture
def service(tmp_path: Path) -> LocalFileKeyService:
    """Return a key service with keys of its own."""
    return LocalFileKeyService.open(tmp_path / "keys.json")


@pytest.fixture
async def tenants(service: LocalFileKeyService) -> Tenants:
    """Return a reader of two tenants, `acme` and `globex`."""
    tenants = Tenants()
    maker = EnvelopeKeyring(cast("Reader", tenants), service)
    for tenant in ("acme", "globex"):
        tenants.keys[tenant] = TenantKey(tenant, tenant, await maker.new_tenant_key(tenant))
    return tenants


@pytest.fixture
def keyring(tenants: Tenants, service: LocalFileKeyService) -> EnvelopeKeyring:
    """Return the keyring under test."""
    return EnvelopeKeyring(cast("Reader", tenants), service)


async def person(
    keyring: Keyring, value: str = "psid-1", tenant: str = "acme", role: Role = Role.PROCESSOR
) -> Subject:
    """Return a new subject with a key of its own."""
    reference = await keyring.reference(SubjectId(role, tenant, value))
    return Subject(
        id=f"{tenant}/{reference}",
        tenant=tenant,
        reference=reference,
        role=role,
        version=1,
        generation=1,
        created_time=NOW,
        key=await keyring.new_key(tenant, reference),
        sealed_id=None,
        entry="",
    )


async def assert_content_stays_in_its_place(keyring: EnvelopeKeyring) -> None:
    """Hold that content opens in its own context, generation and subject only."""
    one = await person(keyring)
    sealed = await keyring.seal(one, CANARY, "record/contact/email")
    assert CANARY == await keyring.unseal(one, sealed, "record/contact/email")

    with pytest.raises(SealedContentCorruptError):
        await keyring.unseal(one, sealed, "record/contact/phone")

    # Somebody with access to the database makes it look like another generation's.
    later = replace(one, generation=2)
    with pytest.raises(SealedContentCorruptError):
        await keyring.unseal(later, (2).to_bytes(4, "big") + sealed[4:], "record/contact/email")


async def assert_keys_stay_in_their_place(keyring: EnvelopeKeyring) -> None:
    """Hold that a wrapped key opens nothing in another subject's or tenant's document."""
    one, other = await person(keyring), await person(keyring, "psid-2")
    foreign = await person(keyring, tenant="globex")
    for victim in (other, foreign, replace(one, tenant="globex"), replace(one, reference="x")):
        moved = replace(victim, key=one.key)
        with pytest.raises(SealedContentCorruptError):
            await keyring.seal(moved, CANARY, "context")


async def assert_erasure_takes_effect_at_once(keyring: EnvelopeKeyring) -> None:
    """Hold that nothing opens, and nothing is sealed, once the wrapped key is gone."""
    one = await person(keyring)
    sealed = await keyring.seal(one, CANARY, "context")
    assert CANARY == await keyring.unseal(one, sealed, "context")

    tombstone = one.erased(time=NOW, entry="")
    with pytest.raises(SubjectErasedError):
        await keyring.unseal(tombstone, sealed, "context")
    with pytest.raises(SubjectErasedError):
        await keyring.seal(tombstone, CANARY, "context")


async def assert_references_are_told_apart(keyring: EnvelopeKeyring) -> None:
    """Hold that role, tenant and value each make another reference."""
    references = {
        await keyring.reference(SubjectId(role, tenant, value))
        for role in Role
        for tenant in ("acme", "globex")
        for value in ("1", "2", "r1")
    }
    assert 12 == len(references)


class ContentUnbound(EnvelopeKeyring):
    """Broken: leaves out what content is bound to."""

    def _content_binding(self, subject: Subject, context: str) -> bytes:
        del subject, context
        return b""


class GenerationUnbound(EnvelopeKeyring):
    """Broken: binds content to everything but the generation."""

    def _content_binding(self, subject: Subject, context: str) -> bytes:
        return envelope.binding(context, subject.tenant, subject.reference)


class KeysUnbound(EnvelopeKeyring):
    """Broken: leaves out what wrapped keys are bound to."""

    def _key_binding(self, tenant: str, reference: str) -> bytes:
        del tenant, reference
        return b""


class SubjectsCached(EnvelopeKeyring):
    """Broken: keeps subject keys, as MongoDB's own client-side encryption does for a minute."""

    async def _subject_cipher(self, subject: Subject) -> AESGCM:
        kept = self.__dict__.setdefault("kept", {})
        if subject.id not in kept:
            kept[subject.id] = await super()._subject_cipher(subject)
        return cast("AESGCM", kept[subject.id])


class RolesMixed(EnvelopeKeyring):
    """Broken: makes references without the role."""

    async def reference(self, subject: SubjectId) -> str:
        """Return the reference that the role doesn't change."""
        return await super().reference(replace(subject, role=Role.PROCESSOR))


Assertion = Callable[[EnvelopeKeyring], Awaitable[None]]


@pytest.mark.parametrize(
    "hold",
    [
        assert_content_stays_in_its_place,
        assert_keys_stay_in_their_place,
        assert_erasure_takes_effect_at_once,
        assert_references_are_told_apart,
    ],
)
async def test_guarantees_hold(keyring: EnvelopeKeyring, hold: Assertion) -> None:
    """Content, keys, erasure and references are what they are promised to be."""
    await hold(keyring)


@pytest.mark.parametrize(
    ("broken", "hold"),
    [
        (ContentUnbound, assert_content_stays_in_its_place),
        (GenerationUnbound, assert_content_stays_in_its_place),
        (KeysUnbound, assert_keys_stay_in_their_place),
        (SubjectsCached, assert_erasure_takes_effect_at_once),
        (RolesMixed, assert_references_are_told_apart),
    ],
)
async def test_broken_variants_are_caught(
    tenants: Tenants, service: LocalFileKeyService, broken: type[EnvelopeKeyring], hold: Assertion
) -> None:
    """Each guarantee's assertion fails on a keyring that breaks it."""
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await hold(broken(cast("Reader", tenants), service))


def test_implements_the_port(keyring: EnvelopeKeyring) -> None:
    """The type checker holds the keyring against the domain's port here."""
    port: Keyring = keyring

    assert port is keyring


def derived(tenant_key: bytes, info: bytes) -> bytes:
    """Return what HKDF makes of a tenant key: extract without salt, one block (RFC 5869)."""
    extracted = hmac.digest(bytes(32), tenant_key, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


async def test_reference_is_a_known_answer(
    keyring: EnvelopeKeyring, tenants: Tenants, service: LocalFileKeyService
) -> None:
    """References are HKDF and HMAC as written down: documents are found by them for ever."""
    tenant_key = await service.unwrap(tenants.keys["acme"].key, "tenant-key/v1|acme")
    key = derived(tenant_key, b"reference/v1")
    message = b"\0\0\0\x09processor\0\0\0\x06psid-1"
    expected = urlsafe_b64encode(hmac.digest(key, message, "sha256")[:16]).decode()[:22]

    assert expected == await keyring.reference(SubjectId(Role.PROCESSOR, "acme", "psid-1"))


async def test_reference_is_the_same_everywhere(
    keyring: EnvelopeKeyring, tenants: Tenants, service: LocalFileKeyService
) -> None:
    """Another server makes the same reference, whatever generation was asked for."""
    elsewhere = EnvelopeKeyring(cast("Reader", tenants), service)
    asked = SubjectId(Role.CONTROLLER, "acme", "ülrich@example.org")

    reference = await keyring.reference(asked)
    assert 22 == len(reference)
    assert reference == await elsewhere.reference(replace(asked, generation=3))


async def test_subject_keys_are_each_their_own(keyring: EnvelopeKeyring) -> None:
    """A new key opens nothing of the old, even for the same subject and generation."""
    one = await person(keyring)
    sealed = await keyring.seal(one, CANARY, "context")
    again = replace(one, key=await keyring.new_key(one.tenant, one.reference))

    with pytest.raises(SealedContentCorruptError):
        await keyring.unseal(again, sealed, "context")


async def test_content_of_an_ended_life_counts_as_erased(keyring: EnvelopeKeyring) -> None:
    """What is left of an earlier generation is no corruption: it was erased."""
    one = await person(keyring)
    sealed = await keyring.seal(one, CANARY, "context")
    reborn = replace(
        one.erased(time=NOW, entry=""),
        generation=2,
        key=await keyring.new_key(one.tenant, one.reference),
    )

    with pytest.raises(SubjectErasedError) as refusal:
        await keyring.unseal(reborn, sealed, "context")
    assert {"generation": "2"} == refusal.value.metadata


async def test_every_altered_byte_is_noticed(keyring: EnvelopeKeyring) -> None:
    """Altered or cut content is never returned, and neither under an altered key."""
    one = await person(keyring)
    sealed = await keyring.seal(one, CANARY, "context")
    assert one.key is not None

    for at in range(len(sealed)):
        altered = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        # The generation stands in front and is checked first.
        error = SubjectErasedError if at < 4 else SealedContentCorruptError
        with pytest.raises(error):
            await keyring.unseal(one, altered, "context")
        with pytest.raises(SealedContentCorruptError):
            await keyring.unseal(one, sealed[: min(at, 32)], "context")
    for at in range(len(one.key)):
        altered = one.key[:at] + bytes([one.key[at] ^ 1]) + one.key[at + 1 :]
        with pytest.raises(SealedContentCorruptError):
            await keyring.unseal(replace(one, key=altered), sealed, "context")


async def test_corruption_is_nobodys_request(keyring: EnvelopeKeyring) -> None:
    """Corruption answers DATA_LOSS and says nothing of what was stored or where."""
    one = await person(keyring)

    with pytest.raises(SealedContentCorruptError) as error:
        await keyring.unseal(one, b"", "context")
    assert (Code.DATA_LOSS, "STORED_DATA_CORRUPT") == (error.value.code, error.value.reason)
    assert {} == error.value.metadata


async def test_a_tenants_key_is_its_own(keyring: EnvelopeKeyring, tenants: Tenants) -> None:
    """A tenant's wrapped key in another tenant's document opens nothing."""
    tenants.keys["globex"] = TenantKey("globex", "globex", tenants.keys["acme"].key)

    with pytest.raises(SealedContentCorruptError):
        await keyring.reference(SubjectId(Role.PROCESSOR, "globex", "psid-1"))


async def test_unknown_tenant(keyring: EnvelopeKeyring) -> None:
    """Nothing can be done for a tenant that doesn't exist – until it does."""
    with pytest.raises(TenantNotFoundError):
        await keyring.reference(SubjectId(Role.PROCESSOR, "initech", "psid-1"))
    with pytest.raises(TenantNotFoundError):
        await keyring.new_key("initech", "reference")


async def test_tenants_are_read_once_and_forgotten_in_turn(
    tenants: Tenants, service: LocalFileKeyService
) -> None:
    """Tenant keys are kept, but no more of them than was asked for: the least used goes."""
    keyring = EnvelopeKeyring(cast("Reader", tenants), service, cached_tenants=2)
    tenants.keys["initech"] = TenantKey(
        "initech", "initech", await keyring.new_tenant_key("initech")
    )

    for tenant in ("acme", "globex", "acme", "initech", "acme"):
        await keyring.reference(SubjectId(Role.PROCESSOR, tenant, "psid-1"))
    assert 3 == tenants.reads
    await keyring.reference(SubjectId(Role.PROCESSOR, "globex", "psid-1"))
    assert 4 == tenants.reads


async def test_signed_proof_verifies_offline(keyring: EnvelopeKeyring) -> None:
    """A JWS verifies with nothing but the published keys (RFC 7515 section 5.2, RFC 8037)."""
    payload = b'{"receipt":1}'
    header, body, signature = (await keyring.sign(payload, type="receipt+json")).split(".")

    def decoded(part: str) -> bytes:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))

    said = json.loads(decoded(header))
    published = {key["kid"]: key for key in keyring.jwks()["keys"]}[said["kid"]]
    key = Ed25519PublicKey.from_public_bytes(decoded(published["x"]))
    key.verify(decoded(signature), f"{header}.{body}".encode())
    assert ("EdDSA", "receipt+json") == (said["alg"], said["typ"])
    assert payload == decoded(body)


async def test_keys_must_fit_the_database(
    tenants: Tenants, service: LocalFileKeyService, tmp_path: Path
) -> None:
    """A server with other keys than its database's does not start; one with these does."""
    await EnvelopeKeyring(cast("Reader", tenants), service).require_fit()
    await EnvelopeKeyring(cast("Reader", Tenants()), service).require_fit()

    foreign = LocalFileKeyService.open(tmp_path / "foreign" / "keys.json")
    with pytest.raises(StartupError, match="not those that the database was made with"):
        await EnvelopeKeyring(cast("Reader", tenants), foreign).require_fit()


async def test_keys_are_never_shown(
    keyring: EnvelopeKeyring, tenants: Tenants, service: LocalFileKeyService
) -> None:
    """No key is in what Python shows of the keyring, of errors, or of the frames they crossed."""
    one = await person(keyring)
    assert one.key is not None
    tenant_key = await service.unwrap(tenants.keys["acme"].key, "tenant-key/v1|acme")
    cipher = AESGCM(derived(tenant_key, b"subject-keys/v1"))
    place = envelope.binding("subject-key/v1", "acme", one.reference)
    subject_key = envelope.unseal(cipher, one.key, place)
    shown = [repr(keyring), repr(vars(keyring)), repr(tenants.keys["acme"])]

    damaged = replace(one, tenant="globex")
    for call in (
        keyring.unseal(one, bytes(100), "context"),
        keyring.unseal(one, b"\0\0\0\1\1" + bytes(100), "context"),
        keyring.seal(damaged, b"", "context"),
    ):
        with pytest.raises((SealedContentCorruptError, SubjectErasedError)) as error:
            await call
        shown += _frames(error.value)

    for secret in (tenant_key, subject_key):
        for form in (repr(secret)[2:-1], secret.hex(), b64encode(secret).decode()):
            assert not [text for text in shown if form in text]


async def test_content_is_never_shown(keyring: EnvelopeKeyring) -> None:
    """Refusals name neither the content nor the person."""
    one = await person(keyring, CANARY.decode())
    tombstone = one.erased(time=NOW, entry="")

    with pytest.raises(SubjectErasedError) as error:
        await keyring.seal(tombstone, CANARY, "context")
    assert CANARY.decode() not in "".join(traceback.format_exception(error.value))
    assert CANARY.decode() not in repr(SubjectId(Role.PROCESSOR, "acme", CANARY.decode()))


def _frames(error: BaseException) -> list[str]:
    """Return the traceback of *error* with the local variables of our own frames."""
    told: Any = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame for frame in told.stack if "/server/" in frame.filename]
    assert ours
    return [str(error), repr(error)] + [str(frame.locals) for frame in ours]
