"""Changing the catalogue in one step, as tests of what rests on it need it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc

from privacyrights.v1 import catalogue_service_pb2 as pb
from privacyrights.v1 import types_pb2
from privacyrights.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from tests.rpc.people import new_id


def purpose(name: str, **fields: Any) -> pb.Purpose:
    """Return a purpose of the processor's that rests on consent; *fields* override."""
    given: dict[str, Any] = {
        "name": name,
        "role": types_pb2.ROLE_PROCESSOR,
        "title": "A purpose",
        "legal_basis": pb.LEGAL_BASIS_CONSENT,
        "categories": ["categories/profile"],
        "retention_rule": "retentionRules/end_user_24_months",
        "texts": [pb.LocalizedText(locale="en", text=f"May we do what {name} is for?")],
        **fields,
    }
    return pb.Purpose(**given)


async def applied(
    channel: grpc.aio.Channel, *purposes: pb.Purpose, retired: Sequence[str] = ()
) -> None:
    """Propose, review and apply *purposes*, and that *retired* ones end."""
    catalogue = CatalogueServiceStub(channel)
    proposed = await catalogue.ProposeCatalogueChange(
        pb.ProposeCatalogueChangeRequest(
            content=pb.CatalogueContent(purposes=purposes, retired_purposes=retired),
            proposer="product team",
            reason="It is needed.",
            request_id=new_id(),
        )
    )
    review = pb.Review(
        reviewer="counsel", outcome=pb.REVIEW_OUTCOME_APPROVED, note="Read and compared."
    )
    await catalogue.ReviewCatalogueChange(
        pb.ReviewCatalogueChangeRequest(
            name=proposed.catalogue_change, review=review, request_id=new_id()
        )
    )
    await catalogue.ApplyCatalogueChange(
        pb.ApplyCatalogueChangeRequest(name=proposed.catalogue_change, request_id=new_id())
    )
