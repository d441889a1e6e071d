"""One request for each method that is built, which is answered; generated ones start from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.rpc.people import REASON, new_id
from tests.rpc.world import (
    CANARY,
    CUSTOMISE,
    LOGIN,
    OPTIMISE,
    PROFILE,
    REPLY,
    Json,
    World,
    new_proposal,
    new_recipient,
    new_review,
)

Case = Callable[[World], Awaitable[Json]]


def _plain(make: Callable[[World], Json]) -> Case:
    async def made(world: World) -> Json:
        return make(world)

    return made


def _of(field: str, made: Callable[[World], Awaitable[Any]], **more: object) -> Case:
    """Return a case that names in *field* what is *made* for it alone."""

    async def request(world: World) -> Json:
        return {field: await made(world), **more}

    return request


async def _execution(world: World) -> Json:
    sweep = await world.sweep()
    return {"name": sweep["name"], "plan_hash": sweep["plan_hash"]}


async def _certified_sweep(world: World) -> Json:
    plan = await _execution(world)
    await world.call("RetentionService/ExecuteSweep", plan)
    return {"name": plan["name"], "tenant": world.tenant}


async def _link(world: World) -> Json:
    visitor = world.visitor()
    await world.call("ConsentService/RecordConsent", world.grant(visitor))
    return {
        "subject": world.somebody(),
        "visitor_id": visitor["visitor_id"],
        "method": "CONSENT_METHOD_CONTROL",
    }


async def _deletion(world: World) -> Json:
    return {"subject": await world.person(), "category": REPLY}


async def _assessed(world: World) -> str:
    breach = await world.breach()
    risk = {"level": "RISK_LEVEL_UNLIKELY", "reasoning": "It was encrypted."}
    await world.call("BreachService/AssessBreachRisk", {"name": breach, "risk": risk})
    return breach


async def _subscription_update(world: World) -> Json:
    subscription = {
        "name": await world.subscription(),
        "filter": {"types": ["consent.*"], "roles": ["ROLE_PROCESSOR"]},
        "acknowledge_timeout": "2s",
        "display_name": CANARY,
    }
    return {"subscription": subscription, "update_mask": "filter,acknowledgeTimeout,displayName"}


async def _signed_log(world: World) -> Json:
    await world.signed()
    return {"parent": world.tenant}


async def _inclusion(world: World) -> Json:
    size = await world.signed()
    log = {"parent": world.tenant, "endPosition": 1}
    first = (await world.call("AuditService/ExportLedger", log))["entries"][0]
    return {"entry": first["name"], "size": size}


async def _organisation(world: World) -> Json:
    """Return the request for who the platform is, once a catalogue says so."""
    await world.organisation()
    return {}


async def _growth(world: World) -> Json:
    return {"parent": world.tenant, "firstSize": 1, "secondSize": await world.signed()}


async def _directive(world: World) -> str:
    """Return a directive that says as much about people as one can."""
    recorded = await world.call("DirectiveService/RecordDirective", await _wish(world))
    name: str = recorded["directive"]["name"]
    return name


async def _wish(world: World) -> Json:
    directive = {
        "action": "DIRECTIVE_ACTION_COMMUNICATE",
        "categories": [PROFILE],
        "designated_person": CANARY,
        "beneficiary": CANARY,
    }
    subject = await world.person("PROCESSOR")
    return {"subject": subject, "directive": directive, "identity": LOGIN}


async def _directive_update(world: World) -> Json:
    directive = {"name": await _directive(world), "beneficiary": f"{CANARY} the younger"}
    return {"directive": directive, "update_mask": "beneficiary", "identity": LOGIN}


async def _death(world: World) -> Json:
    wish = await _wish(world)
    await world.call("DirectiveService/RecordDirective", wish)
    return {
        "subject": wish["subject"],
        "evidence": "DEATH_EVIDENCE_CERTIFICATE",
        "evidence_digest": "ab" * 32,
        "requester": {"capacity": "REQUESTER_CAPACITY_HEIR", "evidence_digest": "cd" * 32},
        "identity": LOGIN,
    }


async def _plan(world: World) -> str:
    name: str = (await world.sweep())["name"]
    return name


CASES: Mapping[str, Case] = {
    "AssistanceService/OpenInquiry": _plain(lambda w: w.question()),
    "AssistanceService/ReplyToInquiry": _of(
        "name", World.inquiry, side="SIDE_PLATFORM", author=CANARY, text=CANARY
    ),
    "AssistanceService/CloseInquiry": _of("name", World.inquiry),
    "AssistanceService/GetInquiry": _of("name", World.inquiry, reason=REASON),
    "AssistanceService/ListInquiries": _plain(
        lambda w: {"parent": w.tenant, "page_size": 2, "reason": REASON}
    ),
    "AssistanceService/SetContact": _plain(
        lambda w: {
            "parent": w.tenant,
            "contact": {
                "side": "SIDE_TENANT",
                "function": "CONTACT_FUNCTION_BREACH",
                "display_name": CANARY,
                "address": f"{CANARY}@example.org",
            },
        }
    ),
    "AssistanceService/GetContact": _of("name", World.contact, reason=REASON),
    "AssistanceService/DeleteContact": _of("name", World.contact),
    "AssistanceService/ListContacts": _plain(lambda w: {"parent": w.tenant, "reason": REASON}),
    "AssistanceService/ListComplianceGaps": _plain(lambda w: {"parent": w.tenant, "page_size": 1}),
    "AuditService/ListLedgerEntries": _plain(
        lambda w: {"parent": w.tenant, "subject": w.end_user, "page_size": 2}
    ),
    "AuditService/GetLedgerEntry": _of("name", World.entry),
    "AuditService/ExportLedger": _signed_log,
    "AuditService/GetCheckpoint": _signed_log,
    "AuditService/GetInclusionProof": _inclusion,
    "AuditService/GetConsistencyProof": _growth,
    "AuditService/ListKeys": _plain(lambda _: {}),
    "AuditService/OpenCommitment": _of("entry", World.entry, reason="a complaint"),
    "AuditService/VerifyDeletion": _plain(lambda w: {"subject": w.end_user}),
    "BreachService/ReportBreach": _plain(lambda w: w.report()),
    "BreachService/GetBreach": _of("name", World.breach),
    "BreachService/ListBreaches": _plain(lambda _: {"page_size": 1}),
    "BreachService/LogBreachMeasure": _of(
        "name",
        World.breach,
        measure={"phase": "PHASE_CONTAINMENT", "description": "It was taken off the network."},
    ),
    "BreachService/AssessBreachRisk": _of(
        "name", World.breach, risk={"level": "RISK_LEVEL_UNLIKELY", "reasoning": "Encrypted."}
    ),
    "BreachService/CloseBreach": _of("name", _assessed, lessons="Networks are apart now."),
    "BreachService/GetNotice": _of("name", World.notice),
    "BreachService/ListNotices": _plain(lambda w: {"parent": w.tenant, "role": "ROLE_PROCESSOR"}),
    "BreachService/WatchNotices": _plain(
        lambda w: {"tenants": [w.tenant], "roles": ["ROLE_PROCESSOR"]}
    ),
    "BreachService/AcknowledgeNotice": _of("name", World.notice, acknowledged_by=CANARY),
    "CatalogueService/ProposeCatalogueChange": _plain(lambda _: new_proposal()),
    "CatalogueService/ReviewCatalogueChange": _of(
        "name", lambda w: w.change(is_reviewed=False), review=new_review()
    ),
    "CatalogueService/ApplyCatalogueChange": _of("name", lambda w: w.change(is_reviewed=True)),
    "CatalogueService/WithdrawCatalogueChange": _of(
        "name", lambda w: w.change(is_reviewed=False), reason="Not wanted."
    ),
    "CatalogueService/GetCatalogueChange": _of("name", lambda w: w.change(is_reviewed=False)),
    "CatalogueService/ListCatalogueChanges": _plain(lambda _: {"page_size": 1}),
    "CatalogueService/GetPurpose": _plain(lambda _: {"name": CUSTOMISE}),
    "CatalogueService/ListPurposes": _plain(lambda _: {"page_size": 2}),
    "CatalogueService/GetCategory": _plain(lambda _: {"name": PROFILE}),
    "CatalogueService/ListCategories": _plain(lambda _: {"page_size": 2}),
    "CatalogueService/GetPolicyVersion": _plain(lambda _: {"name": "policyVersions/current"}),
    "CatalogueService/ListPolicyVersions": _plain(lambda _: {}),
    "CatalogueService/GetRetentionRule": _plain(
        lambda _: {"name": "retentionRules/end_user_24_months"}
    ),
    "CatalogueService/ListRetentionRules": _plain(lambda _: {"page_size": 1}),
    "CatalogueService/GetOrganisation": _organisation,
    "CatalogueService/ExportProcessingActivities": _plain(
        lambda w: {
            "role": "ROLE_PROCESSOR",
            "tenant": w.tenant,
            "format": "DOCUMENT_FORMAT_JSON",
        }
    ),
    "CatalogueService/GetText": _plain(lambda w: {"digest": w.text}),
    "CatalogueService/RecordInstruction": _plain(
        lambda w: {
            "parent": w.tenant,
            "category": "categories/conversation_history",
            "text": CANARY,
            "instructed_by": CANARY,
        }
    ),
    "CatalogueService/RevokeInstruction": _of("name", World.instruction, reason="Not wanted."),
    "CatalogueService/GetInstruction": _of("name", World.instruction, reason=REASON),
    "CatalogueService/ListInstructions": _plain(
        lambda w: {"parent": w.tenant, "page_size": 1, "reason": REASON}
    ),
    "ConsentService/RecordConsent": _plain(lambda w: w.grant(w.somebody())),
    "ConsentService/RecordCookieChoices": _plain(lambda w: w.cookies()),
    "ConsentService/LinkVisitor": _link,
    "ConsentService/RecordPrivacySignal": _plain(
        lambda w: {
            "subject": w.somebody(),
            "signal": "PRIVACY_SIGNAL_GLOBAL_PRIVACY_CONTROL",
        }
    ),
    "ConsentService/GetConsentDecision": _of("name", World.decision),
    "ConsentService/GetConsentReceipt": _of("name", World.decision, locale="fr"),
    "ConsentService/WithdrawAllConsents": _of("subject", World.person),
    "ConsentService/ListConsents": _plain(lambda w: {"subject": w.end_user}),
    "ConsentService/ListConsentDecisions": _plain(
        lambda w: {"subject": w.end_user, "page_size": 1}
    ),
    "ConsentService/CheckProcessing": _plain(
        lambda w: {"subject": w.end_user, "purpose": CUSTOMISE}
    ),
    "ConsentService/BatchCheckProcessing": _plain(
        lambda w: {
            "checks": [
                {"subject": w.end_user, "purpose": CUSTOMISE},
                {"subject": w.somebody(), "purpose": OPTIMISE},
            ]
        }
    ),
    "DirectiveService/RecordDirective": _wish,
    "DirectiveService/GetDirective": _of("name", _directive, reason="asked by the person"),
    "DirectiveService/ListDirectives": _plain(
        lambda w: {"subject": w.end_user, "reason": "asked by the person", "page_size": 1}
    ),
    "DirectiveService/UpdateDirective": _directive_update,
    "DirectiveService/RevokeDirective": _of("name", _directive, identity=LOGIN),
    "DirectiveService/ActivateDirectives": _death,
    "ConsentService/WatchInvalidations": _plain(
        lambda w: {"tenants": [w.tenant], "role": "ROLE_PROCESSOR"}
    ),
    "DisclosureService/CreateRecipient": _plain(lambda _: new_recipient()),
    "DisclosureService/GetRecipient": _plain(lambda w: {"name": w.recipient}),
    "DisclosureService/ListRecipients": _plain(lambda _: {"page_size": 1}),
    "DisclosureService/RecordDisclosure": _plain(lambda w: w.given(w.end_user)),
    "DisclosureService/GetDisclosure": _of("name", World.disclosure, reason="support case"),
    "DisclosureService/ListDisclosures": _plain(
        lambda w: {"subject": w.end_user, "reason": "support case", "page_size": 1}
    ),
    "FeedService/CreateSubscription": _plain(lambda w: w.new_subscription()),
    "FeedService/GetSubscription": _of("name", World.subscription),
    "FeedService/ListSubscriptions": _plain(lambda _: {"page_size": 1}),
    "FeedService/UpdateSubscription": _subscription_update,
    "FeedService/DeleteSubscription": _of("name", World.subscription),
    "FeedService/Subscribe": _of("name", World.subscription, member_id="m", max_outstanding=3),
    "FeedService/Acknowledge": World.acknowledgement,
    "RecordsService/RegisterSubject": _plain(lambda w: {"subject": w.somebody()}),
    "RecordsService/GetSubject": _plain(lambda w: {"subject": w.end_user}),
    "RecordsService/BatchGetSubjects": _plain(
        lambda w: {"subjects": [w.end_user, w.visitor(), w.somebody()]}
    ),
    "RecordsService/PutRecord": _plain(lambda w: w.record(w.end_user)),
    "RecordsService/BatchPutRecords": _plain(
        lambda w: {"requests": [w.record(w.end_user), w.record(w.somebody())]}
    ),
    "RecordsService/ImportRecords": _plain(
        lambda w: {
            "batch": {
                "requests": [w.record(w.end_user), w.record(w.somebody())],
                "request_id": new_id(),
            }
        }
    ),
    "RecordsService/ReadRecords": _plain(
        lambda w: {
            "subject": w.end_user,
            "purpose": OPTIMISE,
            "reason": "support case",
            "page_size": 1,
        }
    ),
    "RecordsService/StreamRecords": _plain(
        lambda w: {
            "parent": w.tenant,
            "role": "ROLE_PROCESSOR",
            "purpose": OPTIMISE,
            "reason": "send the newsletter",
        }
    ),
    "RecordsService/UpdateRecords": _plain(
        lambda w: {
            "parent": w.tenant,
            "role": "ROLE_PROCESSOR",
            "purpose": OPTIMISE,
            "subject": w.end_user,
            "record": {"fields": {"name": "Ada"}},
            "update_mask": "fields.name",
        }
    ),
    "RecordsService/DeleteRecord": _deletion,
    "RecordsService/SubmitUnansweredMessages": _of(
        "chatbot", World.chatbot, messages=[CANARY, "Why?"], locale="en"
    ),
    "RecordsService/ListUnansweredMessages": _plain(
        lambda w: {"parent": w.tenant, "page_size": 2, "release_date": "2026-03-02"}
    ),
    "RecordsService/DeleteUnansweredMessages": _plain(
        lambda w: {"parent": w.tenant, "names": [f"{w.tenant}/unansweredMessages/n0"]}
    ),
    "RetentionService/RecordInteraction": _plain(
        lambda w: {"interaction": {"subject": w.end_user}}
    ),
    "RetentionService/BatchRecordInteractions": _plain(
        lambda w: {"interactions": [{"subject": w.end_user}, {"subject": w.somebody()}]}
    ),
    "RetentionService/GetRetention": _plain(lambda w: {"subject": w.end_user}),
    "RetentionService/PlanSweep": _plain(lambda w: {"role": "ROLE_PROCESSOR", "tenant": w.tenant}),
    "RetentionService/ExecuteSweep": _execution,
    "RetentionService/GetSweep": _of("name", _plan),
    "RetentionService/ListSweeps": _plain(lambda _: {"role": "ROLE_PROCESSOR", "page_size": 1}),
    "RetentionService/ListSweepCounts": _of("parent", _plan, page_size=1),
    "RetentionService/GetSweepCertificate": _certified_sweep,
    "SubjectRightsService/CreateRightsRequest": _of(
        "subject", World.person, kind="RIGHTS_REQUEST_KIND_ACCESS", statement=CANARY, identity=LOGIN
    ),
    "SubjectRightsService/GetRightsRequest": _of("name", World.request, reason=REASON),
    "SubjectRightsService/ListRightsRequests": _plain(
        lambda w: {
            "parent": w.tenant,
            "role": "ROLE_CONTROLLER",
            "page_size": 1,
            "reason": REASON,
        }
    ),
    "SubjectRightsService/AttestIdentity": _of(
        "name", lambda w: w.request(identity=None), identity=LOGIN
    ),
    "SubjectRightsService/AuthoriseRightsRequest": _of(
        "name", lambda w: w.request(role="PROCESSOR"), authorised_by=CANARY
    ),
    "SubjectRightsService/ExecuteRightsRequest": _of("name", World.request),
    "SubjectRightsService/RefuseRightsRequest": _of(
        "name",
        lambda w: w.request("ERASURE"),
        ground="REFUSAL_GROUND_LEGAL_CLAIMS",
        explanation=CANARY,
    ),
    "SubjectRightsService/WithdrawRightsRequest": _of("name", World.request),
    "SubjectRightsService/RecordSubjectNotice": _of(
        "name",
        World.request,
        subject_notice={
            "kind": "SUBJECT_NOTICE_KIND_RECEIPT",
            "channel": "DELIVERY_CHANNEL_EMAIL",
        },
    ),
    "SubjectRightsService/DownloadExport": _of(
        "name", lambda w: w.executed("ACCESS"), reason="handed over"
    ),
    "SubjectRightsService/GetErasureCertificate": _of("name", lambda w: w.executed("ERASURE")),
    "SubjectRightsService/ListErasures": _plain(
        lambda w: {"parent": w.tenant, "role": "ROLE_CONTROLLER", "page_size": 1}
    ),
    "TenantService/CreateTenant": _plain(
        lambda _: {
            "tenant_id": new_id("tenant"),
            "tenant": {"display_name": "A tenant", "time_zone": "Europe/Paris"},
        }
    ),
    "TenantService/GetTenant": _plain(lambda w: {"name": w.tenant}),
    "TenantService/ListTenants": _plain(lambda _: {"page_size": 1}),
    "TenantService/CreateChatbot": _plain(
        lambda w: {
            "parent": w.tenant,
            "chatbot_id": new_id("bot"),
            "chatbot": {"display_name": "Bot"},
        }
    ),
    "TenantService/GetChatbot": _of("name", World.chatbot),
    "TenantService/ListChatbots": _plain(lambda w: {"parent": w.tenant, "page_size": 1}),
    "TenantService/DeleteChatbot": _of("name", World.chatbot),
}
"""`Service/Method` → what makes a request of it that is answered."""
