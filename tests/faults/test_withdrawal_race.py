"""Withdraw through one server, check through another: with the token, never "allowed"."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1 import types_pb2
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub
from tests.rpc.people import end_user, grant_request, new_id, new_tenant, verdict, withdraw
from tests.served import ServerProcess

IS_LONG = os.environ.get("PRIVACYRIGHTS_TEST_LONG") == "1"

PAIRS = 10_000 if IS_LONG else 200
AT_ONCE = 16
CUSTOMISE = "purposes/customise_messages"


@dataclass
class Race:
    """People who agree and take it back, again and again, through one server and the other.

    Shapes:
        pairs: of a grant and a withdrawal, each of them followed by a check.
        unseen: why a check that carried a grant's token said no.
        wrong: checks that carried a withdrawal's token and said yes.
    """

    channels: tuple[grpc.aio.Channel, grpc.aio.Channel]
    request: pb.RecordConsentRequest
    pairs: int
    unseen: list[str] = field(default_factory=list[str])
    wrong: int = 0

    async def run(self) -> None:
        """Run all pairs, some of them at a time."""
        turns = iter(range(self.pairs))
        await asyncio.gather(*(self._person(turns) for _ in range(AT_ONCE)))

    async def _person(self, turns: Iterator[int]) -> None:
        who = end_user(self.request.subject.tenant)
        for turn in turns:
            # Every other pair goes the other way round.
            await self._pair(who, *self.channels[:: 1 if turn % 2 else -1])

    async def _pair(
        self, who: types_pb2.Subject, here: grpc.aio.Channel, there: grpc.aio.Channel
    ) -> None:
        """Decide through one server, and each time ask the other at once after."""
        grant = pb.RecordConsentRequest()
        grant.CopyFrom(self.request)
        grant.subject.CopyFrom(who)
        grant.request_id = new_id("race")
        granted = await ConsentServiceStub(here).RecordConsent(grant)
        seen = await verdict(there, who, CUSTOMISE, token=granted.consistency_token)
        if not seen.allowed:
            self.unseen.append(f"{granted.record_time.ToJsonString()} {seen}")
        withdrawn = await withdraw(here, who, CUSTOMISE)
        after = await verdict(there, who, CUSTOMISE, token=withdrawn.consistency_token)
        self.wrong += after.allowed


@asynccontextmanager
async def race(
    uri: str, prefix: str, folder: Path, pairs: int, *command: str
) -> AsyncGenerator[Race]:
    """Return a race between two servers over one database, which *command* starts."""
    shared: dict[str, Any] = {
        "mongo_uri": uri,
        "database": prefix,
        "master_key_file": str(folder / "master.key"),
        **({"command": command} if command else {}),
    }
    async with (
        ServerProcess(folder / "one", **shared) as one,
        ServerProcess(folder / "two", **shared) as two,
        grpc.aio.insecure_channel(one.address) as first,
        grpc.aio.insecure_channel(two.address) as second,
    ):
        who = end_user(await new_tenant(first))
        yield Race((first, second), await grant_request(first, who, CUSTOMISE), pairs)


@pytest.mark.timeout(1800 if IS_LONG else 120)
async def test_no_check_allows_after_a_withdrawal(
    mongo_uri: str, prefix: str, tmp_path: Path
) -> None:
    """Whoever passes the token of an acknowledged withdrawal to another server is told no.

    The grant just before was seen there as well: there is something to be wrong about.
    """
    async with race(mongo_uri, prefix, tmp_path, PAIRS) as pairs:
        await pairs.run()

    assert 0 == pairs.wrong
    assert [] == pairs.unseen


async def test_answering_from_memory_would_be_caught(
    mongo_uri: str, prefix: str, tmp_path: Path
) -> None:
    """Servers that remember what they allowed are caught by a few pairs."""
    broken = ("-m", "tests.faults.broken_server", "remembering_checks")
    async with race(mongo_uri, prefix, tmp_path, AT_ONCE, *broken) as pairs:
        await pairs.run()

    assert AT_ONCE == pairs.wrong
