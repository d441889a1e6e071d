"""Consent receipts over a real channel, verified with a JOSE library that isn't ours."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any, cast

import grpc
import jwt
import pytest

from privacyrights.v1 import audit_service_pb2, types_pb2
from privacyrights.v1 import catalogue_service_pb2 as catalogue_pb
from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1.audit_service_pb2_grpc import AuditServiceStub
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub
from server.compose import App
from server.domain.clock import SteppingClock
from tests.rpc.kept import erase
from tests.rpc.people import (
    end_user,
    grant,
    new_id,
    new_tenant,
    own_user,
    refused,
    shown_text,
    verdict,
    withdraw,
)
from tests.rpc.proposing import applied, purpose

CUSTOMISE = "purposes/customise_messages"
NEWS = "purposes/platform_news"


async def receipt(channel: grpc.aio.Channel, name: str, **fields: Any) -> Any:
    """Return the receipt of the decision *name*."""
    return await ConsentServiceStub(channel).GetConsentReceipt(
        pb.GetConsentReceiptRequest(name=name, **fields)
    )


async def published(channel: grpc.aio.Channel) -> Mapping[str, Any]:
    """Return the published keys, as a JWK set."""
    answer = await AuditServiceStub(channel).ListKeys(audit_service_pb2.ListKeysRequest())
    return cast("Mapping[str, Any]", json.loads(answer.jwks))


def verified(jws: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return what *jws* claims, verified with the published *keys* and nothing else."""
    header = jwt.get_unverified_header(jws)
    assert ("EdDSA", "consent-receipt+jwt") == (header["alg"], header["typ"])
    key = jwt.PyJWKSet.from_dict(dict(keys))[header["kid"]]
    # The library compares `iat` with the machine's clock, and the server's stands elsewhere.
    return jwt.decode(jws, key, algorithms=["EdDSA"], options={"verify_iat": False})


async def test_receipt_is_verified_by_anyone(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A receipt says, signed, what was decided on what, when, by whom – by reference only."""
    who = end_user(await new_tenant(channel), f"Ada-Lovelace-{new_id()}")
    granted = await grant(channel, who, CUSTOMISE, method=pb.CONSENT_METHOD_CONTROL)
    checked = await verdict(channel, who, CUSTOMISE)

    found = await receipt(channel, granted.consent_decision)
    claims = verified(found.jws, await published(channel))

    assert granted.consent_decision == claims["jti"] == claims["receipt_id"] == claims["record_id"]
    assert int(clock.now().timestamp()) == claims["iat"]
    assert ("ISO/IEC TS 27560:2023", checked.subject_reference, 1) == (
        claims["schema_version"],
        claims["pii_principal_id"],
        claims["generation"],
    )
    assert checked.deciding_entry == claims["ledger_entry"]
    assert {
        "privacy_notice": "policyVersions/2019-01-01",
        "consent_text_digest": f"sha256:{await shown_text(channel, CUSTOMISE)}",
        "language": "en",
        "purpose": CUSTOMISE,
        "purpose_type": "dpv:ServicePersonalisation",
        "lawful_basis": ["eu-gdpr:A6-1-a"],
        "pii_controllers": [who.tenant],
        "jurisdiction": "EU",
    }.items() <= claims["processing"].items()
    assert {"category": "categories/profile", "pii_type": "pd:Profile"}.items() <= claims[
        "processing"
    ]["pii_information"][0].items()
    assert ["dpv:DataController", "dpv:DataProcessor"] == [
        party["party_role"] for party in claims["party_identification"]
    ]
    assert {
        "event_state": "dpv:ConsentGiven",
        "event_type": "dpv:ExpressedConsent",
        "indication_method": "control",
        "entity_id": checked.subject_reference,
    }.items() <= claims["event"].items()
    assert clock.now() == datetime.fromisoformat(claims["event"]["event_time"])
    assert who.subject_id not in f"{claims}{found.html}"


async def test_platforms_own_people_see_who_is_responsible(channel: grpc.aio.Channel) -> None:
    """Towards a tenant's own people the platform is the controller, and no processor is there."""
    granted = await grant(channel, own_user(await new_tenant(channel)), NEWS)

    claims = verified(
        (await receipt(channel, granted.consent_decision)).jws, await published(channel)
    )

    assert ["dpv:DataController"] == [
        party["party_role"] for party in claims["party_identification"]
    ]
    assert ["privacyrights"] == claims["processing"]["pii_controllers"]


def forged(jws: str, *, path: str, value: str) -> str:
    """Return *jws* with another *value* of the event, under the old signature."""
    header, payload, signature = jws.split(".")
    claims = json.loads(urlsafe_b64decode(payload + "=="))
    claims["event"][path] = value
    altered = urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{header}.{altered}.{signature}"


async def test_altered_receipt_is_caught(channel: grpc.aio.Channel) -> None:
    """Who turns a refusal into a grant, or signs with another key, is caught offline."""
    who = end_user(await new_tenant(channel))
    said_no = await grant(channel, who, CUSTOMISE, choice=pb.CONSENT_CHOICE_REFUSED)
    jws = (await receipt(channel, said_no.consent_decision)).jws
    keys = await published(channel)
    assert "dpv:ConsentRefused" == verified(jws, keys)["event"]["event_state"]

    with pytest.raises(jwt.InvalidSignatureError):
        verified(forged(jws, path="event_state", value="dpv:ConsentGiven"), keys)
    other = {**keys["keys"][0], "x": urlsafe_b64encode(bytes(31) + b"\1").rstrip(b"=").decode()}
    with pytest.raises(jwt.InvalidTokenError):
        verified(jws, {"keys": [other]})


async def test_each_decision_has_its_receipt(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """After a withdrawal both have one, and the grant's says still what was agreed to."""
    who = end_user(await new_tenant(channel))
    until = clock.now() + timedelta(days=30)
    expire_time = pb.RecordConsentRequest().expire_time
    expire_time.FromDatetime(until)
    granted = await grant(channel, who, CUSTOMISE, explicit=True, expire_time=expire_time)
    clock.advance(timedelta(days=1))
    withdrawn = await withdraw(channel, who, CUSTOMISE)
    keys = await published(channel)

    events = [
        verified((await receipt(channel, each.consent_decision)).jws, keys)["event"]
        for each in (granted, withdrawn)
    ]

    assert ["dpv:ConsentGiven", "dpv:ConsentWithdrawn"] == [e["event_state"] for e in events]
    assert "dpv:ExplicitlyExpressedConsent" == events[0]["event_type"]
    assert until == datetime.fromisoformat(events[0]["validity_end_time"])


async def test_receipt_is_of_what_was_decided_on(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A later version of the purpose changes no receipt: title, data and words are of then."""
    name = f"purposes/{new_id('receipt')}"
    await applied(channel, purpose(name, title="Then"))
    granted = await grant(channel, end_user(await new_tenant(channel)), name)
    clock.advance(timedelta(days=1))
    text = catalogue_pb.LocalizedText(locale="en", text="May we do something else?")
    await applied(
        channel,
        purpose(name, title="Now", texts=[text], categories=["categories/quick_reply"]),
    )

    found = await receipt(channel, granted.consent_decision)

    processing = verified(found.jws, await published(channel))["processing"]
    assert ("Then", 1) == (processing["purpose_title"], processing["purpose_version"])
    assert ["categories/profile"] == [each["category"] for each in processing["pii_information"]]
    assert f"May we do what {name} is for?" in found.html
    assert "something else" not in found.html


async def test_childs_receipt_tells_no_more_than_that_a_parent_agreed(
    channel: grpc.aio.Channel,
) -> None:
    """That the holder of responsibility authorised it is said; how that was verified isn't."""
    authority = pb.ParentalAuthority(
        subject_is_child=True, authorised=True, verification="checked by card"
    )
    granted = await grant(
        channel, end_user(await new_tenant(channel)), CUSTOMISE, parental_authority=authority
    )

    found = await receipt(channel, granted.consent_decision)

    claims = verified(found.jws, await published(channel))
    assert "dpv:ParentOfDataSubject" == claims["event"]["authorised_by"]
    assert "checked by card" not in f"{claims}{found.html}"


async def test_ended_life_has_no_receipts(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """After an erasure none is issued, nor for the decisions of that life in the next one."""
    who = end_user(await new_tenant(channel))
    granted = await grant(channel, who, CUSTOMISE)
    await erase(app.ports, who)
    gone = await refused(receipt(channel, granted.consent_decision))
    clock.advance(timedelta(days=1))
    time = pb.RecordConsentRequest().decision_time
    time.FromDatetime(clock.now())
    again = await grant(channel, who, CUSTOMISE, decision_time=time)

    still_gone = await refused(receipt(channel, granted.consent_decision))
    new = verified((await receipt(channel, again.consent_decision)).jws, await published(channel))

    assert ("FAILED_PRECONDITION", "SUBJECT_ERASED") == (gone.code, gone.reason)
    assert "SUBJECT_ERASED" == still_gone.reason
    assert 2 == new["generation"]


async def test_another_tenants_receipt_is_not_found(channel: grpc.aio.Channel) -> None:
    """Another tenant's decision has no receipt, like one that never was."""
    granted = await grant(channel, end_user(await new_tenant(channel)), CUSTOMISE)
    id = granted.consent_decision.rpartition("/")[2]

    told = await refused(receipt(channel, f"{await new_tenant(channel)}/consentDecisions/{id}"))

    assert ("NOT_FOUND", "CONSENT_DECISION_NOT_FOUND") == (told.code, told.reason)


class Page(HTMLParser):
    """What a browser sees: the elements, their language, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.languages: dict[str, str] = {}
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element, and that it has no attribute that loads or runs anything."""
        self.tags.append(tag)
        given = dict(attrs)
        self.languages[tag] = given.get("lang") or ""
        assert not {"src", "href", "onload", "onclick", "style"} & given.keys()

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self.text += data


@pytest.mark.parametrize(
    ("shown", "asked", "language", "says"),
    [
        ("fr", "", "fr", "Vous avez donné votre accord."),
        ("fr", "en", "en", "You agreed."),
        ("en", "fr-CA", "fr", "Vous avez donné votre accord."),
        ("en", "ja", "en", "You agreed."),
    ],
)
async def test_people_read_it_in_their_language(
    channel: grpc.aio.Channel, shown: str, asked: str, language: str, says: str
) -> None:
    """The page is in the language shown or asked for, and quotes the very words that were shown."""
    who = end_user(await new_tenant(channel))
    digest = await shown_text(channel, CUSTOMISE, shown)
    granted = await grant(channel, who, CUSTOMISE, text_digest=digest, locale=shown)

    found = await receipt(channel, granted.consent_decision, locale=asked)

    page = Page(found.html)
    assert (language, language, shown) == (
        found.locale,
        page.languages["html"],
        page.languages["blockquote"],
    )
    assert says in page.text
    assert ("Le chatbot peut-il" if shown == "fr" else "May the chatbot use") in page.text
    assert granted.consent_decision in page.text


async def test_page_runs_nothing(channel: grpc.aio.Channel) -> None:
    """Markup in a text or a tenant's name is shown as it is written, never run."""
    name = f"purposes/{new_id('receipt')}"
    text = catalogue_pb.LocalizedText(locale="en", text="<script>alert(1)</script> & so on?")
    await applied(channel, purpose(name, title="<img onerror=x>", texts=[text]))
    granted = await grant(channel, end_user(await new_tenant(channel)), name)

    page = Page((await receipt(channel, granted.consent_decision)).html)

    assert not {"script", "img", "link", "iframe", "form"} & set(page.tags)
    assert "<script>alert(1)</script> & so on?" in page.text


async def test_bad_requests_are_told_by_field(channel: grpc.aio.Channel) -> None:
    """A name and a language that aren't any are refused together, and not repeated."""
    told = await refused(receipt(channel, "ada lovelace", locale="ada lovelace"))

    assert ("FIELD_INVALID", ("name", "locale")) == (told.reason, told.fields)
    assert "lovelace" not in told.message


async def test_receipt_is_as_fresh_as_asked(channel: grpc.aio.Channel) -> None:
    """With the token of a decision, its receipt is there."""
    granted = await grant(channel, end_user(await new_tenant(channel)), CUSTOMISE)

    found = await receipt(
        channel,
        granted.consent_decision,
        consistency=types_pb2.Consistency(at_least_as_fresh=granted.consistency_token),
    )

    assert found.jws
