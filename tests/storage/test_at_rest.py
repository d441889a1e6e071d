"""Nothing personal is readable at rest: in the database's files, its journal, or any log.

Every canary has one marker in it, so that all are found by looking for the marker, in each
form that text takes on its way to a disk.
"""

from __future__ import annotations

import base64
import mmap
import secrets
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from pymongo import AsyncMongoClient

from privacyrights.v1 import (
    assistance_service_pb2,
    assistance_service_pb2_grpc,
    records_service_pb2,
    records_service_pb2_grpc,
    subject_rights_service_pb2,
    subject_rights_service_pb2_grpc,
    types_pb2,
)
from tests.rpc.people import end_user, grant, new_tenant, own_user, withdraw
from tests.rpc.unanswered import new_chatbot, submit
from tests.served import ServerProcess

PLAIN = (
    "--wiredTigerCollectionBlockCompressor none --wiredTigerJournalCompressor none"
    " --wiredTigerIndexPrefixCompression false"
)
"""Arguments of mongod without which a canary could be there and not be found."""

Stop = Callable[[ServerProcess], Awaitable[object]]


class Canary:
    """A marker that is found nowhere by chance."""

    def __init__(self) -> None:
        self.marker = f"canary{secrets.token_hex(8)}"

    def forms(self) -> Iterator[bytes]:
        """Yield the marker in UTF-8, UTF-16, base64 and hex, as parts of longer texts."""
        plain = self.marker.encode()
        yield plain
        yield plain.upper()
        # Without its last byte, so that it is a part of either byte order.
        yield self.marker.encode("utf-16-le")[:-1]
        yield plain.hex().encode()
        yield plain.hex().upper().encode()
        for before in range(3):
            # The digits that depend on nothing but the marker, wherever a group of three begins.
            whole = base64.b64encode(b"\0" * before + plain + b"\0\0")
            yield whole[(before * 8 + 5) // 6 : (before + len(plain)) * 8 // 6]

    def found_in(self, folder: Path) -> set[Path]:
        """Return the files under *folder* that have it in any form."""
        forms = list(self.forms())
        return {file for file in files(folder) if any(has(file, form) for form in forms)}


def files(folder: Path) -> Iterator[Path]:
    """Yield all files under *folder* that aren't empty."""
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_size > 0:
            yield path


def has(file: Path, form: bytes) -> bool:
    """Tell whether *form* is anywhere in *file*."""
    with file.open("rb") as opened:
        content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        with content:
            return content.find(form) >= 0


async def plant(address: str, marker: str) -> None:
    """Hand the server *marker* wherever the contract takes personal data, and where it must not."""
    async with grpc.aio.insecure_channel(address) as channel:
        tenant = await new_tenant(channel)
        user = own_user(tenant, f"{marker}@example.org")
        visitor = end_user(tenant, f"psid-{marker}")
        await grant(channel, user, "purposes/platform_news")
        await grant(channel, visitor, "purposes/customise_messages")
        account = {"name": f"Jane {marker}", "email": f"{marker}@example.org"}
        await put(channel, user, "manage_relationship", "account", account)
        await put(channel, visitor, "customise_messages", "profile", {"name": f"Joe {marker}"})
        await put(channel, visitor, "resolve_problems", "messenger_account", {"psid": marker})
        answer = {"question": "Colour?", "answer": marker, "attributes": {marker: [marker]}}
        await put(channel, visitor, "customise_messages", "quick_reply", answer)
        await withdraw(channel, visitor, "purposes/customise_messages")
        with pytest.raises(grpc.aio.AioRpcError):
            await put(channel, user, "manage_relationship", "account", {marker: marker})
        with pytest.raises(grpc.aio.AioRpcError):
            await grant(channel, end_user(tenant, f"with a space {marker}"), f"purposes/{marker}")
        await ask(channel, user, f"I, {marker}, want to see all that is kept of me.")
        await name_contact(channel, tenant, marker)
        await submit(channel, await new_chatbot(channel, tenant), f"I, {marker}, ask why.")


async def put(
    channel: grpc.aio.Channel,
    subject: types_pb2.Subject,
    purpose: str,
    category: str,
    fields: dict[str, Any],
) -> None:
    """Record *fields* of a person."""
    given = Struct()
    given.update(fields)
    await records_service_pb2_grpc.RecordsServiceStub(channel).PutRecord(
        records_service_pb2.PutRecordRequest(
            subject=subject,
            purpose=f"purposes/{purpose}",
            record=records_service_pb2.Record(category=f"categories/{category}", fields=given),
            request_id=secrets.token_hex(8),
        )
    )


async def ask(channel: grpc.aio.Channel, subject: types_pb2.Subject, statement: str) -> None:
    """Ask for access in the person's own words."""
    await subject_rights_service_pb2_grpc.SubjectRightsServiceStub(channel).CreateRightsRequest(
        subject_rights_service_pb2.CreateRightsRequestRequest(
            subject=subject,
            kind=subject_rights_service_pb2.RIGHTS_REQUEST_KIND_ACCESS,
            statement=statement,
            request_id=secrets.token_hex(8),
        )
    )


async def name_contact(channel: grpc.aio.Channel, tenant: str, marker: str) -> None:
    """Name a data protection officer."""
    await assistance_service_pb2_grpc.AssistanceServiceStub(channel).SetContact(
        assistance_service_pb2.SetContactRequest(
            parent=tenant,
            contact=assistance_service_pb2.Contact(
                side=assistance_service_pb2.SIDE_TENANT,
                function=assistance_service_pb2.CONTACT_FUNCTION_DATA_PROTECTION_OFFICER,
                display_name=f"Jo {marker}",
                address=f"{marker}@example.org",
            ),
            request_id=secrets.token_hex(8),
        )
    )


async def leak(uri: str, marker: str) -> None:
    """Write *marker* to the same database as anybody would who encrypts nothing."""
    async with AsyncMongoClient[dict[str, Any]](uri, w="majority", journal=True) as client:
        await client["scratch"]["people"].insert_one({"name": f"Jane {marker}"})


def planted_files(found: set[Path], folder: Path) -> set[str]:
    """Return *found* by the folder below the data folder, for messages that can be read."""
    return {str(file.relative_to(folder).parent) for file in found}


@pytest.mark.parametrize("stop", [ServerProcess.terminate, ServerProcess.kill_all])
async def test_canaries_are_nowhere(stop: Stop, tmp_path: Path) -> None:
    """After an orderly stop and after kill -9, no file has a canary that the server was given.

    The same look at the same files finds one that was written past the server: in the data,
    or where there was no time to write that, in the journal.
    """

    given, leaked = Canary(), Canary()
    async with ServerProcess(tmp_path, mongod_args=PLAIN) as server:
        await plant(server.address, given.marker)
        await leak(server.database_uri, leaked.marker)
        await stop(server)

        assert set() == given.found_in(tmp_path)
        assert "data/mongo/journal" in planted_files(leaked.found_in(tmp_path), tmp_path)


async def test_that_a_keyring_that_seals_nothing_would_be_noticed(tmp_path: Path) -> None:
    """What the server was given is found if it isn't encrypted."""

    given = Canary()
    command = ("-m", "tests.faults.broken_server", "without_encryption")
    async with ServerProcess(tmp_path, command=command, mongod_args=PLAIN) as server:
        await plant(server.address, given.marker)
        await server.kill_all()

        assert "data/mongo/journal" in planted_files(given.found_in(tmp_path), tmp_path)


ENCODERS: dict[str, Callable[[str], bytes]] = {
    "utf-8": lambda text: text.encode(),
    "upper": lambda text: text.upper().encode(),
    "utf-16-le": lambda text: text.encode("utf-16-le"),
    "utf-16-be": lambda text: text.encode("utf-16-be"),
    "hex": lambda text: text.encode().hex().encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64+1": lambda text: base64.b64encode(b"1" + text.encode()),
    "base64+2": lambda text: base64.urlsafe_b64encode(b"12" + text.encode()),
}


@pytest.mark.parametrize("encoder", list(ENCODERS))
def test_every_form_is_found(encoder: str, tmp_path: Path) -> None:
    """A canary is found in each form, wherever in a file it begins, and no other one is."""

    there, elsewhere = Canary(), Canary()
    file = tmp_path / "folder/file"
    file.parent.mkdir()
    told = ENCODERS[encoder](f"Jane {there.marker}@example.org")
    file.write_bytes(b"\0" * 4099 + told + b"\0")

    assert {file} == there.found_in(tmp_path)
    assert set() == elsewhere.found_in(tmp_path)
