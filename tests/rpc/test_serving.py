"""The server answers every method of the contract, built or not."""

from __future__ import annotations

import grpc

from server.compose import App
from server.handlers.registry import handler_classes, implemented, services
from tests.rpc.wire import refused
from tests.served import ROOT


async def test_methods_not_built_say_so(app: App, channel: grpc.aio.Channel) -> None:
    """Every method that has no handler answers UNIMPLEMENTED, NOT_BUILT_YET."""

    missing = [row for row in implemented(map(type, app.handlers)) if not row.is_built]
    found = [await refused(channel, f"/{row.service}/{row.method}", b"") for row in missing]

    assert {("UNIMPLEMENTED", "NOT_BUILT_YET")} == {(told.code, told.reason) for told in found}


async def test_every_handler_is_composed(app: App) -> None:
    """Every handler class of the package is in the server, and so the generated table true."""

    assert set(handler_classes()) == set(map(type, app.handlers))


def test_contract_has_every_service() -> None:
    """All services of the contract are found, by their generated stubs: one in each file."""

    files = sorted((ROOT / "protos/privacyrights/v1").glob("*_service.proto"))
    names = [service.file.name.rpartition("/")[2] for service in services()]
    assert [file.name for file in files] == sorted(names)
