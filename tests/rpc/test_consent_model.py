"""The server and a model of it, told the same by chance, give the same verdicts."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime, timedelta

import grpc
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from server.domain.clock import SteppingClock
from tests.rpc.consent_machine import ConsentMachine, Driven
from tests.rpc.consent_model import Model, Person, State

IS_LONG = os.environ.get("PRIVACYRIGHTS_TEST_LONG") == "1"

HOW_MUCH = settings(
    max_examples=300 if IS_LONG else 8,
    stateful_step_count=50 if IS_LONG else 20,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

UNTIL_CAUGHT = settings(
    HOW_MUCH,
    max_examples=300,
    stateful_step_count=30,
    # That it is caught is all that matters; what with, isn't looked for.
    phases=[Phase.generate],
    report_multiple_bugs=False,
    derandomize=True,
)


async def compared(
    channel: grpc.aio.Channel, clock: SteppingClock, model: type[Model], much: settings
) -> None:
    """Compare the server with *model*."""

    class Machine(ConsentMachine):
        driven = Driven(channel, clock, asyncio.get_running_loop())
        model_type = model

    # In a thread, since a machine is not asynchronous; the server answers on this loop.
    await asyncio.to_thread(run_state_machine_as_test, Machine, settings=much)


@pytest.mark.timeout(1800 if IS_LONG else 120)
async def test_verdicts_are_those_of_the_model(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Whatever people, the tenant and the lawyers do in whatever order: verdicts are identical.

    After every step for everybody and every purpose, and about moments that are over.
    """
    await compared(channel, clock, Model, HOW_MUCH)


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


@pytest.mark.parametrize(
    "variant", [LastArrivalWins, NeverExpires, NeverRenewed, Resurrecting, Forgetful]
)
@pytest.mark.timeout(300)
@pytest.mark.skipif(not IS_LONG, reason="only with PRIVACYRIGHTS_TEST_LONG=1")
async def test_broken_variants_are_caught(
    channel: grpc.aio.Channel, clock: SteppingClock, variant: type[Model]
) -> None:
    """A server and a model of which one breaks a rule are told apart."""
    with pytest.raises(AssertionError):
        await compared(channel, clock, variant, UNTIL_CAUGHT)
