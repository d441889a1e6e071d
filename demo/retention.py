"""The chapter about time: twenty-five months later, who is forgotten and who isn't."""

from __future__ import annotations

from demo.cast import COMPANIES, END_USERS_EACH, FLOWERS, new_request_id
from demo.daily_life import OPTIMISE, visit
from demo.narrator import Narrator
from demo.stage import Stage
from privacyrights.v1 import records_service_pb2, retention_service_pb2, types_pb2

pb = retention_service_pb2
STILL_THERE = 300
"""How many of the flower shop's end-users come back in between."""

LATE = 900
"""Who comes back when the plan is made already."""


async def sweep(stage: Stage, narrator: Narrator) -> None:
    """Let 25 months pass, and destroy what is due."""
    narrator.chapter(
        7,
        "Twenty-five months later",
        "“Collected data […] is, by default, destroyed at the end of a 24 months period following"
        " the last interaction”",
    )
    stage.clock.advance(months=18)
    # Number 7 was erased before, and can't come back by a visit.
    await visit(stage, FLOWERS, range(10, 10 + STILL_THERE))
    narrator.tell(f"After 18 months, {STILL_THERE} people talk to {FLOWERS.title} again.")
    stage.clock.advance(months=7)
    narrator.tell(f"Now it is {stage.clock.now():%d %B %Y}.")
    explained = await stage.retention.GetRetention(
        pb.GetRetentionRequest(subject=FLOWERS.end_user(10))
    )
    narrator.show(explained.retention.explanation)
    due = END_USERS_EACH * len(COMPANIES) - STILL_THERE - 1
    plan = await _plan(stage, narrator, due)
    await visit(stage, FLOWERS, range(LATE, LATE + 1))
    narrator.tell("Between the plan and its execution, one of them talks to the chatbot once more.")
    ended = await _execute(stage, narrator, plan)
    narrator.expect(
        f"{ended.destroyed_count:,} destroyed + {ended.skipped_count} skipped +"
        f" {ended.failed_count} failed = {plan.due_count:,} planned",
        holds=ended.state == pb.SWEEP_STATE_COMPLETED and ended.destroyed_count == due - 1,
    )
    await _expect_spared(stage, narrator)


async def _plan(stage: Stage, narrator: Narrator, due: int) -> retention_service_pb2.Sweep:
    planned = await stage.retention.PlanSweep(
        pb.PlanSweepRequest(role=types_pb2.ROLE_PROCESSOR, request_id=new_request_id())
    )
    plan = planned.sweep
    narrator.table(
        ("tenant", "due", "held"),
        [(count.tenant, f"{count.due_count:,}", f"{count.held_count:,}") for count in plan.counts],
    )
    narrator.expect(
        f"the plan has {due:,} people, and destroys nobody", holds=plan.due_count == due
    )
    await narrator.expect_refused(
        "a sweep without the hash of the plan that was looked at",
        _first(
            stage,
            pb.ExecuteSweepRequest(name=plan.name, plan_hash="0" * 64, request_id=new_request_id()),
        ),
        "PLAN_HASH_MISMATCH",
    )
    return plan


async def _first(stage: Stage, request: retention_service_pb2.ExecuteSweepRequest) -> None:
    async for _ in stage.retention.ExecuteSweep(request):
        return


async def _execute(
    stage: Stage, narrator: Narrator, plan: retention_service_pb2.Sweep
) -> retention_service_pb2.Sweep:
    sweep = plan
    with narrator.progress("the sweep", plan.due_count) as progress:
        async for step in stage.retention.ExecuteSweep(
            pb.ExecuteSweepRequest(
                name=plan.name, plan_hash=plan.plan_hash, request_id=new_request_id()
            )
        ):
            sweep = step.sweep
            done = sweep.destroyed_count + sweep.skipped_count + sweep.failed_count
            progress.update(progress.task_ids[0], completed=done)
    return sweep


async def _expect_spared(stage: Stage, narrator: Narrator) -> None:
    read = await stage.records.ReadRecords(
        records_service_pb2.ReadRecordsRequest(
            subject=FLOWERS.end_user(10), purpose=OPTIMISE, reason="greet the person by name"
        )
    )
    narrator.expect("who came back in between is still known", holds=len(read.records) == 2)  # noqa: PLR2004 – two were put
    late = await stage.retention.GetRetention(
        pb.GetRetentionRequest(subject=FLOWERS.end_user(LATE))
    )
    narrator.expect(
        "so is who came back after the plan",
        holds=late.retention.anchor_date == f"{stage.clock.now():%Y-%m-%d}",
    )
    await narrator.expect_refused(
        "who didn't is forgotten",
        stage.records.ReadRecords(
            records_service_pb2.ReadRecordsRequest(
                subject=FLOWERS.end_user(9), purpose=OPTIMISE, reason="greet the person by name"
            )
        ),
        "SUBJECT_ERASED",
    )
