"""`privacyctl` against the real service: what it exports is what it verifies."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import grpc

from server.compose import App
from tests.rpc.people import end_user, grant, new_tenant, withdraw
from tests.rpc.test_audit_proofs import CUSTOMISE, signed


async def privacyctl(app: App, *arguments: str) -> tuple[int, bytes]:
    """Run the command as its own program; return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "privacyctl", "audit", *arguments),
        env={"PRIVACYCTL_ADDRESS": app.server.address},
        stdout=PIPE,
        stderr=PIPE,
    )
    printed, complaint = await process.communicate()
    assert process.returncode is not None
    assert b"" == complaint
    return process.returncode, printed


async def test_export_is_verified_and_an_edit_is_found(
    app: App, channel: grpc.aio.Channel, tmp_path: Path
) -> None:
    """A tenant's log, its keys and an earlier checkpoint are all that is needed, and an edit shows.

    The verifier is an implementation of its own: both sides agree on every byte.
    """
    tenant = await new_tenant(channel)
    person = end_user(tenant)
    await grant(channel, person, CUSTOMISE)
    await signed(channel, tenant, 2)
    which = ("--tenant", tenant.removeprefix("tenants/"))
    keys, note, log = (tmp_path / name for name in ("keys.json", "march.note", "acme.log"))
    keys.write_bytes((await privacyctl(app, "keys"))[1])
    note.write_bytes((await privacyctl(app, "checkpoint", *which))[1])
    await withdraw(channel, person, CUSTOMISE)
    await signed(channel, tenant, 3)
    await privacyctl(app, "export", *which, "--file", str(log))
    verify = ("verify", str(log), "--keys", str(keys), "--earlier", str(note), *which)

    code, told = await privacyctl(app, *verify)
    log.write_bytes(log.read_bytes().replace(b"consent.withdrawn", b"consent.permitted"))
    code_of_edited, told_of_edited = await privacyctl(app, *verify)

    assert (0, b"VERIFIED") == (code, told[:8])
    assert b"its 2 entries are still the first ones" in told
    assert 1 == code_of_edited
    assert b"ROOT_DIFFERS, line 3\n" in told_of_edited


async def test_the_platforms_log_is_verified(
    app: App, channel: grpc.aio.Channel, tmp_path: Path
) -> None:
    """The platform's own log is exported and verified in the same way."""
    await signed(channel, "platform", 1)
    keys, log = tmp_path / "keys.json", tmp_path / "platform.log"
    keys.write_bytes((await privacyctl(app, "keys"))[1])
    await privacyctl(app, "export", "--platform", "--file", str(log))

    code, told = await privacyctl(app, "verify", str(log), "--keys", str(keys), "--platform")

    assert (0, b"VERIFIED") == (code, told[:8])
