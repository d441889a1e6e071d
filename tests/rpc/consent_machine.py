"""A state machine that does to a real server what it does to the model, and compares."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from privacyrights.v1 import catalogue_service_pb2 as catalogue_pb
from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub
from server.domain.clock import SteppingClock
from tests.rpc.consent_model import ALLOWED, REFUSED, WITHDRAWN, Model, Purpose, Verdict
from tests.rpc.exercising import ERASURE, exercise
from tests.rpc.people import end_user, grant, new_id, new_tenant, shown_text, withdraw
from tests.rpc.proposing import applied, purpose
from tests.rpc.refusal import refusal

T = TypeVar("T")

PEOPLE = 2
PROFILE = "categories/public_profile"

WHO = st.integers(min_value=0, max_value=PEOPLE - 1)
PURPOSES = st.integers(min_value=0, max_value=1)
AGES = st.sampled_from([None, 0, 1, 36, 72]).map(
    lambda hours: None if hours is None else timedelta(hours=hours)
)
DURATIONS = st.sampled_from([None, 1, 40]).map(lambda hours: hours and timedelta(hours=hours))
STEPS = st.sampled_from([1, 60, 24 * 60, 40 * 60]).map(lambda minutes: timedelta(minutes=minutes))


@dataclass(frozen=True)
class Driven:
    """A server that answers on a loop which is not the machine's."""

    channel: grpc.aio.Channel
    clock: SteppingClock
    loop: asyncio.AbstractEventLoop

    def ask(self, call: Coroutine[Any, Any, T]) -> T:
        """Return what *call* is answered."""
        return asyncio.run_coroutine_threadsafe(call, self.loop).result(timeout=60)

    def refused(self, call: Coroutine[Any, Any, Any]) -> str:
        """Return the reason for which *call* is refused, "" if it isn't."""
        try:
            self.ask(call)
        except grpc.aio.AioRpcError as error:
            return refusal(error).reason
        return ""


class ConsentMachine(RuleBasedStateMachine):
    """Two people, two purposes that rest on consent, and one on the tenant's instruction."""

    driven: ClassVar[Driven]
    model_type: ClassVar[type[Model]] = Model

    @initialize()
    def begin(self) -> None:
        """Make a tenant and purposes that nobody else uses."""
        channel = self.driven.channel
        self.tenant = self.driven.ask(new_tenant(channel))
        self.people = [end_user(self.tenant) for _ in range(PEOPLE)]
        self.names = [f"purposes/{new_id('machine')}" for _ in range(3)]
        self.instruction = ""
        self.driven.ask(
            applied(
                channel,
                *(purpose(name) for name in self.names[:2]),
                purpose(
                    self.names[2],
                    legal_basis=catalogue_pb.LEGAL_BASIS_CONTROLLER_INSTRUCTION,
                    categories=[PROFILE],
                ),
            )
        )
        known = {name: Purpose(rests_on_consent=name != self.names[2]) for name in self.names}
        self.model = self.model_type(self.driven.clock.now(), known, PEOPLE)
        self.first_words = [self.driven.ask(shown_text(channel, each)) for each in self.names]

    @rule(who=WHO, what=PURPOSES, age=AGES, lasts=DURATIONS, is_old=st.booleans())
    def grant(
        self, who: int, what: int, age: timedelta | None, lasts: timedelta | None, *, is_old: bool
    ) -> None:
        """Somebody agrees: now or reported late, for a time or not, to old words or new ones."""
        name = self.names[what]
        wording = 1 if is_old else self.model.purposes[name].wording
        fields: dict[str, Any] = {"text_digest": self.first_words[what]} if is_old else {}
        if age is not None:
            fields["decision_time"] = at(self.model.now - age)
        if lasts is not None:
            fields["expire_time"] = at(self.model.now + lasts)

        told = self.driven.refused(grant(self.driven.channel, self.people[who], name, **fields))

        assert self.model.grant(who, name, age=age, lasts=lasts, wording=wording) == told

    @rule(who=WHO, what=PURPOSES, age=AGES, choice=st.sampled_from([REFUSED, WITHDRAWN]))
    def say_no(self, who: int, what: int, age: timedelta | None, choice: str) -> None:
        """Somebody refuses or withdraws, now or reported late."""
        name = self.names[what]
        fields: dict[str, Any] = {"choice": pb.ConsentChoice.Value(f"CONSENT_CHOICE_{choice}")}
        if age is not None:
            fields["decision_time"] = at(self.model.now - age)

        told = self.driven.refused(withdraw(self.driven.channel, self.people[who], name, **fields))

        assert self.model.object(who, name, choice, age=age) == told

    @rule(who=WHO)
    def withdraw_all(self, who: int) -> None:
        """Somebody takes everything back."""
        request = pb.WithdrawAllConsentsRequest(subject=self.people[who], request_id=new_id())

        told = self.driven.refused(self._all(request))

        assert self.model.withdraw_all(who) == told

    @precondition(lambda self: any(each.states for each in self.model.people))
    @rule(data=st.data())
    def erase(self, data: st.DataObject) -> None:
        """Somebody who is known is erased."""
        alive = [index for index, each in enumerate(self.model.people) if each.states]
        self.end(data.draw(st.sampled_from(alive)))

    def end(self, who: int) -> None:
        """Erase somebody who is alive."""
        self.driven.ask(exercise(self.driven.channel, self.people[who], ERASURE))
        self.model.erase(who)

    @rule(what=PURPOSES, hours=st.sampled_from([None, 0, 24]))
    def reword(self, what: int, hours: int | None) -> None:
        """The words of a purpose change: materially, from a time on, or not."""
        name = self.names[what]
        known = self.model.purposes[name]
        if known.is_retired:
            return
        known.wording += 1
        text = catalogue_pb.LocalizedText(locale="en", text=f"{name}, {known.wording}?")
        fields: dict[str, Any] = {"texts": [text]}
        if hours is not None:
            renewal = self.model.now + timedelta(hours=hours)
            known.renewals.append((renewal, known.wording))
            fields["renewal_time"] = at(renewal)
        self.driven.ask(applied(self.driven.channel, purpose(name, **fields)))

    @precondition(lambda self: not self.model.purposes[self.names[1]].is_retired)
    @rule(sure=st.integers(min_value=0, max_value=3))
    def retire(self, sure: int) -> None:
        """The second purpose is retired, now and then."""
        if sure:
            return
        self.model.purposes[self.names[1]].is_retired = True
        self.driven.ask(applied(self.driven.channel, retired=[self.names[1]]))

    @rule()
    def instruct(self) -> None:
        """The tenant instructs, or takes it back."""
        self.model.is_instructed = not self.model.is_instructed
        self.driven.ask(self._instruct())

    @rule(by=STEPS)
    def step(self, by: timedelta) -> None:
        """Time passes."""
        self.model.step(by)
        self.driven.clock.advance(by)

    @precondition(lambda self: self.model.past)
    @rule(data=st.data())
    def look_back(self, data: st.DataObject) -> None:
        """A moment that is over is asked about: the answer is what it was then."""
        newest = len(self.model.past) - 1
        self.compare_past(data.draw(st.integers(min_value=max(0, newest - 8), max_value=newest)))

    def compare_past(self, index: int) -> None:
        """Compare what is told about a moment that is over."""
        moment, then = self.model.past[index]
        assert then == self.driven.ask(self._verdicts(moment))

    @invariant()
    def verdicts_are_identical(self) -> None:
        """Everybody's verdict for every purpose is the model's."""
        assert self.model.verdicts() == self.driven.ask(self._verdicts(None))

    async def _verdicts(self, moment: datetime | None) -> dict[tuple[int, str], Verdict]:
        pairs = [(who, name) for who in range(PEOPLE) for name in self.names]
        checks = [
            pb.CheckProcessingRequest(
                subject=self.people[who],
                purpose=name,
                as_of_time=at(moment) if moment is not None else None,
            )
            for who, name in pairs
        ]
        answer = await ConsentServiceStub(self.driven.channel).BatchCheckProcessing(
            pb.BatchCheckProcessingRequest(checks=checks)
        )
        found = dict(zip(pairs, map(reasons, answer.outcomes), strict=True))
        for outcome, said in zip(answer.outcomes, found.values(), strict=True):
            assert outcome.verdict.allowed == (said <= ALLOWED)
        return found

    async def _all(self, request: pb.WithdrawAllConsentsRequest) -> None:
        await ConsentServiceStub(self.driven.channel).WithdrawAllConsents(request)

    async def _instruct(self) -> None:
        stub = CatalogueServiceStub(self.driven.channel)
        if self.instruction:
            await stub.RevokeInstruction(
                catalogue_pb.RevokeInstructionRequest(
                    name=self.instruction, reason="Not needed.", request_id=new_id()
                )
            )
            self.instruction = ""
            return
        recorded = await stub.RecordInstruction(
            catalogue_pb.RecordInstructionRequest(
                parent=self.tenant,
                category=PROFILE,
                text="Collect it.",
                instructed_by="owner",
                request_id=new_id(),
            )
        )
        self.instruction = recorded.instruction


def at(time: datetime) -> Timestamp:
    """Return *time* as the contract has it."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


def reasons(outcome: pb.BatchCheckProcessingResponse.Outcome) -> Verdict:
    """Return the reasons of a verdict."""
    assert "verdict" == outcome.WhichOneof("outcome"), outcome
    return frozenset(
        pb.VerdictReason.Name(each).removeprefix("VERDICT_REASON_")
        for each in outcome.verdict.reasons
    )
