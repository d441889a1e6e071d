"""CatalogueService over a real channel: proposed, reviewed by somebody else, applied."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import grpc
import pytest

from privacyrights.v1 import catalogue_service_pb2 as pb
from privacyrights.v1 import types_pb2
from privacyrights.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from tests.rpc.people import REASON, end_user, grant, new_id, new_tenant, refused

if TYPE_CHECKING:
    from privacyrights.v1.catalogue_service_pb2_grpc import CatalogueServiceAsyncStub


@pytest.fixture
def catalogue(channel: grpc.aio.Channel) -> CatalogueServiceAsyncStub:
    """Return the service's stub."""
    return CatalogueServiceStub(channel)


def purpose(id: str, **fields: object) -> pb.Purpose:
    """Return a purpose of the processor's that is fit to be proposed; *fields* override."""
    given: dict[str, object] = {
        "name": f"purposes/{id}",
        "role": types_pb2.ROLE_PROCESSOR,
        "title": "A purpose",
        "legal_basis": pb.LEGAL_BASIS_CONSENT,
        "categories": ["categories/profile"],
        "retention_rule": "retentionRules/end_user_24_months",
        "texts": [pb.LocalizedText(locale="en", text=f"What {id} is for.")],
        **fields,
    }
    return pb.Purpose(**given)  # type: ignore[arg-type]  # a table's values


def proposal(*purposes: pb.Purpose, **content: object) -> pb.ProposeCatalogueChangeRequest:
    """Return the request that proposes *purposes* and further *content*."""
    return pb.ProposeCatalogueChangeRequest(
        content=pb.CatalogueContent(purposes=purposes, **content),  # type: ignore[arg-type]  # as above
        proposer="product team",
        reason="It is needed.",
        request_id=new_id(),
    )


def review(
    change: str, *, reviewer: str = "counsel", approved: bool = True
) -> pb.ReviewCatalogueChangeRequest:
    """Return the request that reviews *change*."""
    outcome = pb.REVIEW_OUTCOME_APPROVED if approved else pb.REVIEW_OUTCOME_REJECTED
    return pb.ReviewCatalogueChangeRequest(
        name=change,
        review=pb.Review(reviewer=reviewer, outcome=outcome, note="Read and compared."),
        request_id=new_id(),
    )


def application(change: str) -> pb.ApplyCatalogueChangeRequest:
    """Return the request that applies *change*."""
    return pb.ApplyCatalogueChangeRequest(name=change, request_id=new_id())


async def test_purpose_takes_effect_after_review(catalogue: CatalogueServiceAsyncStub) -> None:
    """A proposed purpose isn't there before its review and application, and is afterwards."""
    id = new_id("purpose")
    proposed = await catalogue.ProposeCatalogueChange(proposal(purpose(id)))
    get = pb.GetPurposeRequest(name=f"purposes/{id}")
    missing = await refused(catalogue.GetPurpose(get))
    unreviewed = await refused(
        catalogue.ApplyCatalogueChange(application(proposed.catalogue_change))
    )

    await catalogue.ReviewCatalogueChange(review(proposed.catalogue_change))
    applied = await catalogue.ApplyCatalogueChange(application(proposed.catalogue_change))

    found = (await catalogue.GetPurpose(get)).purpose
    assert ("NOT_FOUND", "PURPOSE_NOT_FOUND") == (missing.code, missing.reason)
    assert ("FAILED_PRECONDITION", "CHANGE_NOT_REVIEWED") == (unreviewed.code, unreviewed.reason)
    assert pb.CATALOGUE_CHANGE_STATE_APPLIED == applied.state
    assert (1, f"purposes/{id}") == (found.version, found.name)


async def test_nobody_reviews_the_own_proposal(catalogue: CatalogueServiceAsyncStub) -> None:
    """A review by the proposer is refused, however the name is spelt."""
    proposed = await catalogue.ProposeCatalogueChange(proposal(purpose(new_id("purpose"))))

    told = await refused(
        catalogue.ReviewCatalogueChange(
            review(proposed.catalogue_change, reviewer=" Product Team ")
        )
    )

    assert ("FAILED_PRECONDITION", "REVIEWER_IS_PROPOSER") == (told.code, told.reason)


async def test_rejected_change_never_takes_effect(catalogue: CatalogueServiceAsyncStub) -> None:
    """A change that the review rejected can be neither applied nor reviewed again."""
    proposed = await catalogue.ProposeCatalogueChange(proposal(purpose(new_id("purpose"))))
    await catalogue.ReviewCatalogueChange(review(proposed.catalogue_change, approved=False))

    applied = await refused(catalogue.ApplyCatalogueChange(application(proposed.catalogue_change)))
    again = await refused(catalogue.ReviewCatalogueChange(review(proposed.catalogue_change)))

    assert [("ILLEGAL_TRANSITION", {"state": "rejected"})] * 2 == [
        (told.reason, told.metadata) for told in (applied, again)
    ]


async def test_text_is_kept_by_its_digest(catalogue: CatalogueServiceAsyncStub) -> None:
    """What people were told can be read back, word for word, by the SHA-256 of it."""
    id = new_id("purpose")
    proposed = await catalogue.ProposeCatalogueChange(proposal(purpose(id)))
    await catalogue.ReviewCatalogueChange(review(proposed.catalogue_change))
    await catalogue.ApplyCatalogueChange(application(proposed.catalogue_change))
    digest = hashlib.sha256(f"What {id} is for.".encode()).hexdigest()

    found = (await catalogue.GetText(pb.GetTextRequest(digest=digest))).text

    assert (f"What {id} is for.", "en") == (found.text, found.locale)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"categories": ["categories/unheard_of"]}, "which does not exist"),
        ({"categories": ["categories/account"]}, "belong to different roles"),
        ({"retention_rule": "retentionRules/user_36_months"}, "belong to different roles"),
        ({"retention_rule": "retentionRules/unheard_of"}, "which does not exist"),
    ],
)
async def test_contradictions_are_refused(
    catalogue: CatalogueServiceAsyncStub, fields: dict[str, object], problem: str
) -> None:
    """A purpose that names what isn't there, or belongs to the other role, isn't even proposed."""
    told = await refused(
        catalogue.ProposeCatalogueChange(proposal(purpose(new_id("purpose"), **fields)))
    )

    assert ("FAILED_PRECONDITION", "CATALOGUE_INCONSISTENT") == (told.code, told.reason)
    assert problem in told.metadata["problem"]


async def test_published_policy_cannot_be_replaced(catalogue: CatalogueServiceAsyncStub) -> None:
    """A policy version is what it was: consents are bound to it."""
    version = pb.PolicyVersion(
        name="policyVersions/2019-01-01", texts=[pb.LocalizedText(locale="en", text="Another one.")]
    )

    told = await refused(catalogue.ProposeCatalogueChange(proposal(policy_versions=[version])))

    assert ("FAILED_PRECONDITION", "CATALOGUE_INCONSISTENT") == (told.code, told.reason)


async def test_lists_come_in_pages(catalogue: CatalogueServiceAsyncStub) -> None:
    """Every list of the catalogue is paged, sorted, and filtered by role."""
    names: list[str] = []
    token = ""
    while True:
        page = await catalogue.ListCategories(
            pb.ListCategoriesRequest(role=types_pb2.ROLE_CONTROLLER, page_size=2, page_token=token)
        )
        names += [category.name for category in page.categories]
        token = page.next_page_token
        if not token:
            break

    assert ["account", "billing", "connection", "site_usage"] == [
        name.removeprefix("categories/") for name in names
    ]


async def test_policy_in_force_is_the_newest_begun(catalogue: CatalogueServiceAsyncStub) -> None:
    """`current` names the newest version whose date has come."""
    found = await catalogue.GetPolicyVersion(
        pb.GetPolicyVersionRequest(name="policyVersions/current")
    )

    assert "policyVersions/2019-01-01" == found.policy_version.name


async def test_instructions_stand_until_revoked(
    channel: grpc.aio.Channel, catalogue: CatalogueServiceAsyncStub
) -> None:
    """An instruction is listed with its words, and revoked once only."""
    tenant = await new_tenant(channel)
    recorded = await catalogue.RecordInstruction(
        pb.RecordInstructionRequest(
            parent=tenant,
            category="categories/conversation_history",
            text="Keep the conversations of our support bot.",
            instructed_by="head of support",
            request_id=new_id(),
        )
    )

    def revocation() -> pb.RevokeInstructionRequest:
        return pb.RevokeInstructionRequest(
            name=recorded.instruction, reason="No longer needed.", request_id=new_id()
        )

    await catalogue.RevokeInstruction(revocation())
    again = await refused(catalogue.RevokeInstruction(revocation()))
    listed = await catalogue.ListInstructions(
        pb.ListInstructionsRequest(parent=tenant, reason=REASON)
    )

    assert "ILLEGAL_TRANSITION" == again.reason
    assert [recorded.instruction] == [found.name for found in listed.instructions]
    assert listed.instructions[0].HasField("revoke_time")
    assert "head of support" == listed.instructions[0].instructed_by


async def test_another_tenants_instruction_is_not_found(
    channel: grpc.aio.Channel, catalogue: CatalogueServiceAsyncStub
) -> None:
    """A tenant's instruction under another tenant's name is as unknown as one that never was."""
    recorded = await catalogue.RecordInstruction(
        pb.RecordInstructionRequest(
            parent=await new_tenant(channel),
            category="categories/public_profile",
            text="Keep it.",
            instructed_by="owner",
            request_id=new_id(),
        )
    )
    other = await new_tenant(channel)
    stolen = f"{other}/instructions/{recorded.instruction.rpartition('/')[2]}"
    missing = f"{other}/instructions/n00000000000000000000000000"

    told = [
        await refused(
            catalogue.RevokeInstruction(
                pb.RevokeInstructionRequest(name=name, reason="Mine?", request_id=new_id())
            )
        )
        for name in (stolen, missing)
    ]

    assert told[0] == told[1]
    assert "INSTRUCTION_NOT_FOUND" == told[0].reason


async def test_policy_of_a_day_to_come_is_not_in_force(
    channel: grpc.aio.Channel, catalogue: CatalogueServiceAsyncStub
) -> None:
    """A version whose day hasn't come is published, and nobody can have been shown it yet."""
    version = pb.PolicyVersion(
        name="policyVersions/2027-01-01", texts=[pb.LocalizedText(locale="en", text="The next.")]
    )
    proposed = await catalogue.ProposeCatalogueChange(proposal(policy_versions=[version]))
    await catalogue.ReviewCatalogueChange(review(proposed.catalogue_change))
    await catalogue.ApplyCatalogueChange(application(proposed.catalogue_change))
    current = pb.GetPolicyVersionRequest(name="policyVersions/current")

    told = await refused(
        grant(
            channel,
            end_user(await new_tenant(channel)),
            "purposes/customise_messages",
            policy_version="policyVersions/2027-01-01",
        )
    )

    assert ("FAILED_PRECONDITION", "POLICY_VERSION_NOT_IN_FORCE") == (told.code, told.reason)
    found = await catalogue.GetPolicyVersion(current)
    assert "policyVersions/2019-01-01" == found.policy_version.name
