"""Instructions that tenants give and take back."""

from __future__ import annotations

import grpc

from privacyrights.v1 import catalogue_service_pb2
from privacyrights.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from tests.rpc.people import new_id

HISTORY = "categories/conversation_history"


async def instruct(channel: grpc.aio.Channel, tenant: str, category: str = HISTORY) -> str:
    """Record that *tenant* has *category* collected, and return the instruction's name."""
    response = await CatalogueServiceStub(channel).RecordInstruction(
        catalogue_service_pb2.RecordInstructionRequest(
            parent=tenant,
            category=category,
            text="Keep what is said.",
            instructed_by="the tenant's DPO",
            request_id=new_id(),
        )
    )
    return response.instruction


async def revoke(channel: grpc.aio.Channel, instruction: str) -> None:
    """Take *instruction* back."""
    await CatalogueServiceStub(channel).RevokeInstruction(
        catalogue_service_pb2.RevokeInstructionRequest(
            name=instruction, reason="no longer wanted", request_id=new_id()
        )
    )
