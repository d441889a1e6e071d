"""`privacyctl audit export`, `checkpoint` and `keys`: what they ask for, and what they write.

The service stands in here as the contract describes it, until it exports ledgers itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from privacyctl.__main__ import commands
from privacyrights.v1 import audit_service_pb2 as pb
from privacyrights.v1.audit_service_pb2_grpc import (
    AuditServiceServicer,
    add_AuditServiceServicer_to_server,
)
from tests.audit.stories import OUR_KEY
from tests.audit.writer import log_of, make_entries

LOG = log_of(make_entries(Random(5), "acme", 7), OUR_KEY)


class Service(AuditServiceServicer):
    """Answers for one log, and remembers what it was asked, and by whom."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.callers: list[str] = []
        self.leaves = list(LOG.lines)
        self.note = LOG.note.decode()
        self.breaks_off = False

    def ExportLedger(self, request: Any, context: Any) -> Iterator[pb.ExportLedgerResponse]:
        """Stream the log, three entries at a time, and its checkpoint."""
        self._hear(request, context)
        for start in range(0, len(self.leaves), 3):
            leaves = self.leaves[start : start + 3]
            yield pb.ExportLedgerResponse(entries=[pb.LedgerEntry(leaf=leaf) for leaf in leaves])
            if self.breaks_off:
                context.abort(grpc.StatusCode.UNAVAILABLE, "going down")
        yield pb.ExportLedgerResponse(checkpoint=pb.Checkpoint(note=self.note))

    def GetCheckpoint(self, request: Any, context: Any) -> pb.GetCheckpointResponse:
        """Return the checkpoint."""
        self._hear(request, context)
        return pb.GetCheckpointResponse(checkpoint=pb.Checkpoint(note=self.note))

    def ListKeys(self, request: Any, context: Any) -> pb.ListKeysResponse:
        """Return the keys."""
        self._hear(request, context)
        return pb.ListKeysResponse(jwks=OUR_KEY.jwks)

    def _hear(self, request: Any, context: Any) -> None:
        self.asked.append(request)
        metadata = dict(context.invocation_metadata())
        self.callers.append(metadata.get("x-privacyrights-caller", ""))
        if getattr(request, "parent", "") == "tenants/nobody":
            context.set_trailing_metadata((("grpc-status-details-bin", _not_found()),))
            context.abort(grpc.StatusCode.NOT_FOUND, "There is no such tenant.")


def _not_found() -> bytes:
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason="TENANT_NOT_FOUND"))
    status = status_pb2.Status(
        code=code_pb2.NOT_FOUND, message="There is no such tenant.", details=[detail]
    )
    return bytes(status.SerializeToString())


@pytest.fixture
def service() -> Service:
    """Return a service that stands in for the real one."""
    return Service()  # type: ignore[abstract] # pyright: ignore[reportAbstractUsage] – a part of it


@pytest.fixture
def address(service: Service, tmp_path: Path) -> Iterator[str]:
    """Serve on a socket, and return its address."""
    address = f"unix:{tmp_path}/socket"
    server = grpc.server(ThreadPoolExecutor(max_workers=1))
    add_AuditServiceServicer_to_server(service, server)
    server.add_insecure_port(address)
    server.start()
    yield address
    server.stop(None).wait()


def run(address: str, *arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(commands, ["audit", *arguments], env={"PRIVACYCTL_ADDRESS": address})


def test_export_verifies(service: Service, address: str, tmp_path: Path) -> None:
    """What is exported is the file that is verified, byte for byte, with keys from the service."""
    path, keys = str(tmp_path / "acme.log"), str(tmp_path / "keys.json")
    exported = run(address, "export", "--tenant", "acme")
    Path(path).write_bytes(exported.stdout_bytes)
    Path(keys).write_bytes(run(address, "keys").stdout_bytes)

    assert (0, LOG.file) == (exported.exit_code, exported.stdout_bytes)
    assert pb.ExportLedgerRequest(parent="tenants/acme") == service.asked[0]
    assert 0 == run(address, "verify", path, "--keys", keys, "--tenant", "acme").exit_code


def test_checkpoint_is_a_note_to_keep(service: Service, address: str) -> None:
    """The checkpoint is printed as it is signed, with nothing before or after it."""
    done = run(address, "checkpoint", "--platform", "--caller", "auditor")

    assert (0, LOG.note) == (done.exit_code, done.stdout_bytes)
    assert pb.GetCheckpointRequest(parent="platform") == service.asked[0]
    assert ["auditor"] == service.callers


def test_export_to_a_file(address: str, tmp_path: Path) -> None:
    """With --file nothing is printed, and the file is there."""
    path = tmp_path / "acme.log"
    done = run(address, "export", "--tenant", "acme", "--file", str(path))

    assert (0, "") == (done.exit_code, done.output)
    assert LOG.file == path.read_bytes()


def test_broken_off_export_replaces_nothing(service: Service, address: str, tmp_path: Path) -> None:
    """An export that breaks off leaves the file that was there, and exits with 2."""
    service.breaks_off = True
    path = tmp_path / "acme.log"
    path.write_bytes(b"before")
    done = run(address, "export", "--tenant", "acme", "--file", str(path))

    assert 2 == done.exit_code
    assert b"before" == path.read_bytes()
    assert [path] == list(tmp_path.glob("*acme*"))
    assert "doesn't answer: UNAVAILABLE" in done.stderr


def test_export_without_proof_is_refused(service: Service, address: str) -> None:
    """Entries without a leaf, or a log without a checkpoint, don't pass for an export."""
    service.note = ""
    assert "no checkpoint" in run(address, "export", "--tenant", "acme").stderr

    service.leaves = [b""]
    done = run(address, "export", "--tenant", "acme")
    assert 2 == done.exit_code
    assert "in no log yet" in done.stderr


def test_refusal_names_its_reason(address: str) -> None:
    """What the service refuses is told by code, reason and message, and exits with 2."""
    done = run(address, "export", "--tenant", "nobody")

    assert (2, "") == (done.exit_code, done.stdout)
    assert "Error: NOT_FOUND TENANT_NOT_FOUND: There is no such tenant.\n" == done.stderr


def test_service_that_is_not_there(tmp_path: Path) -> None:
    """A wrong address is told in one line."""
    done = run(f"unix:{tmp_path}/nothing", "keys", "--timeout", "5")

    assert 2 == done.exit_code
    assert f"Error: the service at unix:{tmp_path}/nothing doesn't answer" in done.stderr
    assert 1 == len(done.stderr.splitlines())


@pytest.mark.parametrize("command", ["export", "checkpoint"])
@pytest.mark.parametrize("log", [(), ("--tenant", "acme", "--platform")])
def test_one_log_is_named(command: str, log: tuple[str, ...]) -> None:
    """Without a log, or with two, nothing is asked."""
    done = run("unix:/nowhere", command, *log)

    assert 2 == done.exit_code
    assert "--tenant ID or --platform" in done.stderr
