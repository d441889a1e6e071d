"""The chapter nobody wants: data leaks, and each customer hears its own part of it."""

from __future__ import annotations

import asyncio

from google.protobuf.timestamp_pb2 import Timestamp

from demo.cast import BICYCLES, FLOWERS, Company, new_request_id
from demo.narrator import Narrator
from demo.stage import Stage
from privacyrights.v1 import breach_service_pb2, types_pb2

pb = breach_service_pb2
PATIENCE_SECONDS = 10


async def report(stage: Stage, narrator: Narrator) -> None:
    """Report a breach, and have its notice acknowledged."""
    narrator.chapter(
        8,
        "A breach",
        "“We will notify Users without undue delay upon discovery of a breach affecting personal"
        " data.”",
    )
    narrator.tell("Both compliance teams are subscribed to their notices.")
    inboxes = {
        company: asyncio.ensure_future(_next(stage, company)) for company in (FLOWERS, BICYCLES)
    }
    aware = Timestamp()
    aware.FromDatetime(stage.clock.now())
    reported = await stage.breach.ReportBreach(
        pb.ReportBreachRequest(
            breach=pb.Breach(
                kinds=[pb.BREACH_KIND_CONFIDENTIALITY],
                description="A backup of the messaging service was readable for two hours.",
                awareness_time=aware,
                scope=pb.BreachScope(
                    tenants=[FLOWERS.tenant],
                    roles=[types_pb2.ROLE_PROCESSOR],
                    categories=["categories/profile"],
                ),
                contact_point="privacy@platform.example",
                consequences="Names may have been seen by others.",
                measures_summary="Access was closed, and the logs are being read.",
            ),
            request_id=new_request_id(),
        )
    )
    narrator.tell(f"Reported as {reported.breach.name}: {FLOWERS.title} is affected.")
    notice = await asyncio.wait_for(inboxes[FLOWERS], PATIENCE_SECONDS)
    narrator.show(
        f"to:        {FLOWERS.title}\n"
        f"affected:  about {notice.affected_count} people\n"
        f"what:      {notice.description}\n"
        f"measures:  {notice.measures_summary}\n"
        f"authority: within 72 hours, by {notice.authority_due_time.ToJsonString()}"
    )
    narrator.expect(
        f"the notice reached {FLOWERS.title}", holds=notice.breach == reported.breach.name
    )
    others = await stage.breach.ListNotices(
        pb.ListNoticesRequest(parent=BICYCLES.tenant, role=types_pb2.ROLE_PROCESSOR)
    )
    narrator.expect(
        f"{BICYCLES.title} has none and got none",
        holds=not others.notices and not inboxes[BICYCLES].done(),
    )
    inboxes[BICYCLES].cancel()
    acknowledged = await stage.breach.AcknowledgeNotice(
        pb.AcknowledgeNoticeRequest(
            name=notice.name, acknowledged_by="head of compliance", request_id=new_request_id()
        )
    )
    after = await stage.breach.GetBreach(pb.GetBreachRequest(name=reported.breach.name))
    narrator.expect(
        f"acknowledged by the {acknowledged.notice.acknowledged_by}:"
        f" {after.breach.acknowledged_count} of {after.breach.notice_count}",
        holds=after.breach.acknowledged_count == after.breach.notice_count == 1,
    )


async def _next(stage: Stage, company: Company) -> breach_service_pb2.Notice:
    async for response in stage.breach.WatchNotices(
        pb.WatchNoticesRequest(tenants=[company.tenant], roles=[types_pb2.ROLE_PROCESSOR])
    ):
        return response.notice
    raise AssertionError("the stream of notices ended")
