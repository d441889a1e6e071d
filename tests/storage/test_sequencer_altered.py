"""Whoever alters what a log or a feed has come to, stops that one and no other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from pymongo import AsyncMongoClient

from server.domain.ledger import PARTITIONS, partition_of
from server.domain.ledger.checkpoint import CHECKPOINTS
from server.domain.ledger.heads import partition_id
from server.domain.ledger.log import Log
from server.domain.ledger.sequencer import Sequencer
from server.domain.ports import Ports
from server.workers.sequencer import ASIDE_METRIC, SequencerWorker
from server.workers.shares import Shares
from tests.ledgers import NAME
from tests.storage.conftest import PREFIX
from tests.storage.servers import ALL, Servers, commit, finish, on

ALTERED, ELSEWHERE = "acme", "beta"
BESIDE = next(
    name
    for name in (f"tenant{number}" for number in range(100 * PARTITIONS))
    if partition_of(name) == partition_of(ALTERED)
)
PARTITION = partition_id(partition_of(ALTERED))

PATIENCE_SECONDS, HOPELESS_SECONDS = 20.0, 1.5

Harm = tuple[str, str, Mapping[str, Any] | None]
"""Collection, id, and what is set in that document, which is deleted if that is nothing."""

TO_A_LOG: dict[str, Harm] = {
    "head deleted": ("ledger_heads", ALTERED, None),
    "head set back": ("ledger_heads", ALTERED, {"size": 1}),
    "head moved on": ("ledger_heads", ALTERED, {"size": 9}),
    "head unreadable": ("ledger_heads", ALTERED, {"size": "many"}),
    "checkpoint unreadable": ("ledger_checkpoints", ALTERED, {"size": "many"}),
    "checkpoint deleted": ("ledger_checkpoints", ALTERED, None),
}
GOES_ON = {"head moved on", "checkpoint unreadable"}
"""What stops nothing: entries are placed beyond the gap, and the next checkpoint replaces it."""

TO_A_FEED: dict[str, Harm] = {
    "head deleted": ("ledger_partitions", PARTITION, None),
    "head set back": ("ledger_partitions", PARTITION, {"size": 1}),
    "head unreadable": ("ledger_partitions", PARTITION, {"size": "many"}),
}


class Held:
    """A share of everything."""

    held = ALL


async def altered(servers: Servers, harm: Harm) -> Ports:
    """Return a server over logs of two entries of which one was harmed, and each has a third."""
    ports = await servers.one()
    for tenant in (ALTERED, BESIDE, ELSEWHERE):
        await commit(ports, tenant, 2)
    await finish(ports)
    collection, id, change = harm
    async with AsyncMongoClient[dict[str, Any]](servers.uri) as client:
        place = client[PREFIX][collection]
        if change is None:
            assert 1 == (await place.delete_one({"_id": id})).deleted_count
        else:
            done = await place.update_one(
                {"_id": id}, {"$set": change}, bypass_document_validation=True
            )
            assert 1 == done.modified_count
    for tenant in (ALTERED, BESIDE, ELSEWHERE):
        await commit(ports, tenant)
    return ports


async def others_go_on(
    ports: Ports, sequencer: Sequencer, others: Sequence[str], seconds: float
) -> None:
    """Show that the third entries of *others* are sequenced and signed."""
    worker = SequencerWorker(sequencer, cast("Shares", Held()), ports.reader)
    work = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(seconds):
            for tenant in others:
                while await _signed(ports, tenant) < 3:
                    await ports.reader.wait_for_change(CHECKPOINTS, at_most_seconds=0.2)
    finally:
        work.cancel()
        await asyncio.wait((work,))


async def _signed(ports: Ports, tenant: str) -> int:
    found = await Log(ports.reader).checkpoint(tenant)
    return 0 if found is None else found.size


@pytest.mark.parametrize("harm", sorted(TO_A_LOG.keys() - GOES_ON))
async def test_an_altered_log_harms_no_other(servers: Servers, harm: str) -> None:
    """Its neighbours, also those in its partition, are sequenced and signed; it is set aside."""
    ports = await altered(servers, TO_A_LOG[harm])
    sequencer = on(ports)

    await others_go_on(ports, sequencer, (BESIDE, ELSEWHERE), PATIENCE_SECONDS)

    assert [ALTERED] == sequencer.aside


@pytest.mark.parametrize("harm", TO_A_FEED)
async def test_an_altered_feed_harms_no_other(servers: Servers, harm: str) -> None:
    """The other partitions go on; it is set aside."""
    ports = await altered(servers, TO_A_FEED[harm])
    sequencer = on(ports)

    await others_go_on(ports, sequencer, (ELSEWHERE,), PATIENCE_SECONDS)

    assert [PARTITION] == sequencer.aside


@pytest.mark.parametrize("harm", TO_A_LOG)
async def test_an_alteration_is_told(servers: Servers, harm: str) -> None:
    """Each way in which a head and its log are at odds is seen by who looks."""
    ports = await altered(servers, TO_A_LOG[harm])

    assert [ALTERED] == await on(ports).examine(ALL)


async def test_the_gauge_tells_of_it(servers: Servers) -> None:
    """How many logs and feeds are set aside is a metric."""
    ports = await altered(servers, TO_A_LOG["head unreadable"])
    metrics = InMemoryMetricReader()
    meter = MeterProvider([metrics]).get_meter("test")
    sequencer = on(ports)
    SequencerWorker(sequencer, cast("Shares", Held()), ports.reader, meter)
    assert [0] == _told(metrics)

    await sequencer.examine(ALL)

    assert [1] == _told(metrics)


def _told(metrics: InMemoryMetricReader) -> list[float]:
    found = json.loads(cast("Any", metrics.get_metrics_data()).to_json())
    (told,) = found["resource_metrics"][0]["scope_metrics"][0]["metrics"]
    assert ASIDE_METRIC == told["name"]
    return [point["value"] for point in told["data"]["data_points"]]


async def test_what_is_whole_is_never_set_aside(ports: Ports) -> None:
    """While others sequence, their logs are not taken for altered ones."""
    other, watching = on(ports), on(ports)

    for number in range(8):
        await commit(ports, f"tenant{number % 3}", 2)
        found, *_ = await asyncio.gather(watching.examine(ALL), other.step(ALL))
        await other.sign()
        assert [] == found


async def test_what_was_put_right_goes_on(servers: Servers) -> None:
    """A log whose head is as it was is taken up again."""
    ports = await altered(servers, TO_A_LOG["head set back"])
    sequencer = on(ports)
    assert [ALTERED] == await sequencer.examine(ALL)

    async with AsyncMongoClient[dict[str, Any]](servers.uri) as client:
        heads = client[PREFIX]["ledger_heads"]
        await heads.update_one({"_id": ALTERED}, {"$set": {"size": 2}})

    assert [] == await sequencer.examine(ALL)
    assert 3 == await sequencer.step(ALL)


class Stubborn(Sequencer):
    """Broken: goes on trying what can't be done."""

    async def examine(self, partitions: frozenset[int]) -> Sequence[str]:
        """Look at nothing."""
        del partitions
        self.forget()
        return ()


async def test_that_one_log_stopping_all_would_be_noticed(servers: Servers) -> None:
    """A sequencer that sets nothing aside breaks the promise above."""
    ports = await altered(servers, TO_A_LOG["head deleted"])

    with pytest.raises(TimeoutError):
        await others_go_on(ports, Stubborn(ports, ledger=NAME), (ELSEWHERE,), HOPELESS_SECONDS)
