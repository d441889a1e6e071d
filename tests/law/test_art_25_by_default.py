"""GDPR Art. 25: data protection by design and by default."""

from __future__ import annotations

import grpc

from privacyrights.v1 import records_service_pb2 as pb
from server.compose import App
from tests.rpc.kept import contents, ledger, put, read, stored, stub
from tests.rpc.people import end_user, new_tenant, refused

CUSTOMISE = "purposes/customise_messages"


async def test_without_a_choice_nothing_is_allowed(channel: grpc.aio.Channel) -> None:
    """Art. 25(2): while nobody has agreed, what needs consent is neither kept nor read."""
    subject = end_user(await new_tenant(channel))
    await put(channel, subject)

    keeping = await refused(put(channel, subject, purpose=CUSTOMISE))
    reading = await refused(read(channel, subject, purpose=CUSTOMISE))

    assert "CONSENT_MISSING" == keeping.metadata["verdict_reasons"]
    assert "CONSENT_MISSING" == reading.metadata["verdict_reasons"]


async def test_extent_is_limited_by_default(channel: grpc.aio.Channel) -> None:
    """Art. 25(2): a reading that asks for nothing in particular gets what the purpose needs."""
    subject = end_user(await new_tenant(channel))
    await put(channel, subject, {"name": "Ada"})
    await put(channel, subject, {"duration_seconds": 30}, category="categories/session")

    response = await read(channel, subject, purpose="purposes/analytics_preview")

    assert [{"duration_seconds": 30}] == contents(response)


async def test_what_is_kept_is_pseudonymous_and_sealed(app: App, channel: grpc.aio.Channel) -> None:
    """Art. 25(1): at rest there is a keyed reference in place of the person, and ciphertext."""
    subject = end_user(await new_tenant(channel), "ada-lovelace")
    await put(channel, subject, {"name": "Ada Lovelace"})
    known = await stub(channel).GetSubject(pb.GetSubjectRequest(subject=subject))

    (record,) = await stored(app.ports, subject)

    assert record.subject.endswith(f"/{known.subject.reference}")
    assert "ada" not in str(record).lower()


async def test_nobody_reads_unseen(app: App, channel: grpc.aio.Channel) -> None:
    """Art. 25(2), 5(2): data isn't accessible to anybody who doesn't say why; that is recorded."""
    tenant = await new_tenant(channel)
    subject = end_user(tenant)
    await put(channel, subject)

    assert ("reason",) == (await refused(read(channel, subject, reason=""))).fields
    await read(channel, subject, reason="ticket 42")

    readings = [e.reason for e in await ledger(app.ports, tenant) if e.type == "record.read"]
    assert ["ticket 42"] == readings
