"""A small world on a server: one of everything, and more of what a call uses up.

Calls are written as the contract's JSON, so that a table of them can be read.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

from privacyrights.v1.feed_service_pb2 import SubscribeRequest
from privacyrights.v1.feed_service_pb2_grpc import FeedServiceStub
from tests.rpc.contract import Method, methods
from tests.rpc.people import new_id
from tests.rpc.wire import responses

Json = dict[str, Any]

CANARY = "canary4711"
"""In whatever is personal: no error and no log line may ever have it."""

SIGNED_SECONDS = 20
"""How long a checkpoint is waited for, which is far longer than it takes."""

POLICY_VERSION = "policyVersions/2019-01-01"
CUSTOMISE = "purposes/customise_messages"
RELATIONSHIP = "purposes/manage_relationship"
OPTIMISE = "purposes/optimise_interactions"
ACCOUNT = "categories/account"
PROFILE = "categories/profile"
REPLY = "categories/quick_reply"
LOGIN: Json = {
    "assurance": "IDENTITY_ASSURANCE_SUBSTANTIAL",
    "method": "IDENTITY_METHOD_PLATFORM_LOGIN",
}


class World:
    """A tenant with a chatbot, people of both regimes, and what is known of them."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self.tenant = ""
        self.other = ""
        self.text = ""
        self.end_user: Json = {}
        self.own_user: Json = {}
        self.recipient = ""
        self.names: set[str] = set()
        self.people: list[Json] = []

    async def call(self, rpc: str, request: Json | None = None) -> Json:
        """Call *rpc*, and return its response, or the last of its stream."""
        method = methods()[rpc]
        encoded = message(method, request or {}).SerializeToString()
        answered = await responses(self._channel, method.path, encoded)
        response = method.response.FromString(answered[-1])
        found = MessageToDict(response, preserving_proto_field_name=True)
        self._keep_names(found)
        return found

    async def make(self) -> World:
        """Make it, and return it."""
        self.tenant, self.other = [await self._tenant() for _ in range(2)]
        purpose = await self.call("CatalogueService/GetPurpose", {"name": CUSTOMISE})
        self.text = next(
            text["digest"] for text in purpose["purpose"]["texts"] if text["locale"] == "en"
        )
        self.end_user, self.own_user = await self.person(), await self.person("CONTROLLER")
        self.recipient = (await self.call("DisclosureService/CreateRecipient", new_recipient()))[
            "recipient"
        ]["name"]
        return self

    async def person(self, role: str = "PROCESSOR") -> Json:
        """Return somebody who is known, agreed to what can be agreed to, and has a record."""
        who = self.somebody(role)
        if role == "PROCESSOR":
            await self.call("ConsentService/RecordConsent", self.grant(who))
        await self.call("RecordsService/PutRecord", self.record(who))
        return who

    def somebody(self, role: str = "PROCESSOR") -> Json:
        """Return somebody who isn't known yet."""
        who = {
            "role": f"ROLE_{role}",
            "tenant": self.tenant,
            "subject_id": new_id(f"psid-{CANARY}"),
        }
        self.people.append(who)
        return who

    def visitor(self) -> Json:
        """Return a visitor whom nobody has heard of."""
        return {
            "role": "ROLE_PROCESSOR",
            "tenant": self.tenant,
            "visitor_id": new_id(f"browser-{CANARY}"),
        }

    async def decision(self) -> str:
        """Return a decision of somebody new."""
        recorded = await self.call("ConsentService/RecordConsent", self.grant(self.visitor()))
        return cast("str", recorded["consent_decision"])

    def grant(self, who: Json) -> Json:
        """Return the request that records that *who* agreed."""
        return {
            "subject": who,
            "purpose": CUSTOMISE,
            "choice": "CONSENT_CHOICE_GRANTED",
            "policy_version": POLICY_VERSION,
            "text_digest": self.text,
            "locale": "en",
        }

    def cookies(self) -> Json:
        """Return the request that records what a visitor of the platform chose."""
        who = {**self.visitor(), "role": "ROLE_CONTROLLER"}
        choices = [{"purpose": "purposes/cookies_analytics", "choice": "CONSENT_CHOICE_REFUSED"}]
        return {"subject": who, "choices": choices}

    def record(self, who: Json) -> Json:
        """Return the request that keeps a record of *who*."""
        is_own = who["role"] == "ROLE_CONTROLLER"
        fields = (
            {"name": CANARY, "email": f"{CANARY}@example.org"}
            if is_own
            else {"question": "size", "answer": CANARY}
        )
        return {
            "subject": who,
            "purpose": RELATIONSHIP if is_own else OPTIMISE,
            "record": {"category": ACCOUNT if is_own else REPLY, "fields": fields},
        }

    async def entry(self) -> str:
        """Return a ledger entry that commits to something about somebody."""
        wanted = {"parent": self.tenant, "subject": await self.person(), "types": ["record.put"]}
        listed = await self.call("AuditService/ListLedgerEntries", wanted)
        return cast("str", listed["entries"][0]["name"])

    async def signed(self) -> int:
        """Return the size of the newest checkpoint of the tenant's log, once it counts some."""
        async with asyncio.timeout(SIGNED_SECONDS):
            while True:
                try:
                    found = await self.call("AuditService/GetCheckpoint", {"parent": self.tenant})
                    if (size := int(found["checkpoint"]["size"])) > 1:
                        return size
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                        raise
                await asyncio.sleep(0.05)

    async def chatbot(self) -> str:
        """Return a chatbot of the tenant."""
        created = await self.call("TenantService/CreateChatbot", self.new_chatbot())
        return cast("str", created["chatbot"]["name"])

    def new_chatbot(self) -> Json:
        """Return the request that registers a chatbot."""
        return {
            "parent": self.tenant,
            "chatbot_id": new_id("bot"),
            "chatbot": {"display_name": "Bot"},
        }

    async def change(self, *, is_reviewed: bool) -> str:
        """Return a proposed change of the catalogue, reviewed or not."""
        proposed = await self.call("CatalogueService/ProposeCatalogueChange", new_proposal())
        change: str = proposed["catalogue_change"]
        if is_reviewed:
            await self.call(
                "CatalogueService/ReviewCatalogueChange", {"name": change, "review": new_review()}
            )
        return change

    async def organisation(self) -> None:
        """Have the catalogue say who the platform is."""
        ours = {"display_name": "Platform", "address": "Paris", "contact_point": "privacy desk"}
        proposed = {"content": {"organisation": ours}, "proposer": "Product", "reason": "Art. 30."}
        answer = await self.call("CatalogueService/ProposeCatalogueChange", proposed)
        change = {"name": answer["catalogue_change"]}
        await self.call(
            "CatalogueService/ReviewCatalogueChange", {**change, "review": new_review()}
        )
        await self.call("CatalogueService/ApplyCatalogueChange", change)

    async def instruction(self) -> str:
        """Return an instruction that stands."""
        given = {
            "parent": self.tenant,
            "category": "categories/public_profile",
            "text": "Collect it.",
            "instructed_by": CANARY,
        }
        recorded = await self.call("CatalogueService/RecordInstruction", given)
        return cast("str", recorded["instruction"])

    async def contact(self) -> str:
        """Return a contact of the tenant."""
        given = {
            "parent": self.tenant,
            "contact": {
                "side": "SIDE_TENANT",
                "function": "CONTACT_FUNCTION_COMPLIANCE",
                "display_name": CANARY,
                "address": f"{CANARY}@example.org",
            },
        }
        return cast("str", (await self.call("AssistanceService/SetContact", given))["contact"])

    async def disclosure(self) -> str:
        """Return a disclosure about somebody."""
        given = self.given(self.end_user)
        recorded = await self.call("DisclosureService/RecordDisclosure", given)
        return cast("str", recorded["disclosure"])

    def given(self, who: Json) -> Json:
        """Return the request that records that data of *who* is given to the recipient."""
        return {
            "subject": who,
            "recipient": self.recipient,
            "purpose": CUSTOMISE,
            "categories": [PROFILE],
        }

    async def inquiry(self) -> str:
        """Return an inquiry that waits for an answer."""
        opened = await self.call("AssistanceService/OpenInquiry", self.question())
        return cast("str", opened["inquiry"]["name"])

    def question(self) -> Json:
        """Return the request that opens an inquiry."""
        return {"parent": self.tenant, "title": CANARY, "text": CANARY, "author": CANARY}

    async def request(
        self, right: str = "ACCESS", role: str = "CONTROLLER", **fields: object
    ) -> str:
        """Return a request of somebody new, verified unless *fields* say otherwise."""
        given = {
            "subject": await self.person(role),
            "kind": f"RIGHTS_REQUEST_KIND_{right}",
            "identity": LOGIN,
            **fields,
        }
        created = await self.call("SubjectRightsService/CreateRightsRequest", given)
        return cast("str", created["rights_request"]["name"])

    async def executed(self, right: str) -> str:
        """Return a request that was executed."""
        name = await self.request(right)
        await self.call("SubjectRightsService/ExecuteRightsRequest", {"name": name})
        return name

    async def breach(self) -> str:
        """Return a breach that concerns the tenant."""
        reported = await self.call("BreachService/ReportBreach", self.report())
        return cast("str", reported["breach"]["name"])

    def report(self) -> Json:
        """Return the request that reports a breach."""
        return {
            "breach": {
                "kinds": ["BREACH_KIND_CONFIDENTIALITY"],
                "description": "A backup was readable.",
                "awareness_time": "2026-03-01T08:00:00Z",
                "contact_point": "the data protection officer",
                "scope": {"tenants": [self.tenant], "roles": ["ROLE_PROCESSOR"]},
            }
        }

    async def notice(self) -> str:
        """Return a notice that nobody has acknowledged."""
        await self.breach()
        given = {"parent": self.tenant, "role": "ROLE_PROCESSOR", "unacknowledged_only": True}
        listed = await self.call("BreachService/ListNotices", given)
        return cast("str", listed["notices"][0]["name"])

    def new_subscription(self) -> Json:
        """Return the request that subscribes to all that has happened to the tenant."""
        return {
            "subscription_id": new_id("feed"),
            "subscription": {
                "filter": {"types": ["tenant.*", "consent.granted"], "tenants": [self.tenant]},
                "display_name": CANARY,
                "acknowledge_timeout": "60s",
            },
            "start_time": "2020-01-01T00:00:00Z",
        }

    async def subscription(self) -> str:
        """Return a subscription that nobody streams."""
        created = await self.call("FeedService/CreateSubscription", self.new_subscription())
        return cast("str", created["subscription"]["name"])

    async def acknowledgement(self) -> Json:
        """Return the request that acknowledges the first event of a subscription."""
        name = await self.subscription()
        call = FeedServiceStub(self._channel).Subscribe(SubscribeRequest(name=name))
        first = await anext(event async for message in call for event in message.events)
        call.cancel()
        position = {"partition": first.partition, "position": first.position}
        return {"name": name, "positions": [position]}

    async def sweep(self) -> Json:
        """Return a planned sweep of the tenant that will destroy somebody."""
        given = {"subject": await self.person(), "interaction_time": "2019-02-03T12:00:00Z"}
        await self.call("RetentionService/BatchRecordInteractions", {"interactions": [given]})
        plan = {"role": "ROLE_PROCESSOR", "tenant": self.tenant}
        return cast("Json", (await self.call("RetentionService/PlanSweep", plan))["sweep"])

    def _keep_names(self, found: object) -> None:
        """Keep the names in a response: other methods are called with them as well."""
        match found:
            case dict():
                for value in cast("Json", found).values():
                    self._keep_names(value)
            case list():
                for value in cast("list[object]", found):
                    self._keep_names(value)
            case str() if "/" in found and " " not in found:
                self.names.add(found)
            case _:
                pass

    async def _tenant(self) -> str:
        given = {
            "tenant_id": new_id("tenant"),
            "tenant": {"display_name": "A tenant", "time_zone": "Europe/Paris"},
        }
        return cast("str", (await self.call("TenantService/CreateTenant", given))["tenant"]["name"])


def message(method: Method, given: Json) -> Message:
    """Return *given* as a request of *method*, with a request id of its own."""
    built = ParseDict(given, method.request())
    if method.is_idempotent and not getattr(built, "request_id"):  # noqa: B009 – it is no attribute of every message
        setattr(built, "request_id", new_id())  # noqa: B010 – as above
    return built


def new_recipient() -> Json:
    """Return the request that registers a recipient."""
    return {
        "recipient_id": new_id("recipient"),
        "recipient": {
            "display_name": "Payments Ltd",
            "kind": "RECIPIENT_KIND_CONTROLLER",
            "country": "FR",
            "purposes": [RELATIONSHIP, CUSTOMISE],
            "contract": "Agreement",
            "vetting_digest": "ab" * 32,
            "vetting_time": "2026-02-02T10:00:00Z",
        },
    }


def new_proposal() -> Json:
    """Return the request that proposes a new category."""
    category = {
        "name": f"categories/{new_id('c')}",
        "role": "ROLE_PROCESSOR",
        "title": "Something",
        "fields": [{"name": "x", "type": "FIELD_TYPE_STRING", "max_bytes": 10}],
    }
    return {"content": {"categories": [category]}, "proposer": "Product", "reason": "A feature."}


def new_review() -> Json:
    """Return an approval."""
    return {"reviewer": "Counsel", "outcome": "REVIEW_OUTCOME_APPROVED", "note": "Lawful."}
