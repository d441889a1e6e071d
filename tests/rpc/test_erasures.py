"""Erasures over a real channel: at once, everywhere, for one life only, with proof."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import grpc
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import audit_service_pb2, types_pb2
from privacyrights.v1 import subject_rights_service_pb2 as pb
from privacyrights.v1.audit_service_pb2_grpc import AuditServiceStub
from server.compose import App, compose
from server.domain.change import Change, Insert
from server.domain.clock import SteppingClock
from server.domain.ledger import new_entry
from server.domain.rights.erasure import SETTLING, Erasure, Purged, erasure_id
from server.domain.rights.erasure import erasures as erasures_table
from server.domain.subject import Subject
from server.domain.subjects import Subjects
from server.domain.values import Role
from server.settings import Settings
from tests.rpc.exercising import (
    ACCESS,
    ERASURE,
    ask,
    authorise,
    document,
    erasures,
    execute,
    exercise,
    get,
    keep,
    rights,
)
from tests.rpc.kept import CALL, erase, read, subject_id
from tests.rpc.people import end_user, grant, new_id, new_tenant, own_user, refused, verdict

OPTIMISE = "purposes/optimise_interactions"
CUSTOMISE = "purposes/customise_messages"
COMPLETED = pb.RIGHTS_REQUEST_STATE_COMPLETED

Person = Callable[[str], types_pb2.Subject]
BOTH = pytest.mark.parametrize("who", [own_user, end_user])


@pytest.fixture
async def other_channel(
    settings: Settings,
    clock: SteppingClock,
    app: App,  # noqa: ARG001 – the first server prepares the database
) -> AsyncGenerator[grpc.aio.Channel]:
    """Return a connection to a second server over the same database, with the same keys."""
    async with compose(settings, clock=clock) as second:
        await second.server.start()
        async with grpc.aio.insecure_channel(second.server.address) as made:
            yield made
        await second.server.stop(5)


async def known(channel: grpc.aio.Channel, who: Person = end_user) -> types_pb2.Subject:
    """Return somebody about whom something is kept."""
    subject = who(await new_tenant(channel))
    await keep(channel, subject)
    return subject


async def stored(app: App, subject: types_pb2.Subject) -> Subject:
    """Return the subject's document."""
    return await Subjects(app.ports).require(CALL, subject_id(subject))


async def reborn(
    channel: grpc.aio.Channel, subject: types_pb2.Subject, clock: SteppingClock
) -> None:
    """Begin a new life of an erased subject by a consent that is given after the erasure."""
    decided = Timestamp()
    decided.FromDatetime(clock.advance(timedelta(seconds=1)))
    await grant(channel, subject, CUSTOMISE, decision_time=decided)


async def certificate(channel: grpc.aio.Channel, name: str) -> str:
    """Return the certificate of a request."""
    response = await rights(channel).GetErasureCertificate(
        pb.GetErasureCertificateRequest(name=name)
    )
    return response.jws


@BOTH
async def test_erased_person_is_unreadable_on_every_server(
    channel: grpc.aio.Channel, other_channel: grpc.aio.Channel, who: Person
) -> None:
    """With the acknowledgement of one server, no server reads anything of the person any more."""
    subject = await known(channel, who)
    purpose = OPTIMISE if who is end_user else "purposes/manage_relationship"
    export = await exercise(channel, subject, ACCESS)
    for each in (channel, other_channel):
        await read(each, subject, purpose=purpose)
        await document(each, export.name)

    await exercise(channel, subject, ERASURE)

    for each in (other_channel, channel):
        calls: list[Awaitable[Any]] = [
            read(each, subject, purpose=purpose),
            document(each, export.name),
            ask(each, subject, ACCESS),
            keep(each, subject),
        ]
        assert ["SUBJECT_ERASED"] * 4 == [(await refused(call)).reason for call in calls]
        assert not (await verdict(each, subject, purpose)).allowed


async def test_cached_key_would_be_noticed(app: App, channel: grpc.aio.Channel) -> None:
    """A process that kept the subject's document, key and all, would go on reading."""
    subject = await known(channel)
    kept = await stored(app, subject)

    await exercise(channel, subject, ERASURE)

    assert kept.sealed_id is not None
    assert subject.subject_id.encode() == await app.ports.keyring.unseal(
        kept, kept.sealed_id, "subject-id"
    )
    assert (await stored(app, subject)).key is None


async def test_tombstone_knows_nothing(app: App, channel: grpc.aio.Channel) -> None:
    """What stays of a person says only that a life has ended, and when."""
    subject = await known(channel)
    await grant(channel, subject, CUSTOMISE)

    await exercise(channel, subject, ERASURE)

    left = await stored(app, subject)
    assert (None, None, {}, {}) == (left.key, left.sealed_id, left.consents, left.objections)
    assert left.erased_time is not None


async def test_purge_counts_what_was_destroyed(app: App, channel: grpc.aio.Channel) -> None:
    """The request tells how many records there were, once their ciphertext is gone."""
    subject = end_user(await new_tenant(channel))
    for key in ("a", "b", "c"):
        await keep(channel, subject, key)

    request = await exercise(channel, subject, ERASURE)
    async with asyncio.timeout(30):
        while not (await get(channel, request.name)).outcomes[0].record_count:
            await app.ports.reader.wait_for_change(
                erasures_table(Role.PROCESSOR), at_most_seconds=1
            )

    outcome = (await get(channel, request.name)).outcomes[0]
    assert ("holders/store", 3, pb.HOLDER_OUTCOME_CONFIRMED) == (
        outcome.holder,
        outcome.record_count,
        outcome.outcome,
    )


async def test_repeat_erases_nothing_anew(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """The same call after a new sign-up returns what it returned, and touches nothing."""
    subject = await known(channel)
    request = await ask(channel, subject, ERASURE)
    await authorise(channel, request.name)
    id = new_id()
    first = await execute(channel, request.name, id)
    await reborn(channel, subject, clock)

    again = await execute(channel, request.name, id)
    other = await refused(execute(channel, request.name))

    assert first == again
    assert "ILLEGAL_TRANSITION" == other.reason
    assert (2, False) == (
        (await stored(app, subject)).generation,
        (await stored(app, subject)).is_erased,
    )


@pytest.mark.parametrize("begins_anew", [False, True])
async def test_late_execution_touches_no_later_life(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock, *, begins_anew: bool
) -> None:
    """A request that is executed after its life has ended is completed with that end as proof."""
    subject = await known(channel)
    late = await ask(channel, subject, ERASURE)
    await authorise(channel, late.name)
    await erase(app.ports, subject)
    if begins_anew:
        await reborn(channel, subject, clock)
        await keep(channel, subject)

    done = await execute(channel, late.name)

    claims = payload(await certificate(channel, late.name))
    assert (COMPLETED, 1, 1) == (done.state, done.generation, claims["generation"])
    assert "nothing was left: the subject had been erased" == done.outcomes[0].detail
    assert begins_anew is not (await stored(app, subject)).is_erased
    if begins_anew:
        assert 1 == len((await read(channel, subject)).records)


async def test_wiping_the_current_life_would_be_noticed(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """An execution that erased whatever life there is would leave no later one, as shown above."""
    subject = await known(channel)
    await erase(app.ports, subject)
    await reborn(channel, subject, clock)

    await erase(app.ports, subject)

    assert (await stored(app, subject)).is_erased


async def test_access_after_the_end_answers_that_nothing_is_left(
    app: App, channel: grpc.aio.Channel
) -> None:
    """Whoever asked for access and was erased is told that nothing is kept any more."""
    subject = await known(channel)
    request = await ask(channel, subject, ACCESS)
    await authorise(channel, request.name)
    await erase(app.ports, subject)

    done = await execute(channel, request.name)

    assert (COMPLETED, 0) == (done.state, done.outcomes[0].record_count)
    assert "EXPORT_NOT_FOUND" == (await refused(document(channel, request.name))).reason


async def test_words_go_with_the_person(channel: grpc.aio.Channel) -> None:
    """The explanation of an earlier refusal can't be read after an erasure; its ground can."""
    subject = await known(channel)
    request = await ask(channel, subject, ACCESS)
    await rights(channel).RefuseRightsRequest(
        pb.RefuseRightsRequestRequest(
            name=request.name,
            ground=pb.REFUSAL_GROUND_EXCESSIVE,
            explanation="You asked every day",
            request_id=new_id(),
        )
    )
    before = await get(channel, request.name)

    await exercise(channel, subject, ERASURE)

    after = await get(channel, request.name)
    (told,), (left,) = before.refusals, after.refusals
    assert ("You asked every day", "") == (told.explanation, left.explanation)
    assert pb.REFUSAL_GROUND_EXCESSIVE == left.ground


# --- The certificate -----------------------------------------------------------------------------


def decoded(part: str) -> bytes:
    """Return a part of a JWS as bytes (RFC 7515 section 2)."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def payload(jws: str) -> dict[str, Any]:
    """Return what a JWS says, unverified."""
    claims: dict[str, Any] = json.loads(decoded(jws.split(".")[1]))
    return claims


async def verify(channel: grpc.aio.Channel, jws: str) -> dict[str, Any]:
    """Verify *jws* as anyone can, with nothing but the public keys, and return what it says."""
    keys = json.loads(
        (await AuditServiceStub(channel).ListKeys(audit_service_pb2.ListKeysRequest())).jwks
    )["keys"]
    header, content, signature = jws.split(".")
    head = json.loads(decoded(header))
    key = next(each for each in keys if each["kid"] == head["kid"])
    assert ("OKP", "Ed25519") == (key["kty"], key["crv"])
    public = Ed25519PublicKey.from_public_bytes(decoded(key["x"]))
    public.verify(decoded(signature), f"{header}.{content}".encode())
    assert {"alg": "EdDSA", "kid": key["kid"], "typ": "erasure-certificate+jwt"} == head
    return payload(jws)


@BOTH
async def test_certificate_verifies_offline(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock, who: Person
) -> None:
    """The certificate verifies byte by byte with the published keys, and says what was done."""
    subject = await known(channel, who)
    wrapped = (await stored(app, subject)).key
    request = await exercise(channel, subject, ERASURE)

    claims = await verify(channel, await certificate(channel, request.name))

    assert wrapped is not None
    expected = {
        "tenant": subject.tenant,
        "role": "controller" if who is own_user else "processor",
        "subject_reference": request.subject_reference,
        "generation": 1,
        "request": request.name,
        "jti": request.name,
        "iss": "privacyrights",
        "iat": int(clock.now().timestamp()),
        "erase_time": clock.now().isoformat().replace("+00:00", "Z"),
    }
    assert expected == {name: claims[name] for name in expected}
    assert f"sha256:{sha256(wrapped).hexdigest()}" == claims["destroyed"]["key_digest"]
    assert (["holders/store"], []) == (
        claims["coverage"]["confirmed"],
        claims["coverage"]["holders"],
    )
    assert "No other holder" in claims["coverage"]["statement"]
    assert subject.subject_id not in json.dumps(claims)


async def test_altered_certificate_does_not_verify(channel: grpc.aio.Channel) -> None:
    """A certificate for another generation, under the same signature, is none."""
    subject = await known(channel)
    request = await exercise(channel, subject, ERASURE)
    header, _, signature = (await certificate(channel, request.name)).split(".")
    claims = {**payload(await certificate(channel, request.name)), "generation": 2}
    content = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")

    with pytest.raises(InvalidSignature):
        await verify(channel, f"{header}.{content}.{signature}")


async def test_only_executed_erasures_have_a_certificate(channel: grpc.aio.Channel) -> None:
    """An erasure that is still open, and an access, have none."""
    subject = await known(channel)
    opened = await ask(channel, subject, ERASURE)
    access = await exercise(channel, subject, ACCESS)

    found = [await refused(certificate(channel, each.name)) for each in (opened, access)]

    assert [("NOT_FOUND", "CERTIFICATE_NOT_FOUND")] * 2 == [
        (each.code, each.reason) for each in found
    ]


# --- The list ------------------------------------------------------------------------------------


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
    subject = await known(channel)
    other = await known(channel)
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
    subject = await known(channel)
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
