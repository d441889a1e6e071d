"""Changing the catalogue in one step, as tests of what rests on it need it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
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


async def approved(channel: grpc.aio.Channel, *purposes: pb.Purpose, **content: Any) -> str:
    """Propose and review *purposes* and further *content*; return the change's name."""
    catalogue = CatalogueServiceStub(channel)
    proposed = await catalogue.ProposeCatalogueChange(
        pb.ProposeCatalogueChangeRequest(
            content=pb.CatalogueContent(purposes=purposes, **content),
            proposer="product team",
            reason="It is needed.",
            request_id=new_id(),
        )
    )
    await catalogue.ReviewCatalogueChange(review(proposed.catalogue_change))
    return proposed.catalogue_change


def review(change: str, *, reviewer: str = "counsel") -> pb.ReviewCatalogueChangeRequest:
    """Return the request that approves *change*."""
    written = pb.Review(
        reviewer=reviewer, outcome=pb.REVIEW_OUTCOME_APPROVED, note="Read and compared."
    )
    return pb.ReviewCatalogueChangeRequest(name=change, review=written, request_id=new_id())


async def apply(
    channel: grpc.aio.Channel, change: str, *, at: datetime | None = None
) -> pb.ApplyCatalogueChangeResponse:
    """Apply *change*, now or *at* a time to come."""
    request = pb.ApplyCatalogueChangeRequest(name=change, request_id=new_id())
    if at is not None:
        request.effective_time.FromDatetime(at)
    return await CatalogueServiceStub(channel).ApplyCatalogueChange(request)


async def take_back(channel: grpc.aio.Channel, change: str) -> pb.WithdrawCatalogueChangeResponse:
    """Withdraw *change*."""
    request = pb.WithdrawCatalogueChangeRequest(
        name=change, reason="Not wanted.", request_id=new_id()
    )
    return await CatalogueServiceStub(channel).WithdrawCatalogueChange(request)


async def applied(
    channel: grpc.aio.Channel, *purposes: pb.Purpose, retired: Sequence[str] = ()
) -> None:
    """Propose, review and apply *purposes*, and that *retired* ones end."""
    await apply(channel, await approved(channel, *purposes, retired_purposes=retired))
