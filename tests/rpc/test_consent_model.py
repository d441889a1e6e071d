"""The server and a model of it, told the same by chance, give the same verdicts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from server.domain.clock import SteppingClock
from tests.rpc.consent_machine import ConsentMachine, Driven
from tests.rpc.consent_model import WITHDRAWN, Model, Person, State

HOUR = timedelta(hours=1)

IS_LONG = os.environ.get("PRIVACYRIGHTS_TEST_LONG") == "1"

HOW_MUCH = settings(
    max_examples=300 if IS_LONG else 12,
    stateful_step_count=50 if IS_LONG else 25,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def machine(
    channel: grpc.aio.Channel, clock: SteppingClock, model: type[Model]
) -> type[ConsentMachine]:
    """Return the machine that compares the server with *model*.

    It runs in a thread, since a machine isn't asynchronous; the server answers on this loop.
    """

    class Machine(ConsentMachine):
        driven = Driven(channel, clock, asyncio.get_running_loop())
        model_type = model

    return Machine


# The server's loop, in another thread, may use `random` while the machine draws.
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")
@pytest.mark.timeout(1800 if IS_LONG else 120)
async def test_verdicts_are_those_of_the_model(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Whatever people, the tenant and the lawyers do in whatever order: verdicts are identical.

    After every step for everybody and every purpose, and about moments that are over.
    """
    compared = machine(channel, clock, Model)
    await asyncio.to_thread(run_state_machine_as_test, compared, settings=HOW_MUCH)


class LastArrivalWins(Model):
    """Lets a grant count that is older than a known "no"."""

    def count(self, person: Person, purpose: str, new: State) -> None:
        """Let whatever arrives last count."""
        person.states[purpose] = new


class NeverExpires(Model):
    """Takes a grant for a time as one for good."""

    def is_expired(self, state: State) -> bool:  # noqa: ARG002 – the rule is broken
        """Say no."""
        return False


class NeverRenewed(Model):
    """Takes a grant as one to whatever words there are."""

    def is_outdated(self, state: State, purpose: str) -> bool:  # noqa: ARG002 – as above
        """Say no."""
        return False


class Resurrecting(Model):
    """Lets a late event of an ended life reach the next one."""

    def is_late(  # as above
        self,
        person: Person,  # noqa: ARG002
        age: timedelta | None,  # noqa: ARG002
        decided: datetime,  # noqa: ARG002
    ) -> bool:
        """Say no."""
        return False


class Forgetful(Model):
    """Has the present verdict stand for every past one."""

    def step(self, by: timedelta) -> None:
        """Remember how each past moment would be judged now."""
        super().step(by)
        self.past = [(time, self.verdicts()) for time, _ in self.past]


def agree(told: ConsentMachine, age: timedelta | None = None, **fields: Any) -> None:
    """Have the first person agree to the first purpose."""
    told.grant(0, 0, age, fields.get("lasts"), is_old=False)


def late_grant(told: ConsentMachine) -> None:
    """A "no", and then the report of an older grant."""
    told.say_no(0, 0, None, WITHDRAWN)
    agree(told, HOUR)


def expiry(told: ConsentMachine) -> None:
    """A grant for an hour, an hour later."""
    agree(told, lasts=HOUR)
    told.step(HOUR)


def renewal(told: ConsentMachine) -> None:
    """A grant, and words that have changed materially since."""
    agree(told)
    told.step(HOUR)
    told.reword(0, 0)


def second_life(told: ConsentMachine) -> None:
    """An erasure, a new life, and the report of a grant from before."""
    agree(told)
    told.step(HOUR)
    told.end(0)
    told.step(HOUR)
    agree(told, timedelta(0))
    agree(told, 2 * HOUR)


def past(told: ConsentMachine) -> None:
    """A grant, and a question about the moment before."""
    told.step(HOUR)
    agree(told)
    told.step(HOUR)
    told.compare_past(0)


@pytest.mark.parametrize(
    ("variant", "story"),
    [
        (LastArrivalWins, late_grant),
        (NeverExpires, expiry),
        (NeverRenewed, renewal),
        (Resurrecting, second_life),
        (Forgetful, past),
    ],
)
async def test_broken_variants_would_be_caught(
    channel: grpc.aio.Channel,
    clock: SteppingClock,
    variant: type[Model],
    story: Callable[[ConsentMachine], None],
) -> None:
    """A server and a model of which one breaks a rule part ways as soon as the rule matters."""

    def tell(compared: type[ConsentMachine]) -> None:
        told = compared()
        told.begin()
        story(told)
        told.verdicts_are_identical()

    await asyncio.to_thread(tell, machine(channel, clock, Model))
    with pytest.raises(AssertionError):
        await asyncio.to_thread(tell, machine(channel, clock, variant))
