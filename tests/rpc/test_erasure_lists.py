"""The list of erasures over a real channel: whoever restores a backup misses none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from privacyrights.v1 import subject_rights_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.compose import App
from server.domain.change import Change, Insert
from server.domain.clock import SteppingClock
from server.domain.ledger import new_entry
from server.domain.rights.erasure import SETTLING, Erasure, Purged, erasure_id
from server.domain.rights.erasure import erasures as erasures_table
from server.domain.values import Role
from tests.rpc.exercising import (
    ERASURE,
    erasures,
    exercise,
    keep,
    known,
    rights,
)
from tests.rpc.kept import CALL
from tests.rpc.people import end_user, new_id, new_tenant, refused


async def test_erasures_are_listed_oldest_first(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Whoever restores a backup gets each life that ended, in order, page by page."""
    tenant = await new_tenant(channel)
    ended: list[str] = []
    for _ in range(3):
        subject = end_user(tenant)
        await keep(channel, subject)
        clock.advance(timedelta(seconds=1))
        ended.append((await exercise(channel, subject, ERASURE)).subject_reference)

    first = await erasures(channel, tenant, types_pb2.ROLE_PROCESSOR, page_size=2)
    clock.advance(timedelta(hours=3))
    second = await erasures(
        channel,
        tenant,
        types_pb2.ROLE_PROCESSOR,
        page_size=2,
        page_token=first.next_page_token,
    )
    since = await erasures(
        channel, tenant, types_pb2.ROLE_PROCESSOR, since_time=first.erasures[1].erase_time
    )

    assert ended == [each.subject_reference for each in (*first.erasures, *second.erasures)]
    assert ended[1:] == [each.subject_reference for each in since.erasures]
    assert "" == second.next_page_token
    # However long the reading takes: the watermark is that of its beginning.
    assert first.watermark_time == second.watermark_time


async def test_role_and_tenant_are_kept_apart(channel: grpc.aio.Channel) -> None:
    """A tenant's list has its own erasures of one role; the list of all has it among others."""
    subject = await known(channel, end_user)
    other = await known(channel, end_user)
    for each in (subject, other):
        await exercise(channel, each, ERASURE)

    own = await erasures(channel, subject.tenant, types_pb2.ROLE_PROCESSOR)
    as_controller = await erasures(channel, subject.tenant, types_pb2.ROLE_CONTROLLER)
    everybody = await erasures(channel, "", types_pb2.ROLE_PROCESSOR, page_size=1000)

    assert [subject.tenant] == [each.tenant for each in own.erasures]
    assert not as_controller.erasures
    assert {subject.tenant, other.tenant} <= {each.tenant for each in everybody.erasures}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"role": 0}, "FIELD_INVALID"),
        ({"parent": "nobody"}, "FIELD_INVALID"),
        ({"parent": "tenants/nobody"}, "TENANT_NOT_FOUND"),
        ({"page_token": "AAAA"}, "PAGE_TOKEN_INVALID"),
    ],
)
async def test_invalid_list_is_refused(
    channel: grpc.aio.Channel, fields: dict[str, Any], reason: str
) -> None:
    """A list that can't be is refused."""
    given: dict[str, Any] = {"role": types_pb2.ROLE_PROCESSOR, **fields}

    found = await refused(rights(channel).ListErasures(pb.ListErasuresRequest(**given)))

    assert reason == found.reason


async def committed_late(app: App, tenant: str, time: datetime) -> str:
    """Commit an erasure that was decided at *time*; return its reference."""
    reference, owner = new_id("late"), tenant.removeprefix("tenants/")
    late = Erasure(
        id=erasure_id(f"{owner}/{reference}", 1),
        tenant=owner,
        version=1,
        role=Role.PROCESSOR,
        subject=f"{owner}/{reference}",
        generation=1,
        time=time,
        entry=f"{owner}/entry",
        key_digest="0" * 64,
        purged=Purged.FOR_GOOD,
    )
    entry = new_entry(CALL, app.ports.ids, tenant=owner, type="subject.erased", time=time)
    change = Change((Insert(erasures_table(Role.PROCESSOR), late),), (entry,))
    await app.ports.committer.commit(change, type(None))
    return reference


async def test_late_commit_is_not_missed(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """An erasure that is committed after a newer one was listed comes with the next list."""
    subject = await known(channel, end_user)
    decided = clock.now()
    clock.advance(timedelta(minutes=2))
    await exercise(channel, subject, ERASURE)
    seen = await erasures(channel, subject.tenant, types_pb2.ROLE_PROCESSOR)
    late = await committed_late(app, subject.tenant, decided)

    following = await erasures(
        channel, subject.tenant, types_pb2.ROLE_PROCESSOR, since_time=seen.watermark_time
    )
    # A watermark that is simply the newest time seen would have missed it.
    naive = await erasures(
        channel,
        subject.tenant,
        types_pb2.ROLE_PROCESSOR,
        since_time=seen.erasures[-1].erase_time,
    )

    assert late in {each.subject_reference for each in following.erasures}
    assert late not in {each.subject_reference for each in naive.erasures}
    assert clock.now() - SETTLING == seen.watermark_time.ToDatetime(UTC)
