"""Exports: a person's data as an answer, kept for days under the person's own key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from server.domain.change import Change, Insert, Kind, Table
from server.domain.errors import (
    ExportExpiredError,
    ExportNotFoundError,
    InvalidArgumentError,
    SubjectErasedError,
    Violation,
)
from server.domain.reasons import require_impersonal
from server.domain.rights.requests import is_over

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.domain.call import Call
    from server.domain.ports import Ports
    from server.domain.rights.request import RightsRequest
    from server.domain.rights.requests import RightsRequests
    from server.domain.subject import Subject
    from server.domain.values import Role

KEPT = timedelta(days=7)
"""How long an export can be downloaded: a copy of all that is known about somebody is a risk."""

CHUNK_BYTES = 256 * 1024
CHUNKS_IN_CHANGE = 16
PIECE_BYTES = 64 * 1024
"""Bytes of a stored chunk, chunks committed together, and bytes of one piece of a download."""


@dataclass(frozen=True, slots=True)
class ExportChunk:
    """A part of an export. The id is `tenant/export/number`; without a manifest it is nothing."""

    id: str
    tenant: str
    version: int
    subject: str
    generation: int
    expire_time: datetime
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Export:
    """The manifest of an export, written when all of its chunks are. The id is `tenant/export`.

    `sealed_manifest` is a `Manifest`: even the digest of someone's data goes with the key.
    """

    id: str
    tenant: str
    version: int
    subject: str
    generation: int
    expire_time: datetime
    sealed_manifest: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export is: its size, its SHA-256 in hexadecimal digits, and its media type."""

    total_bytes: int
    digest: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of an export, and where in it they begin."""

    content: bytes
    offset: int
    manifest: Manifest


def exports(role: Role) -> Table:
    """Return the table of the exports of the subjects of *role*."""
    return Table(Kind.EXPORTS, role)


class Exports:
    """Keeps exports, and gives them out."""

    def __init__(self, ports: Ports, requests: RightsRequests) -> None:
        """Work on *ports*, for *requests*."""
        self._ports = ports
        self._requests = requests

    async def keep(
        self, call: Call, request: RightsRequest, subject: Subject, content: AsyncIterator[bytes]
    ) -> Export:
        """Store *content* in chunks, in bounded memory, and return its manifest, not yet stored.

        Whoever answers the request stores the manifest with it. Chunks that nobody
        answered with expire like all others.
        """
        id = f"{request.tenant}/{self._ports.ids.new(request.role)}"
        expire_time = self._ports.clock.now() + KEPT
        digest, size, number = sha256(), 0, 0
        waiting: list[ExportChunk] = []
        async for part in _regular(content):
            digest.update(part)
            size += len(part)
            chunk = ExportChunk(
                id=_chunk_id(id, number),
                tenant=request.tenant,
                version=1,
                subject=subject.id,
                generation=subject.generation,
                expire_time=expire_time,
                sealed=await self._ports.keyring.seal(subject, part, _context(id, number)),
            )
            waiting.append(chunk)
            number += 1
            if len(waiting) == CHUNKS_IN_CHANGE:
                await self._store(call, request, waiting)
                waiting = []
        if waiting:
            await self._store(call, request, waiting)
        manifest = Manifest(size, digest.hexdigest(), "application/json")
        return Export(
            id=id,
            tenant=request.tenant,
            version=1,
            subject=subject.id,
            generation=subject.generation,
            expire_time=expire_time,
            sealed_manifest=await self._ports.keyring.seal(
                subject, msgspec.json.encode(manifest), _context(id)
            ),
        )

    async def download(
        self, call: Call, *, tenant: str, request: str, offset: int, reason: str
    ) -> AsyncIterator[Piece]:
        """Yield the export of *request* from *offset* on; at its end, one empty piece.

        The ledger says so first (Art. 5(2)). The subject's key is read again for every chunk,
        so that an erasure meanwhile ends the download.

        Raises:
            RightsRequestNotFoundError, ExportNotFoundError: of the request or its export.
            ExportExpiredError: it was kept as long as promised.
            SubjectErasedError: the person was erased, or is being.
            InvalidArgumentError: *offset* lies beyond the export, or the reason says who it is.
        """
        found = await self._requests.get(call, tenant=tenant, request=request)
        export = await self._current(found)
        subject = await self._living(found)
        await require_impersonal(self._ports.keyring, reason, subject)
        manifest = msgspec.json.decode(
            await self._ports.keyring.unseal(subject, export.sealed_manifest, _context(export.id)),
            type=Manifest,
        )
        if offset > manifest.total_bytes:
            rule = f"must not be beyond the export's {manifest.total_bytes} bytes"
            raise InvalidArgumentError((Violation("offset", rule),))
        now = self._ports.clock.now()
        entry = self._requests.entry(call, found, "rights.export_downloaded", now, reason=reason)
        await self._ports.committer.commit(Change(writes=(), entries=(entry,)), type(None))
        if offset == manifest.total_bytes:
            yield Piece(b"", offset, manifest)
        while offset < manifest.total_bytes:
            number, begin = divmod(offset, CHUNK_BYTES)
            chunk = await self._chunk(export, number, await self._living(found))
            for at in range(begin, len(chunk), PIECE_BYTES):
                content = chunk[at : at + PIECE_BYTES]
                yield Piece(content, offset, manifest)
                offset += len(content)

    async def _store(self, call: Call, request: RightsRequest, chunks: list[ExportChunk]) -> None:
        now = self._ports.clock.now()
        entry = self._requests.entry(call, request, "rights.export_stored", now)
        writes = [Insert(exports(request.role), chunk) for chunk in chunks]
        await self._ports.committer.commit(Change(writes=writes, entries=(entry,)), type(None))

    async def _current(self, request: RightsRequest) -> Export:
        if not request.export:
            raise ExportNotFoundError
        await self._living(request)
        expire_time = request.export_expire_time
        if expire_time is not None and expire_time <= self._ports.clock.now():
            raise ExportExpiredError
        export = await self._ports.reader.get(
            exports(request.role), request.tenant, request.export, Export
        )
        if export is None:
            raise ExportNotFoundError
        return export

    async def _living(self, request: RightsRequest) -> Subject:
        subject = await self._requests.subject_of(request)
        if is_over(request, subject):
            raise SubjectErasedError(generation=subject.generation)
        return subject

    async def _chunk(self, export: Export, number: int, subject: Subject) -> bytes:
        stored = await self._ports.reader.get(
            exports(subject.role), export.tenant, _chunk_id(export.id, number), ExportChunk
        )
        if stored is None:
            # The purge has come by: it expired while it was read.
            raise ExportExpiredError
        return await self._ports.keyring.unseal(subject, stored.sealed, _context(export.id, number))


def _chunk_id(export: str, number: int) -> str:
    return f"{export}/{number:06d}"


def _context(export: str, number: int | None = None) -> str:
    return f"export/{export}/{'manifest' if number is None else number}"


async def _regular(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield *content* in parts of CHUNK_BYTES; the last one may be shorter."""
    buffer = bytearray()
    async for part in content:
        buffer += part
        while len(buffer) >= CHUNK_BYTES:
            yield bytes(buffer[:CHUNK_BYTES])
            del buffer[:CHUNK_BYTES]
    if buffer:
        yield bytes(buffer)
