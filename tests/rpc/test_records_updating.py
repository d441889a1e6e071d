"""UpdateRecords over a real channel: fields changed, each record by itself, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import grpc
import pytest

from privacyrights.v1 import error_reason_pb2, types_pb2
from privacyrights.v1 import records_service_pb2 as pb
from server.compose import App
from server.domain.call import Call
from server.domain.catalogue.catalogues import Catalogues
from server.domain.catalogue.instructions import Instructions
from server.domain.change import Change
from server.domain.clock import SteppingClock
from server.domain.records.records import Records
from server.domain.records.updates import (
    Changes,
    RecordUpdates,
    UpdateWanted,
)
from server.domain.subjects import Subjects, saved
from server.domain.tenants import Tenants
from server.domain.values import Role
from tests.rpc.kept import (
    CALL,
    OPTIMISE,
    PROFILE,
    SESSION,
    erase,
    everything,
    ledger,
    put,
    stored,
    struct,
    stub,
    subject_id,
)
from tests.rpc.people import end_user, new_id, new_tenant, refused

ADA = {"name": "Ada", "locale": "en_GB"}


def update_request(
    of: types_pb2.Subject,
    fields: dict[str, Any],
    mask: Sequence[str],
    *,
    one: bool = True,
    **named: Any,
) -> pb.UpdateRecordsRequest:
    """Return the request that changes records of the tenant of *of*, or of that *one* person."""
    request = pb.UpdateRecordsRequest(
        parent=of.tenant,
        role=of.role,
        purpose=named.pop("purpose", OPTIMISE),
        subject=of if one else None,
        record=pb.Record(fields=struct(fields)),
        request_id=named.pop("request_id", new_id()),
        **named,
    )
    request.update_mask.paths.extend(mask)
    return request


async def update(
    channel: grpc.aio.Channel, of: types_pb2.Subject, *args: Any, **named: Any
) -> pb.UpdateRecordsResponse:
    """Change what `update_request` says."""
    return await stub(channel).UpdateRecords(update_request(of, *args, **named))


async def test_only_what_the_mask_names_is_changed(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A field that it names and that has no value is taken out; the others stay (AIP-134)."""
    subject = end_user(await new_tenant(channel))
    await put(channel, subject, ADA)
    (before,) = await stored(app.ports, subject)
    clock.advance(timedelta(seconds=1))

    response = await update(channel, subject, {"name": "Augusta"}, ["fields.name"])
    renamed = await everything(channel, subject)
    await update(channel, subject, {}, ["fields.locale"])

    assert (1, 0) == (response.updated_count, response.failed_count)
    assert [{"name": "Augusta", "locale": "en_GB"}] == renamed
    assert [{"name": "Augusta"}] == await everything(channel, subject)
    (after,) = await stored(app.ports, subject)
    assert (before.create_time, clock.now()) == (after.create_time, after.update_time)


async def test_all_fields_source_and_expiry_are_changed(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """`fields` is all of them."""
    subject = end_user(await new_tenant(channel))
    await put(channel, subject, ADA)
    request = update_request(subject, {"name": "Lady L."}, ["fields", "source", "expire_time"])
    request.record.source = pb.RECORD_SOURCE_SUBJECT
    request.record.expire_time.FromDatetime(clock.now() + timedelta(hours=1))

    await stub(channel).UpdateRecords(request)

    assert [{"name": "Lady L."}] == await everything(channel, subject)
    (record,) = await stored(app.ports, subject)
    assert ("subject", clock.now() + timedelta(hours=1)) == (record.source, record.expire_time)


async def test_many_are_changed_and_each_is_told_of(app: App, channel: grpc.aio.Channel) -> None:
    """Those of the purpose, category and key; who was erased, or restricted, is left as is."""
    tenant = await new_tenant(channel)
    people = [end_user(tenant) for _ in range(4)]
    for person in people:
        await put(channel, person, ADA)
        await put(channel, person, ADA, key="other")
        await put(channel, person, {"duration_seconds": 1}, category=SESSION)
    await erase(app.ports, people[0])
    await restrict(app, people[1])

    response = await update(
        channel,
        people[0],
        {"locale": "fr_FR"},
        ["fields.locale"],
        one=False,
        category=PROFILE,
        key="default",
    )

    # What was of the erased person may be purged already, and nothing then.
    reasons = {each.failure.reason for each in response.failures}
    assert 2 == response.updated_count
    assert error_reason_pb2.ERROR_REASON_PROCESSING_NOT_ALLOWED in reasons
    assert 1 <= response.failed_count <= 2
    told = [entry for entry in await ledger(app.ports, tenant) if entry.type == "record.updated"]
    assert (2, True) == (len(told), all(entry.commitment for entry in told))
    assert 1 == sum(each.get("locale") == "fr_FR" for each in await everything(channel, people[2]))


async def restrict(app: App, subject: types_pb2.Subject) -> None:
    """Have the processing of the data of *subject* restricted."""
    found = await Subjects(app.ports).require(CALL, subject_id(subject))
    changed = replace(found, version=found.version + 1, restriction="request")
    await app.ports.committer.commit(Change((saved(changed),), ()), type(None))


async def test_a_repeat_changes_nothing_twice(channel: grpc.aio.Channel) -> None:
    """It is told what the first was, though the records are others by now."""
    subject = end_user(await new_tenant(channel))
    await put(channel, subject, ADA)
    request = update_request(subject, {"name": "Augusta"}, ["fields.name"])
    first = await stub(channel).UpdateRecords(request)
    await put(channel, subject, {"name": "later"})

    again = await stub(channel).UpdateRecords(request)

    assert (1, 1) == (first.updated_count, again.updated_count)
    assert [{"name": "later"}] == await everything(channel, subject)


class Forgetful(RecordUpdates):
    """Broken: a repeat begins anew."""

    def _part(self, call: Call, of: str) -> Call:
        return replace(super()._part(call, of), request_id=new_id())


async def goes_on_after_a_crash(
    app: App, channel: grpc.aio.Channel, kind: type[RecordUpdates]
) -> None:
    """Show that a call that was cut off is finished by a repeat, which does nothing twice."""
    tenant = await new_tenant(channel)
    subject = end_user(tenant)
    for number in range(3):
        await put(channel, subject, ADA, key=f"k{number}")
    catalogues = Catalogues(app.ports)
    await catalogues.refresh()
    instructions = Instructions(app.ports, Tenants(app.ports), catalogues)
    records = Records(app.ports, catalogues, instructions)
    service = kind(app.ports, catalogues, instructions, records)
    call = replace(CALL, request_id=new_id(), content=b"an update")
    wanted = UpdateWanted(
        tenant=subject_id(subject).tenant,
        role=Role.PROCESSOR,
        purpose="optimise_interactions",
        changes=Changes(frozenset({"fields.name"}), {"name": "Augusta"}),
    )
    begun = await service._begin(call, wanted)  # pyright: ignore[reportPrivateUsage] – as far as a crash
    (record, *_) = await stored(app.ports, subject)
    await service._one(call, wanted, record)  # pyright: ignore[reportPrivateUsage]

    committed = await service.update(call, wanted)

    assert begun == app.ports.clock.now()
    assert 3 == committed.outcome.updated
    assert [2, 2, 2] == [record.version for record in await stored(app.ports, subject)]


async def test_a_repeat_goes_on_after_a_crash(app: App, channel: grpc.aio.Channel) -> None:
    """What was changed is counted, and not changed again."""
    await goes_on_after_a_crash(app, channel, RecordUpdates)


async def test_that_forgetting_what_was_done_would_be_noticed(
    app: App, channel: grpc.aio.Channel
) -> None:
    """A service whose parts have no ids of their own breaks the promise above."""
    with pytest.raises(AssertionError):
        await goes_on_after_a_crash(app, channel, Forgetful)


@pytest.mark.parametrize(
    ("fields", "mask", "named", "reason"),
    [
        ({}, [], {}, "FIELD_INVALID"),
        ({}, ["key"], {}, "FIELD_INVALID"),
        ({"shoe_size": 1}, ["fields.shoe_size"], {"category": PROFILE}, "FIELD_NOT_IN_CATEGORY"),
        ({"shoe_size": 1}, ["fields"], {"category": PROFILE}, "FIELD_NOT_IN_CATEGORY"),
        ({}, ["source"], {"purpose": "purposes/none"}, "PURPOSE_NOT_FOUND"),
        ({}, ["source"], {"purpose": "purposes/manage_relationship"}, "PURPOSE_ROLE_MISMATCH"),
        ({}, ["source"], {"category": "categories/account"}, "CATEGORY_NOT_IN_PURPOSE"),
    ],
)
async def test_what_is_wrong_is_refused(
    channel: grpc.aio.Channel,
    fields: dict[str, Any],
    mask: list[str],
    named: dict[str, str],
    reason: str,
) -> None:
    """As a whole, before anything is changed."""
    subject = end_user(await new_tenant(channel))
    await put(channel, subject, ADA)

    told = await refused(update(channel, subject, fields, mask, **named))

    assert reason == told.reason
    assert [ADA] == await everything(channel, subject)


async def test_minimisation_holds_for_each_record(channel: grpc.aio.Channel) -> None:
    """A field that fits one category is refused for the record of another."""
    subject = end_user(await new_tenant(channel))
    await put(channel, subject, ADA)
    await put(channel, subject, {"duration_seconds": 1}, category=SESSION)

    response = await update(channel, subject, {"name": "Augusta"}, ["fields.name"])

    assert (1, 1) == (response.updated_count, response.failed_count)
    (failure,) = response.failures
    assert (SESSION, "record.fields[name]") == (failure.category, failure.failure.field)
