"""Which methods give out personal data, and what the ledger says of it (Art. 5(2), 32)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from tests.rpc.cases import CASES
from tests.rpc.people import REASON, new_id
from tests.rpc.world import CANARY, CUSTOMISE, PROFILE, Json, World


async def _disclosures(world: World) -> Json:
    court = {
        "recipient_id": new_id("court"),
        "recipient": {
            "display_name": "Court",
            "kind": "RECIPIENT_KIND_AUTHORITY",
            "country": "FR",
            "vetting_digest": "ab" * 32,
            "vetting_time": "2026-02-02T10:00:00Z",
        },
    }
    created = await world.call("DisclosureService/CreateRecipient", court)
    who = await world.person()
    given = {
        "subject": who,
        "recipient": created["recipient"]["name"],
        "purpose": CUSTOMISE,
        "categories": [PROFILE],
        "legal_demand": {"legal_ground": CANARY, "scope": CANARY, "approver": CANARY},
    }
    await world.call("DisclosureService/RecordDisclosure", given)
    return {"subject": who, "reason": REASON}


async def _disclosure(world: World) -> Json:
    rpc = "DisclosureService/ListDisclosures"
    listed = await world.call(rpc, {**await _disclosures(world), "reason": REASON})
    return {"name": listed["disclosures"][0]["name"], "reason": REASON}


async def _refused(world: World) -> Json:
    rpc = "SubjectRightsService/RefuseRightsRequest"
    refusal = await CASES[rpc](world)
    await world.call(rpc, refusal)
    return {"name": refusal["name"], "reason": REASON}


async def _refused_requests(world: World) -> Json:
    await _refused(world)
    states = ["RIGHTS_REQUEST_STATE_REFUSED"]
    return {
        "parent": world.tenant,
        "role": "ROLE_CONTROLLER",
        "states": states,
        "reason": REASON,
    }


async def _directives(world: World) -> Json:
    wish = await CASES["DirectiveService/RecordDirective"](world)
    await world.call("DirectiveService/RecordDirective", wish)
    return {"subject": wish["subject"], "reason": REASON}


async def _acknowledged(world: World) -> Json:
    given = await CASES["BreachService/AcknowledgeNotice"](world)
    await world.call("BreachService/AcknowledgeNotice", given)
    return {"name": given["name"]}


def _after(rpc: str, request: Callable[[World], Json]) -> Callable[[World], Awaitable[Json]]:
    """Return a case that asks for what *rpc* has brought."""

    async def made(world: World) -> Json:
        await world.call(rpc, await CASES[rpc](world))
        return request(world)

    return made


def _list(world: World) -> Json:
    return {"parent": world.tenant, "reason": REASON}


def _activities(world: World) -> Json:
    return {"role": "ROLE_PROCESSOR", "tenant": world.tenant, "format": "DOCUMENT_FORMAT_JSON"}


READINGS: Mapping[str, tuple[str, Callable[[World], Awaitable[Json]]]] = {
    "AssistanceService/GetInquiry": ("inquiry.read", CASES["AssistanceService/GetInquiry"]),
    "AssistanceService/GetContact": ("contact.read", CASES["AssistanceService/GetContact"]),
    "AssistanceService/ListContacts": (
        "contact.listed",
        _after("AssistanceService/SetContact", _list),
    ),
    "AssistanceService/ListInquiries": (
        "inquiry.listed",
        _after("AssistanceService/OpenInquiry", _list),
    ),
    "AuditService/OpenCommitment": (
        "ledger.commitment_opened",
        CASES["AuditService/OpenCommitment"],
    ),
    "BreachService/GetNotice": ("breach.notice_read", _acknowledged),
    "BreachService/ListNotices": (
        "breach.notice_read",
        _after(
            "BreachService/AcknowledgeNotice",
            lambda world: {"parent": world.tenant, "role": "ROLE_PROCESSOR"},
        ),
    ),
    "CatalogueService/ExportProcessingActivities": (
        "catalogue.activities_exported",
        _after("AssistanceService/SetContact", _activities),
    ),
    "CatalogueService/GetInstruction": (
        "instruction.read",
        CASES["CatalogueService/GetInstruction"],
    ),
    "CatalogueService/ListInstructions": (
        "instruction.listed",
        _after("CatalogueService/RecordInstruction", _list),
    ),
    "DirectiveService/GetDirective": (
        "directive.read",
        CASES["DirectiveService/GetDirective"],
    ),
    "DirectiveService/ListDirectives": ("directive.listed", _directives),
    "DisclosureService/GetDisclosure": ("disclosure.read", _disclosure),
    "DisclosureService/ListDisclosures": ("disclosure.listed", _disclosures),
    "RecordsService/ReadRecords": ("record.read", CASES["RecordsService/ReadRecords"]),
    "RecordsService/StreamRecords": ("record.read", CASES["RecordsService/StreamRecords"]),
    "SubjectRightsService/DownloadExport": (
        "rights.export_downloaded",
        CASES["SubjectRightsService/DownloadExport"],
    ),
    "SubjectRightsService/GetRightsRequest": ("rights.request_read", _refused),
    "SubjectRightsService/ListRightsRequests": ("rights.request_read", _refused_requests),
}
"""Readings that give out what is kept sealed → the type of entry that must be written before, and
what makes a request of it that is answered with something personal."""

WITHOUT_REASON = frozenset(
    {
        "BreachService/GetNotice",
        "BreachService/ListNotices",
        "CatalogueService/ExportProcessingActivities",
    }
)
"""Readings that need no reason. A tenant is told of a breach so that it acts (Art. 33(2)), and the
only person named is whoever acknowledged that for it; a record of processing activities must
name the contacts of controller and processor, whatever it is read for (Art. 30(1)(a), (2)(a))."""

ABOUT_NO_SUBJECT = frozenset(
    {
        "AssistanceService/GetContact",
        "AssistanceService/GetInquiry",
        "AssistanceService/ListContacts",
        "AssistanceService/ListInquiries",
        "CatalogueService/GetInstruction",
        "CatalogueService/ListInstructions",
    }
)
"""Readings with a reason of which no data subject is the theme: words of and about professionals.
The reason for each of the others mustn't have the id of a person in it."""

BY_ANOTHER_NAME = frozenset(
    {
        "AuditService/OpenCommitment",
        "DirectiveService/GetDirective",
        "DisclosureService/GetDisclosure",
        "RecordsService/StreamRecords",
        "SubjectRightsService/DownloadExport",
        "SubjectRightsService/GetRightsRequest",
        "SubjectRightsService/ListRightsRequests",
    }
)
"""Those that don't name the person: whom they are about shows only when it is loaded."""

CHANGES = frozenset(
    {
        "AssistanceService/CloseInquiry",
        "AssistanceService/OpenInquiry",
        "AssistanceService/ReplyToInquiry",
        "BreachService/AcknowledgeNotice",
        "SubjectRightsService/AuthoriseRightsRequest",
        "SubjectRightsService/RefuseRightsRequest",
    }
)
"""Changes that are answered with the words that they concern: the change's own entry is there."""

WATCHED = frozenset({"BreachService/WatchNotices", "ConsentService/WatchInvalidations"})
"""Streams that never end: `Notices` tells of each notice as ListNotices does, and invalidations
have a reference and a purpose, nothing else."""

NOTHING: Mapping[str, frozenset[str]] = {
    "by reference only: what is in force, decided or due, which every check needs": frozenset(
        {
            "AuditService/VerifyDeletion",
            "ConsentService/BatchCheckProcessing",
            "ConsentService/CheckProcessing",
            "ConsentService/GetConsentDecision",
            "ConsentService/GetConsentReceipt",
            "ConsentService/ListConsentDecisions",
            "ConsentService/ListConsents",
            "RecordsService/BatchGetSubjects",
            "RecordsService/GetSubject",
            "RetentionService/GetRetention",
            "SubjectRightsService/GetErasureCertificate",
            "SubjectRightsService/ListErasures",
        }
    ),
    "the ledger itself, which holds none": frozenset(
        {
            "AuditService/ExportLedger",
            "AuditService/GetCheckpoint",
            "AuditService/GetConsistencyProof",
            "AuditService/GetInclusionProof",
            "AuditService/GetLedgerEntry",
            "AuditService/ListKeys",
            "AuditService/ListLedgerEntries",
            "FeedService/Acknowledge",
            "FeedService/CreateSubscription",
            "FeedService/DeleteSubscription",
            "FeedService/GetSubscription",
            "FeedService/ListSubscriptions",
            "FeedService/Subscribe",
            "FeedService/UpdateSubscription",
        }
    ),
    "about no person": frozenset(
        {
            "AssistanceService/ListComplianceGaps",
            "BreachService/GetBreach",
            "BreachService/ListBreaches",
            "CatalogueService/GetCatalogueChange",
            "CatalogueService/GetCategory",
            "CatalogueService/GetOrganisation",
            "CatalogueService/GetPolicyVersion",
            "CatalogueService/GetPurpose",
            "CatalogueService/GetRetentionRule",
            "CatalogueService/GetText",
            "CatalogueService/ListCatalogueChanges",
            "CatalogueService/ListCategories",
            "CatalogueService/ListPolicyVersions",
            "CatalogueService/ListPurposes",
            "CatalogueService/ListRetentionRules",
            "DisclosureService/GetRecipient",
            "DisclosureService/ListRecipients",
            "RecordsService/ListUnansweredMessages",
            "RetentionService/GetSweep",
            "RetentionService/GetSweepCertificate",
            "RetentionService/ListSweepCounts",
            "RetentionService/ListSweeps",
            "TenantService/GetChatbot",
            "TenantService/GetTenant",
            "TenantService/ListChatbots",
            "TenantService/ListTenants",
        }
    ),
    "changes that are answered with what became of them": frozenset(
        {
            "AssistanceService/DeleteContact",
            "AssistanceService/SetContact",
            "BreachService/AssessBreachRisk",
            "BreachService/CloseBreach",
            "BreachService/LogBreachMeasure",
            "BreachService/ReportBreach",
            "CatalogueService/ApplyCatalogueChange",
            "CatalogueService/ProposeCatalogueChange",
            "CatalogueService/RecordInstruction",
            "CatalogueService/ReviewCatalogueChange",
            "CatalogueService/RevokeInstruction",
            "CatalogueService/WithdrawCatalogueChange",
            "ConsentService/LinkVisitor",
            "ConsentService/RecordConsent",
            "ConsentService/RecordCookieChoices",
            "ConsentService/RecordPrivacySignal",
            "ConsentService/WithdrawAllConsents",
            "DirectiveService/ActivateDirectives",
            "DirectiveService/RecordDirective",
            "DirectiveService/RevokeDirective",
            "DirectiveService/UpdateDirective",
            "DisclosureService/CreateRecipient",
            "DisclosureService/RecordDisclosure",
            "RecordsService/BatchPutRecords",
            "RecordsService/DeleteRecord",
            "RecordsService/DeleteUnansweredMessages",
            "RecordsService/ImportRecords",
            "RecordsService/PutRecord",
            "RecordsService/RegisterSubject",
            "RecordsService/SubmitUnansweredMessages",
            "RecordsService/UpdateRecords",
            "RetentionService/BatchRecordInteractions",
            "RetentionService/ExecuteSweep",
            "RetentionService/PlanSweep",
            "RetentionService/RecordInteraction",
            "SubjectRightsService/AttestIdentity",
            "SubjectRightsService/CreateRightsRequest",
            "SubjectRightsService/ExecuteRightsRequest",
            "SubjectRightsService/RecordSubjectNotice",
            "SubjectRightsService/WithdrawRightsRequest",
            "TenantService/CreateChatbot",
            "TenantService/CreateTenant",
            "TenantService/DeleteChatbot",
        }
    ),
}
"""Why there is no reading to tell of → the methods."""
