"""A server and a database of the demonstration's own, with a clock that can be advanced."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from privacyrights.v1.assistance_service_pb2_grpc import AssistanceServiceStub
from privacyrights.v1.audit_service_pb2_grpc import AuditServiceStub
from privacyrights.v1.breach_service_pb2_grpc import BreachServiceStub
from privacyrights.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub
from privacyrights.v1.disclosure_service_pb2_grpc import DisclosureServiceStub
from privacyrights.v1.records_service_pb2_grpc import RecordsServiceStub
from privacyrights.v1.retention_service_pb2_grpc import RetentionServiceStub
from privacyrights.v1.subject_rights_service_pb2_grpc import SubjectRightsServiceStub
from privacyrights.v1.tenant_service_pb2_grpc import TenantServiceStub
from server import logs
from server.compose import compose
from server.domain.clock import SteppingClock
from server.domain.ports import Reader
from server.settings import Settings

if TYPE_CHECKING:
    from privacyrights.v1.assistance_service_pb2_grpc import AssistanceServiceAsyncStub
    from privacyrights.v1.audit_service_pb2_grpc import AuditServiceAsyncStub
    from privacyrights.v1.breach_service_pb2_grpc import BreachServiceAsyncStub
    from privacyrights.v1.catalogue_service_pb2_grpc import CatalogueServiceAsyncStub
    from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub
    from privacyrights.v1.disclosure_service_pb2_grpc import DisclosureServiceAsyncStub
    from privacyrights.v1.records_service_pb2_grpc import RecordsServiceAsyncStub
    from privacyrights.v1.retention_service_pb2_grpc import RetentionServiceAsyncStub
    from privacyrights.v1.subject_rights_service_pb2_grpc import SubjectRightsServiceAsyncStub
    from privacyrights.v1.tenant_service_pb2_grpc import TenantServiceAsyncStub

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
"""When the story begins: a Monday morning."""

CATALOGUE = Path(__file__).parents[1] / "deploy/catalogue/chatbot-platform.json"
LOG = "server.log"
PLAIN_FILES = (
    "--wiredTigerCollectionBlockCompressor",
    "none",
    "--wiredTigerJournalCompressor",
    "none",
)
"""Has MongoDB compress nothing, so that a search of its files would find what is plain there."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What the story is played on: a stub for each service, the clock, and where the data is.

    `reader` looks into the database itself, where the story must not take our word.
    """

    assistance: AssistanceServiceAsyncStub
    audit: AuditServiceAsyncStub
    breach: BreachServiceAsyncStub
    catalogue: CatalogueServiceAsyncStub
    consent: ConsentServiceAsyncStub
    disclosure: DisclosureServiceAsyncStub
    records: RecordsServiceAsyncStub
    retention: RetentionServiceAsyncStub
    rights: SubjectRightsServiceAsyncStub
    tenants: TenantServiceAsyncStub
    reader: Reader
    clock: SteppingClock
    folder: Path


@asynccontextmanager
async def stage() -> AsyncGenerator[Stage]:
    """Start a server over an embedded MongoDB in a folder that is thrown away afterwards."""
    with tempfile.TemporaryDirectory(prefix="privacyrights-demo-") as name:
        folder = Path(name)
        clock = SteppingClock(BEGIN)
        settings = Settings(
            listen="127.0.0.1:0",
            data_dir=folder,
            catalogue=CATALOGUE,
            mongod_args=PLAIN_FILES,
        )
        with (folder / LOG).open("w", encoding="utf-8") as log:
            logs.configure(format="json", stream=log)
            async with compose(settings, clock=clock) as app:
                await app.server.start()
                async with grpc.aio.insecure_channel(app.server.address) as channel:
                    yield _stage(channel, app.ports.reader, clock, folder)
                await app.server.stop(5)


def _stage(channel: grpc.aio.Channel, reader: Reader, clock: SteppingClock, folder: Path) -> Stage:
    return Stage(
        assistance=AssistanceServiceStub(channel),
        audit=AuditServiceStub(channel),
        breach=BreachServiceStub(channel),
        catalogue=CatalogueServiceStub(channel),
        consent=ConsentServiceStub(channel),
        disclosure=DisclosureServiceStub(channel),
        records=RecordsServiceStub(channel),
        retention=RetentionServiceStub(channel),
        rights=SubjectRightsServiceStub(channel),
        tenants=TenantServiceStub(channel),
        reader=reader,
        clock=clock,
        folder=folder,
    )
