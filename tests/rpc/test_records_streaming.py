"""StreamRecords over a real channel: everybody who may be processed, noted before it is given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from privacyrights.v1 import records_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.compose import App
from server.domain.catalogue.catalogues import Catalogues
from server.domain.catalogue.instructions import Instructions
from server.domain.errors import StorageUnavailableError
from server.domain.records.records import Records
from server.domain.records.streams import RecordStreams, StreamPiece, StreamWanted
from server.domain.subject import Subject
from server.domain.tenants import Tenants
from server.domain.values import Role
from tests.rpc.instructing import HISTORY, instruct, revoke
from tests.rpc.kept import CALL, OPTIMISE, PROFILE, SESSION, erase, ledger, put, stub
from tests.rpc.people import end_user, grant, new_tenant, refused
from tests.rpc.test_instructions import CUSTOMISE, MESSAGES
from tests.rpc.test_records_updating import restrict

REASON = "send the newsletter"


async def streamed(
    channel: grpc.aio.Channel, tenant: str, **named: Any
) -> list[pb.StreamRecordsResponse]:
    """Return the messages of a stream."""
    request = pb.StreamRecordsRequest(
        parent=tenant,
        role=types_pb2.ROLE_PROCESSOR,
        purpose=named.pop("purpose", OPTIMISE),
        reason=REASON,
        **named,
    )
    return [message async for message in stub(channel).StreamRecords(request)]


async def people_of(channel: grpc.aio.Channel, count: int) -> list[types_pb2.Subject]:
    """Return so many people of a new tenant, each with a name that is the person's id."""
    tenant = await new_tenant(channel)
    made = [end_user(tenant) for _ in range(count)]
    for person in made:
        await put(channel, person, {"name": person.subject_id})
    return made


async def test_everybody_comes_with_what_is_theirs(app: App, channel: grpc.aio.Channel) -> None:
    """Who is restricted is counted, and who was erased is nobody; each reading is noted."""
    people = await people_of(channel, 5)
    tenant = people[0].tenant
    await put(channel, people[0], {"duration_seconds": 1}, category=SESSION)
    await restrict(app, people[1])
    await erase(app.ports, people[2])

    *messages, last = await streamed(channel, tenant)

    expected = {people[i].subject_id for i in (0, 3, 4)}
    assert expected == {message.subject.subject_id for message in messages}
    for message in messages:
        names = [MessageToDict(each.fields).get("name") for each in message.records]
        assert message.subject.subject_id in names
    assert (1, 0, "") == (last.left_out_count, len(last.records), last.subject.subject_id)
    entries = [entry for entry in await ledger(app.ports, tenant) if entry.type == "record.read"]
    assert {(REASON, "optimise_interactions")} == {(e.reason, e.purpose) for e in entries}
    assert {message.subject_reference for message in messages} == {e.subject for e in entries}


async def test_only_some_categories_or_none_of_the_data(channel: grpc.aio.Channel) -> None:
    """METADATA tells neither the data nor who it is."""
    (person,) = await people_of(channel, 1)
    await put(channel, person, {"duration_seconds": 1}, category=SESSION)

    (message, _) = await streamed(
        channel, person.tenant, categories=[SESSION], view=pb.RECORD_VIEW_METADATA
    )

    assert [SESSION] == [record.category for record in message.records]
    assert not message.HasField("subject")
    assert not message.records[0].HasField("fields")


async def test_it_goes_on_where_it_was_cut_off(channel: grpc.aio.Channel) -> None:
    """From any message on: nobody twice, nobody missing."""
    people = await people_of(channel, 4)
    whole = await streamed(channel, people[0].tenant)

    rests = [
        await streamed(channel, people[0].tenant, resume_token=message.resume_token)
        for message in whole
    ]

    for index, rest in enumerate(rests[:-1]):
        assert [each.subject for each in whole[index + 1 : -1]] == [
            each.subject for each in rest[:-1]
        ]


async def test_a_token_of_another_stream_is_refused(channel: grpc.aio.Channel) -> None:
    """It belongs to one stream with one filter."""
    (person,) = await people_of(channel, 1)
    (message, _) = await streamed(channel, person.tenant)

    told = await refused(
        streamed(channel, person.tenant, categories=[PROFILE], resume_token=message.resume_token)
    )

    assert "RESUME_TOKEN_INVALID" == told.reason


@pytest.mark.parametrize(
    ("purpose", "categories", "reason"),
    [
        ("purposes/none", [], "PURPOSE_NOT_FOUND"),
        ("purposes/manage_relationship", [], "PURPOSE_ROLE_MISMATCH"),
        (OPTIMISE, ["categories/account"], "CATEGORY_NOT_IN_PURPOSE"),
    ],
)
async def test_what_is_wrong_is_refused(
    channel: grpc.aio.Channel, purpose: str, categories: list[str], reason: str
) -> None:
    """Before anything is given out."""
    tenant = await new_tenant(channel)

    told = await refused(streamed(channel, tenant, purpose=purpose, categories=categories))

    assert reason == told.reason


async def service(app: App, kind: type[RecordStreams], **ports: Any) -> RecordStreams:
    """Return the domain's service of this *kind*."""
    changed = replace(app.ports, **ports)
    catalogues = Catalogues(changed)
    await catalogues.refresh()
    instructions = Instructions(changed, Tenants(changed), catalogues)
    return kind(changed, catalogues, instructions, Records(changed, catalogues, instructions))


def wanted(tenant: str) -> StreamWanted:
    """Return what asks for all of *tenant*'s people."""
    id = tenant.removeprefix("tenants/")
    return StreamWanted(id, Role.PROCESSOR, "optimise_interactions", REASON)


class Trusting(RecordStreams):
    """Broken: gives out what it found when it began."""

    async def _opened(self, wanted: Any, asked: Any, sealed: Any) -> StreamPiece | None:
        reader = self._ports.reader

        class Stale:
            async def get(self, *_: Any) -> Subject:
                return sealed.subject  # type: ignore[no-any-return]

        self._ports = replace(self._ports, reader=Stale())  # type: ignore[arg-type]
        try:
            return await super()._opened(wanted, asked, sealed)
        finally:
            self._ports = replace(self._ports, reader=reader)


async def spares_who_is_erased_meanwhile(
    app: App, channel: grpc.aio.Channel, kind: type[RecordStreams]
) -> None:
    """Show that nothing is given out about people who are erased while the stream is under way."""
    people = await people_of(channel, 4)
    stream = (await service(app, kind)).stream(CALL, wanted(people[0].tenant))
    first = await anext(stream)
    for person in people:
        await erase(app.ports, person)

    rest = [piece async for piece in stream]

    assert first.who is not None
    assert [None] == [piece.who for piece in rest]


async def test_who_is_erased_meanwhile_is_not_disclosed(
    app: App, channel: grpc.aio.Channel
) -> None:
    """Though the stream had found the records before."""
    await spares_who_is_erased_meanwhile(app, channel, RecordStreams)


async def test_that_not_looking_again_would_be_noticed(app: App, channel: grpc.aio.Channel) -> None:
    """A stream that trusts what it has read breaks the promise above."""
    with pytest.raises(AssertionError):
        await spares_who_is_erased_meanwhile(app, channel, Trusting)


class Broken:
    """A committer that can't write."""

    async def commit(self, *_: Any) -> None:
        """Fail."""
        raise StorageUnavailableError


async def test_nothing_is_given_out_that_the_ledger_does_not_tell(
    app: App, channel: grpc.aio.Channel
) -> None:
    """If the entry can't be written, the stream ends there."""
    (person,) = await people_of(channel, 1)
    stream = (await service(app, RecordStreams, committer=Broken())).stream(
        CALL, wanted(person.tenant)
    )

    with pytest.raises(StorageUnavailableError):
        await anext(stream)


async def test_a_revocation_ends_what_is_given_out(app: App, channel: grpc.aio.Channel) -> None:
    """What was collected on instruction isn't given out once that is revoked (S6)."""
    tenant = await new_tenant(channel)
    instruction = await instruct(channel, tenant)
    for _ in range(3):
        person = end_user(tenant)
        await grant(channel, person, CUSTOMISE)
        await put(channel, person, MESSAGES, purpose=CUSTOMISE, category=HISTORY)
    asked = replace(wanted(tenant), purpose=CUSTOMISE.removeprefix("purposes/"))
    stream = (await service(app, RecordStreams)).stream(CALL, asked)
    first = await anext(stream)
    await revoke(channel, instruction)

    rest = [piece async for piece in stream]

    assert 1 == len(first.records)
    assert [0] == [len(piece.records) for piece in rest]
