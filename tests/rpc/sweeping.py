"""Interacting, and sweeping what is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import retention_service_pb2 as pb
from privacyrights.v1 import (
    retention_service_pb2_grpc,
    tenant_service_pb2,
    tenant_service_pb2_grpc,
    types_pb2,
)
from tests.rpc.people import new_id

CONTROLLER, PROCESSOR = types_pb2.ROLE_CONTROLLER, types_pb2.ROLE_PROCESSOR


def retention(channel: grpc.aio.Channel) -> retention_service_pb2_grpc.RetentionServiceAsyncStub:
    """Return the service's stub."""
    return retention_service_pb2_grpc.RetentionServiceStub(channel)


def day(time: datetime) -> str:
    """Return the day of *time* where the tenants of these tests are."""
    return time.astimezone(ZoneInfo("Europe/Paris")).date().isoformat()


def stamp(time: datetime) -> Timestamp:
    """Return *time* as the contract has it."""
    made = Timestamp()
    made.FromDatetime(time)
    return made


def interaction(
    who: types_pb2.Subject, *, chatbot: str = "", time: datetime | None = None
) -> pb.Interaction:
    """Return that *who* interacted at *time*, or now."""
    return pb.Interaction(
        subject=who, chatbot=chatbot, interaction_time=None if time is None else stamp(time)
    )


async def interact(
    channel: grpc.aio.Channel,
    who: types_pb2.Subject,
    *,
    chatbot: str = "",
    time: datetime | None = None,
) -> str:
    """Record an interaction, and return the subject's last day."""
    request = pb.RecordInteractionRequest(
        interaction=interaction(who, chatbot=chatbot, time=time), request_id=new_id()
    )
    return (await retention(channel).RecordInteraction(request)).last_interaction_date


async def interact_all(
    channel: grpc.aio.Channel, people: Sequence[types_pb2.Subject]
) -> pb.BatchRecordInteractionsResponse:
    """Record that each of *people* interacts now, in one batch."""
    return await retention(channel).BatchRecordInteractions(
        pb.BatchRecordInteractionsRequest(
            interactions=[interaction(who) for who in people], request_id=new_id()
        )
    )


async def explained(channel: grpc.aio.Channel, who: types_pb2.Subject) -> pb.Retention:
    """Return why *who* is kept."""
    response = await retention(channel).GetRetention(pb.GetRetentionRequest(subject=who))
    return response.retention


async def plan(
    channel: grpc.aio.Channel, tenant: str, role: types_pb2.Role.ValueType = PROCESSOR
) -> pb.Sweep:
    """Plan a sweep of *tenant*."""
    request = pb.PlanSweepRequest(role=role, tenant=tenant, request_id=new_id())
    return (await retention(channel).PlanSweep(request)).sweep


async def execute(
    channel: grpc.aio.Channel, planned: pb.Sweep, *, limit: int = 0
) -> list[pb.Sweep]:
    """Execute what was planned, and return the sweep as it was told to stand, in order."""
    request = pb.ExecuteSweepRequest(
        name=planned.name,
        plan_hash=planned.plan_hash,
        blast_radius_limit=limit,
        request_id=new_id(),
    )
    return [response.sweep async for response in retention(channel).ExecuteSweep(request)]


async def sweep(
    channel: grpc.aio.Channel, tenant: str, role: types_pb2.Role.ValueType = PROCESSOR
) -> pb.Sweep:
    """Plan and execute a sweep of *tenant*, and return how it ended."""
    return (await execute(channel, await plan(channel, tenant, role)))[-1]


def fates(ended: pb.Sweep) -> tuple[int, int, int]:
    """Return how many were destroyed, skipped, and not destroyed."""
    return ended.destroyed_count, ended.skipped_count, ended.failed_count


async def new_chatbot(channel: grpc.aio.Channel, tenant: str) -> str:
    """Register a chatbot of *tenant* and return its name."""
    response = await tenant_service_pb2_grpc.TenantServiceStub(channel).CreateChatbot(
        tenant_service_pb2.CreateChatbotRequest(
            parent=tenant,
            chatbot_id=new_id("bot"),
            chatbot=tenant_service_pb2.Chatbot(display_name="A chatbot"),
            request_id=new_id(),
        )
    )
    return response.chatbot.name


async def delete_chatbot(channel: grpc.aio.Channel, chatbot: str) -> None:
    """Take *chatbot* away."""
    await tenant_service_pb2_grpc.TenantServiceStub(channel).DeleteChatbot(
        tenant_service_pb2.DeleteChatbotRequest(name=chatbot, request_id=new_id())
    )


async def last_day_of(channel: grpc.aio.Channel, chatbot: str) -> str:
    """Return the day on which *chatbot* was last used."""
    parent, _, _ = chatbot.partition("/chatbots/")
    response = await tenant_service_pb2_grpc.TenantServiceStub(channel).ListChatbots(
        tenant_service_pb2.ListChatbotsRequest(parent=parent)
    )
    return next(bot.last_interaction_date for bot in response.chatbots if bot.name == chatbot)


async def is_kept(channel: grpc.aio.Channel, who: types_pb2.Subject) -> bool:
    """Tell whether anything of *who*, who was known once, is kept."""
    try:
        await explained(channel, who)
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
            return False
        raise
    return True
