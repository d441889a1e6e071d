"""AuditService's proofs over a real channel, checked by what any verifier computes (RFC 6962)."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode, urlsafe_b64decode
from collections.abc import Iterable
from hashlib import sha256

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from privacyrights.v1 import audit_service_pb2 as pb
from privacyrights.v1.audit_service_pb2_grpc import AuditServiceStub
from tests.rpc.people import end_user, grant, new_tenant, refused

CUSTOMISE = "purposes/customise_messages"
PEOPLE = 5
WAIT_SECONDS = 10


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees (RFC 6962, 2.1)."""
    return sha256(b"\1" + left + right).digest()


def root_of(leaves: list[bytes]) -> bytes:
    """Return the root hash over *leaves*, by the definition (RFC 6962, 2.1)."""
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node(root_of(leaves[:split]), root_of(leaves[split:]))


async def log_of(channel: grpc.aio.Channel, people: int = PEOPLE) -> str:
    """Return a tenant whose log has an entry for each of so many people, and one for itself."""
    tenant = await new_tenant(channel)
    for number in range(people):
        await grant(channel, end_user(tenant, f"psid-{number}"), CUSTOMISE)
    return tenant


async def signed(channel: grpc.aio.Channel, parent: str, size: int) -> pb.Checkpoint:
    """Return the checkpoint of *parent*'s log once it has at least that *size*."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                response = await AuditServiceStub(channel).GetCheckpoint(
                    pb.GetCheckpointRequest(parent=parent)
                )
                if response.checkpoint.size >= size:
                    return response.checkpoint
            except grpc.aio.AioRpcError as error:
                assert grpc.StatusCode.FAILED_PRECONDITION == error.code()  # noqa: PT017 – not yet
            await asyncio.sleep(0.02)


async def exported(
    channel: grpc.aio.Channel, parent: str, **fields: int
) -> tuple[list[pb.LedgerEntry], pb.Checkpoint | None]:
    """Return what an export streams."""
    entries: list[pb.LedgerEntry] = []
    checkpoint = None
    request = pb.ExportLedgerRequest(parent=parent, **fields)
    async for response in AuditServiceStub(channel).ExportLedger(request):
        assert checkpoint is None, "the checkpoint comes last"
        entries.extend(response.entries)
        checkpoint = response.checkpoint if response.HasField("checkpoint") else None
    return entries, checkpoint


async def test_an_export_has_the_root_that_was_signed(channel: grpc.aio.Channel) -> None:
    """The leaves of an export, hashed by the book, give the root of the checkpoint at its end."""
    tenant = await log_of(channel)
    await signed(channel, tenant, PEOPLE + 1)

    entries, checkpoint = await exported(channel, tenant)

    assert checkpoint is not None
    assert list(range(PEOPLE + 1)) == [entry.position for entry in entries]
    assert checkpoint.size == len(entries)
    assert checkpoint.root_hash == root_of([entry.leaf for entry in entries])
    for entry in entries:
        assert entry.leaf_hash == sha256(b"\0" + entry.leaf).digest()
        leaf = json.loads(entry.leaf)
        assert (entry.type, entry.position) == (leaf["type"], leaf["position"])
        assert tenant == f"tenants/{leaf['tenant']}"


async def test_the_note_verifies_with_the_published_key(channel: grpc.aio.Channel) -> None:
    """A checkpoint's note is signed by a key of the JWK set, which its four-byte id names."""
    tenant = await log_of(channel, 1)
    checkpoint = await signed(channel, tenant, 2)
    keys = await AuditServiceStub(channel).ListKeys(pb.ListKeysRequest())

    text, _, signature_line = checkpoint.note.rpartition("\n\n")
    _, name, blob = signature_line.split()
    key = urlsafe_b64decode(json.loads(keys.jwks)["keys"][0]["x"] + "=")
    origin, size, root, time = f"{text}\n".splitlines()

    Ed25519PublicKey.from_public_bytes(key).verify(b64decode(blob)[4:], f"{text}\n".encode())
    assert sha256(name.encode() + b"\n\1" + key).digest()[:4] == b64decode(blob)[:4]
    assert f"{name}/{tenant}" == origin
    assert (str(checkpoint.size), b64encode(checkpoint.root_hash).decode()) == (size, root)
    assert time.startswith("time ")


async def test_each_entry_is_proven(channel: grpc.aio.Channel) -> None:
    """With its proof, every entry leads to the root that was signed; another's proof doesn't."""
    tenant = await log_of(channel)
    checkpoint = await signed(channel, tenant, PEOPLE + 1)
    entries, _ = await exported(channel, tenant)
    stub = AuditServiceStub(channel)
    roots: list[bytes] = []

    for entry in entries:
        proof = await stub.GetInclusionProof(
            pb.GetInclusionProofRequest(entry=entry.name, size=checkpoint.size)
        )
        roots.append(_root_by(entry.leaf_hash, proof.position, checkpoint.size, proof.hashes))

    assert [checkpoint.root_hash] * len(entries) == roots


def _root_by(hash: bytes, position: int, size: int, proof: Iterable[bytes]) -> bytes:
    """Return the root that an inclusion proof leads to (RFC 9162, 2.1.3.2)."""
    last = size - 1
    for sibling in proof:
        if position % 2 or position == last:
            hash = node(sibling, hash)
            while position % 2 == 0 and position:
                position, last = position // 2, last // 2
        else:
            hash = node(hash, sibling)
        position, last = position // 2, last // 2
    return hash


async def test_growth_is_proven(channel: grpc.aio.Channel) -> None:
    """Where the earlier log is the later one's left subtree, the right one's hash is the proof."""
    tenant = await log_of(channel)
    await signed(channel, tenant, PEOPLE + 1)
    entries, _ = await exported(channel, tenant)
    leaves = [entry.leaf for entry in entries]

    proof = await AuditServiceStub(channel).GetConsistencyProof(
        pb.GetConsistencyProofRequest(parent=tenant, first_size=4, second_size=PEOPLE + 1)
    )

    assert [root_of(leaves[4:])] == list(proof.hashes)


async def test_a_part_of_a_log_has_no_checkpoint(channel: grpc.aio.Channel) -> None:
    """An export that ends before the newest checkpoint can't be verified with it, and hasn't it."""
    tenant = await log_of(channel)
    await signed(channel, tenant, PEOPLE + 1)

    entries, checkpoint = await exported(channel, tenant, start_position=1, end_position=3)

    assert [1, 2] == [entry.position for entry in entries]
    assert checkpoint is None


async def test_the_platform_is_proven_like_a_tenant(channel: grpc.aio.Channel) -> None:
    """The platform's own log has a checkpoint and an export as well."""
    await signed(channel, "platform", 1)

    entries, checkpoint = await exported(channel, "platform")

    assert checkpoint is not None
    assert checkpoint.root_hash == root_of([entry.leaf for entry in entries])
    assert "/platform\n" in checkpoint.note


async def test_one_entry_is_read_by_its_name(channel: grpc.aio.Channel) -> None:
    """An entry is found by its name; under another tenant's name it isn't there."""
    tenant, other = await log_of(channel, 1), await new_tenant(channel)
    await signed(channel, tenant, 2)
    entries, _ = await exported(channel, tenant)
    stub = AuditServiceStub(channel)

    found = await stub.GetLedgerEntry(pb.GetLedgerEntryRequest(name=entries[1].name))

    assert entries[1] == found.entry
    stolen = entries[1].name.replace(tenant, other)
    refusal = await refused(stub.GetLedgerEntry(pb.GetLedgerEntryRequest(name=stolen)))
    assert "LEDGER_ENTRY_NOT_FOUND" == refusal.reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"first_size": 0, "second_size": 1}, "FIELD_INVALID"),
        ({"first_size": 2, "second_size": 1}, "FIELD_INVALID"),
        ({"first_size": 1, "second_size": 1_000_000}, "NOT_SEQUENCED_YET"),
    ],
)
async def test_sizes_that_cannot_be_compared_are_refused(
    channel: grpc.aio.Channel, fields: dict[str, int], reason: str
) -> None:
    """Sizes out of order are the caller's error; a size to come is said to be one."""
    tenant = await log_of(channel, 1)

    request = pb.GetConsistencyProofRequest(parent=tenant, **fields)
    refusal = await refused(AuditServiceStub(channel).GetConsistencyProof(request))

    assert reason == refusal.reason
