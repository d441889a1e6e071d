"""`privacyctl audit`: export a log, and keep what proves it."""

from __future__ import annotations

from typing import BinaryIO

import click

from privacyctl.connection import Connection, connect, connection_options
from privacyctl.failure import FailureError
from privacyctl.log_choice import log_options, one_log_name
from privacyctl.verification import verify
from privacyctl.whole_file import written_whole
from privacyrights.v1 import audit_service_pb2 as pb
from privacyrights.v1.audit_service_pb2_grpc import AuditServiceStub


@click.group()
def audit() -> None:
    """Export the ledger, and verify it offline.

    Keep the keys, and a checkpoint from time to time, where whoever runs the service can't
    reach them: an export is held against them.
    """


audit.add_command(verify)


@audit.command(
    epilog="""\b
Examples:
  privacyctl audit export --tenant acme > acme.log
  privacyctl audit export --platform --file platform.log"""
)
@log_options
@click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    default="-",
    help="Where to; replaced when all is there. Default: standard output.",
)
@connection_options
def export(
    *,
    tenant: str | None,
    platform: bool,
    path: str,
    address: str,
    caller: str | None,
    timeout: float,
) -> None:
    """Write a log to a file: its entries, one a line, and its signed checkpoint."""
    log = one_log_name(tenant, platform=platform)
    try:
        with (
            written_whole(path) as file,
            connect(address, caller, timeout) as connection,
        ):
            _export(log, connection, file)
    except OSError as error:
        raise FailureError(f"can't write {path}: {error.strerror}") from None


def _export(log: str, connection: Connection, file: BinaryIO) -> None:
    stub = AuditServiceStub(connection.channel)
    note = ""
    for response in stub.ExportLedger(pb.ExportLedgerRequest(parent=log), **connection.options):
        for entry in response.entries:
            if not entry.leaf:
                raise FailureError("the service sent an entry that is in no log yet: try again")
            file.write(entry.leaf + b"\n")
        note = response.checkpoint.note or note
    if not note:
        raise FailureError("the service sent no checkpoint: what was written can't be verified")
    file.write(b"\n" + note.encode())


@audit.command(
    epilog="""\b
Example:
  privacyctl audit checkpoint --tenant acme > "acme-$(date +%F).note\""""
)
@log_options
@connection_options
def checkpoint(
    *,
    tenant: str | None,
    platform: bool,
    address: str,
    caller: str | None,
    timeout: float,
) -> None:
    """Print the newest checkpoint of a log, to keep for `verify --earlier`."""
    log = one_log_name(tenant, platform=platform)
    with connect(address, caller, timeout) as connection:
        response = AuditServiceStub(connection.channel).GetCheckpoint(
            pb.GetCheckpointRequest(parent=log), **connection.options
        )
    click.echo(response.checkpoint.note, nl=False)


@audit.command(
    epilog="""\b
Example:
  privacyctl audit keys > keys.json"""
)
@connection_options
def keys(*, address: str, caller: str | None, timeout: float) -> None:
    """Print the service's public keys as a JWK set, retired ones too."""
    with connect(address, caller, timeout) as connection:
        response = AuditServiceStub(connection.channel).ListKeys(
            pb.ListKeysRequest(), **connection.options
        )
    click.echo(response.jwks)
