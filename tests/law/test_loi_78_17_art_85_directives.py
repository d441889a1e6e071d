"""Loi Informatique et Libertés (Loi 78-17) Art. 85: directives for after death (S7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc
import pytest

from privacyrights.v1 import directive_service_pb2 as pb
from privacyrights.v1 import records_service_pb2
from privacyrights.v1 import subject_rights_service_pb2 as rights_pb
from server.compose import App
from server.domain.clock import SteppingClock
from server.domain.directives.carrying_out import CarryingOut
from server.domain.retention import destruction
from server.domain.rights import request as requests
from tests.rpc.directing import COMMUNICATE, ERASE, KEEP, change, died, revoke, told, want
from tests.rpc.exercising import ACCESS, ERASURE, ask, document, execute, get, known
from tests.rpc.kept import ledger, read, stub
from tests.rpc.people import end_user, refused
from tests.rpc.sweeping import PROCESSOR, explained, interact, sweep

ACCOUNT = "purposes/manage_relationship"


async def test_person_says_it_in_life_and_may_change_it(
    app: App, channel: grpc.aio.Channel
) -> None:
    """Art. 85 I: directives are general or particular, and changed or revoked at any time."""
    subject = await known(channel)
    general = await want(channel, subject, ERASE, designated_person="A friend")
    particular = await want(channel, subject, KEEP, categories=["categories/account"])

    await change(channel, general.name, "action", action=KEEP)
    await revoke(channel, particular.name)

    assert KEEP == (await told(channel, general.name)).action
    assert pb.DIRECTIVE_STATE_REVOKED == (await told(channel, particular.name)).state
    types = [entry.type for entry in await ledger(app.ports, subject.tenant)]
    assert ["recorded", "recorded", "updated", "revoked", "read", "read"] == [
        type.removeprefix("directive.") for type in types if type.startswith("directive.")
    ]


async def test_erasure_is_carried_out(app: App, channel: grpc.aio.Channel) -> None:
    """Art. 85 I: who wanted the data erased has it erased; it is called done only when it is."""
    subject = await known(channel)
    directive = await want(channel, subject, ERASE)

    effect = await died(channel, subject)
    (name,) = effect.rights_requests
    before = await told(channel, directive.name)
    done = await execute(channel, name)

    assert pb.DIRECTIVE_STATE_ACTIVE == before.state
    assert rights_pb.RIGHTS_REQUEST_STATE_COMPLETED == done.state
    assert "SUBJECT_ERASED" == (await refused(read(channel, subject, purpose=ACCOUNT))).reason
    after = await told(channel, directive.name)
    assert (pb.DIRECTIVE_STATE_CARRIED_OUT, [name]) == (after.state, list(after.rights_requests))
    types = {entry.type for entry in await ledger(app.ports, subject.tenant)}
    assert {"subject.death_recorded", "directive.activated", "directive.carried_out"} <= types


async def communicated_and_erased(
    channel: grpc.aio.Channel,
) -> tuple[str, str]:
    """Return the requests that communicate, and that erase, the data of somebody who died."""
    subject = await known(channel)
    await want(channel, subject, ERASE)
    await want(
        channel, subject, COMMUNICATE, categories=["categories/account"], beneficiary="A friend"
    )
    made = [await get(channel, name) for name in (await died(channel, subject)).rights_requests]
    kinds = {each.kind: each.name for each in made}
    return kinds[rights_pb.RIGHTS_REQUEST_KIND_COMMUNICATION], kinds[ERASURE]


async def test_communicated_before_erased(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """Art. 85 I: what is to be communicated and erased is communicated, and then erased."""
    tells, erases = await communicated_and_erased(channel)

    early = await refused(execute(channel, erases))
    await execute(channel, tells)
    given = await document(channel, tells)
    too_early = await refused(execute(channel, erases))
    clock.advance(timedelta(days=8))
    done = await execute(channel, erases)

    assert ["ILLEGAL_TRANSITION"] * 2 == [early.reason, too_early.reason]
    assert ["Ada"] == [each["fields"]["name"] for each in given["records"]]
    assert rights_pb.RIGHTS_REQUEST_STATE_COMPLETED == done.state


async def test_a_service_that_erases_first_is_caught(
    channel: grpc.aio.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variant in which nothing waits erases what was to be communicated."""

    async def never(*_: Any) -> None:
        pass

    monkeypatch.setattr(CarryingOut, "require_turn", never)
    tells, erases = await communicated_and_erased(channel)

    await execute(channel, erases)

    assert not (await execute(channel, tells)).HasField("export_expire_time")


async def test_requests_that_say_otherwise_end(channel: grpc.aio.Channel) -> None:
    """Art. 85 I: the directive comes before an open request that says otherwise."""
    subject = await known(channel)
    access, erasure = [await ask(channel, subject, kind) for kind in (ACCESS, ERASURE)]
    directive = await want(channel, subject, ERASE)

    effect = await died(channel, subject)

    ended = await get(channel, access.name)
    assert [access.name] == list(effect.superseded_rights_requests)
    assert rights_pb.RIGHTS_REQUEST_STATE_SUPERSEDED == ended.state
    assert directive.name == ended.directive
    assert rights_pb.TRANSITION_CAUSE_DIRECTIVE_ACTIVATED == ended.transitions[-1].cause
    assert rights_pb.RIGHTS_REQUEST_STATE_IN_PROGRESS == (await get(channel, erasure.name)).state


async def test_keep_comes_before_no_request(channel: grpc.aio.Channel) -> None:
    """An erasure that is open stays open beside a KEEP: somebody has to decide about it."""
    subject = await known(channel)
    erasure = await ask(channel, subject, ERASURE)
    await want(channel, subject, KEEP)

    effect = await died(channel, subject)

    assert not effect.superseded_rights_requests
    assert requests.State.IN_PROGRESS.name in rights_pb.RightsRequestState.Name(
        (await get(channel, erasure.name)).state
    )


async def kept_for(channel: grpc.aio.Channel, clock: SteppingClock, until: str) -> tuple[Any, int]:
    """Have somebody with a KEEP die; return whom, and how many a sweep after the period ends."""
    subject = await known(channel, end_user)
    await interact(channel, subject, time=clock.now() - timedelta(days=3 * 366))
    await want(channel, subject, KEEP, keep_until_date=until)
    await died(channel, subject)
    return subject, (await sweep(channel, subject.tenant, PROCESSOR)).destroyed_count


async def test_kept_beyond_retention(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """Art. 85 I: what the person wanted kept is kept beyond the period, until the day named."""
    until = (clock.now() + timedelta(days=10)).date().isoformat()
    subject, ended = await kept_for(channel, clock, until)

    told_why = await explained(channel, subject)
    clock.advance(timedelta(days=12))
    later = await sweep(channel, subject.tenant, PROCESSOR)

    assert (0, 1) == (ended, later.destroyed_count)
    assert until in told_why.explanation


async def test_a_sweep_that_knows_no_directives_is_caught(
    channel: grpc.aio.Channel, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variant whose sweeps don't ask destroys what was to be kept."""

    def never(*_: object) -> bool:
        return False

    monkeypatch.setattr(destruction, "is_kept", never)
    until = (clock.now() + timedelta(days=10)).date().isoformat()

    _, ended = await kept_for(channel, clock, until)

    assert 1 == ended


async def test_without_directives_the_death_is_known(channel: grpc.aio.Channel) -> None:
    """Art. 85 II: where there are no directives, the death is recorded for what heirs ask."""
    subject = await known(channel)

    effect = await died(channel, subject)
    found = await stub(channel).GetSubject(records_service_pb2.GetSubjectRequest(subject=subject))

    assert not effect.directives
    assert effect.activate_time == found.subject.death_record_time
