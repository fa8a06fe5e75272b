"""Block time adapts: an idle chain is quiet, a trickle is gathered, a burst fills blocks that are due at once."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from light_client.rules.ledger.block import Header
from light_client.rules.ledger.events import Cleared
from testbed.miner.params import MinerParams
from testbed.network.faults import Link
from testbed.network.simulator import Seen
from tests.testbed.miner.chains import (
    INTERVAL_S,
    START_MS,
    Client,
    busy_plan,
    committee_of,
    grant,
    offer,
    small_genesis,
)

LINK = Link(min_delay_ms=5, jitter_ms=10)
INTERVAL_MS = INTERVAL_S * 1_000


def test_an_idle_chain_makes_one_block_for_each_interval_and_no_more() -> None:
    simulator = committee_of(small_genesis(), seed=1, link=LINK)
    headers: dict[int, Header] = {}

    def watch(seen: Seen) -> None:
        if seen.name == "block" and isinstance(seen.value, Header):
            headers[seen.value.height] = seen.value

    simulator.on_report = watch
    simulator.run(START_MS + 20 * INTERVAL_MS + 5_000)
    quiet = list(headers.values())[1:]
    assert len(quiet) >= 19
    assert {header.clearing.how for header in quiet} == {Cleared.VACUOUS}
    intervals = [header.clearing.interval for header in quiet]
    assert intervals == list(range(intervals[0], intervals[0] + len(quiet))), "each block makes one final"
    assert simulator.counters.sent < 150 * len(quiet), "and hardly anything is sent in between"


def blocks_with(params: MinerParams, block_txs: int) -> tuple[list[int], list[int]]:
    """Run a burst of forty offers; return the times at which blocks with content came, and when it was handed in."""
    genesis = small_genesis()
    genesis = replace(genesis, chain=replace(genesis.chain, max_block_txs=block_txs))
    simulator = committee_of(genesis, seed=1, link=LINK, params=params)
    interval = genesis.first_interval + 1
    burst_ms = START_MS + 10_000
    plan = [(START_MS + 100, grant(genesis, 0, range(40)))]
    plan += [(burst_ms, offer(genesis, prosumer, interval)) for prosumer in range(40)]
    simulator.add("client", lambda _: Client(name="client", plan=plan, miners=4))
    times: dict[int, int] = {}

    def watch(seen: Seen) -> None:
        if seen.name == "block" and isinstance(seen.value, Header):
            times.setdefault(seen.value.height, seen.at_ms)

    simulator.on_report = watch
    simulator.run(burst_ms + 20_000)
    return [at_ms for at_ms in times.values() if at_ms >= burst_ms], [burst_ms]


def test_a_burst_fills_blocks_that_do_not_wait() -> None:
    params = MinerParams(batch_ms=8_000)
    full, (burst_ms,) = blocks_with(params, 10)
    assert len(full) == 4, "forty offers, ten to a block"
    assert full[-1] - burst_ms < 5_000, "none of them waited for company"
    gathered, _ = blocks_with(params, 1_000)
    assert len(gathered) == 1, "where they do not fill a block they share one"
    assert gathered[0] - burst_ms >= params.batch_ms


def test_a_trickle_is_gathered() -> None:
    genesis = small_genesis()
    params = MinerParams(batch_ms=5_000)
    simulator = committee_of(genesis, seed=1, link=LINK, params=params)
    plan = busy_plan(genesis, Random(1), prosumers=30, intervals=1)
    simulator.add("client", lambda _: Client(name="client", plan=plan, miners=4))
    heights: set[int] = set()
    simulator.on_report = lambda seen: heights.add(seen.value.height) if seen.name == "block" else None  # type: ignore[attr-defined]
    simulator.run(START_MS + INTERVAL_MS)
    assert len(heights) <= INTERVAL_MS // params.batch_ms + 3
