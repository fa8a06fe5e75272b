"""The load bench measures what it says: everything becomes final, the figures follow from it, and growth is counted."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from light_client.rules.crypto import tagged_hash
from light_client.rules.statetree import Branch, Node, root_of, update
from testbed.bench import ledger
from testbed.bench.load.client import Pace
from testbed.bench.load.figures import Finals, percentile
from testbed.bench.load.growth import Cost, Growth, made_anew, measure_growth
from testbed.bench.load.inprocess import LoadError, measure_in_process
from testbed.bench.load.live import Live, cpu_s, measure_live, peak_mb
from testbed.bench.load.workload import Workload

START_MS = 1_800_000_000_000


def nodes_in(node: Node) -> int:
    """Count them one by one."""
    if isinstance(node, Branch):
        return 1 + nodes_in(node.left) + nodes_in(node.right)
    return int(node is not None)


def small(start_ms: int = START_MS) -> Workload:
    return Workload(start_ms=start_ms, addresses=40, offers_each=3, batch_ms=200)


def test_everything_becomes_final_and_every_miner_pays_for_it() -> None:
    finals: list[int] = []
    found = measure_in_process(
        small(), Pace(per_second=200, window=1_000, warm_up_ms=0), on_final=finals.append
    )
    assert found.rate.offers == 120
    assert found.rate.put_off == 0
    assert finals == sorted(finals)
    assert found.rate.p50_ms <= found.rate.p99_ms <= found.rate.worst_ms <= 2 * 200 + 50
    assert found.rate.sustained_per_s == pytest.approx(200, rel=0.15)
    assert all(spent > 0 for spent in found.miner_cpu_s)
    document = found.document()
    assert document["at_most_per_s_on_two_cores"] == pytest.approx(2 * found.per_cpu_s, rel=1e-3)


def test_virtual_time_gives_the_same_run_every_time() -> None:
    pace = Pace(per_second=200, window=50, warm_up_ms=0)
    first, second = (measure_in_process(small(), pace).rate for _ in range(2))
    assert first == second


def test_a_run_that_does_not_end_says_so() -> None:
    with pytest.raises(LoadError, match="did not become final"):
        measure_in_process(small(), Pace(per_second=200, window=1_000, patience_ms=50))


def test_four_processes_over_sockets(tmp_path: Path) -> None:
    start_ms = int(time.time() * 1_000) - 1_000
    pace = Pace(per_second=200, window=1_000, warm_up_ms=0)
    found = measure_live(tmp_path, small(start_ms), pace, longest_s=90)
    assert found.rate["offers"] == 120
    assert found.cpu_s.keys() == {"miner-0", "miner-1", "miner-2", "miner-3", "load"}
    assert found.document()["p99_block_times"] >= 0


def test_sustained_rate_and_latency_leave_the_warm_up_out() -> None:
    finals = Finals(warm_up_ms=1_000)
    for number in range(40):
        finals.submitted(bytes((number,)), number * 100)
    assert finals.block([bytes((number,)) for number in range(10)] + [b"stranger"], 1_000) == 10
    assert finals.block([bytes((number,)) for number in range(10, 20)], 2_000) == 10
    assert finals.block([bytes((number,)) for number in range(20, 30)], 3_000) == 10
    assert finals.block([bytes((number,)) for number in range(30, 40)], 4_100) == 10
    rate = finals.rate()
    assert (rate.offers, rate.blocks) == (40, 4)
    assert rate.sustained_per_s == 10.0
    assert rate.sustained_s == 2.0
    assert rate.block_ms == 1_000
    assert (rate.p50_ms, rate.worst_ms) == (600, 1_100)


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([], 99) == 0
    assert percentile([7], 50) == 7
    assert percentile(list(range(1, 101)), 99) == 99
    assert percentile(list(range(1, 101)), 50) == 50


def test_growth_counts_the_nodes_that_a_block_makes_anew() -> None:
    keys = {tagged_hash("test", bytes((number,))): bytes(32) for number in range(64)}
    tree = update(None, dict(keys))
    assert made_anew(tree, tree) == 0
    key = next(iter(keys))
    changed = update(tree, {key: b"\x01" * 32})
    depth, node = 1, changed
    while isinstance(node, Branch):
        node = node.right if key[(depth - 1) >> 3] >> (7 - ((depth - 1) & 7)) & 1 else node.left
        depth += 1
    assert made_anew(tree, changed) == depth
    assert made_anew(None, tree) == nodes_in(tree) > 2 * 64 - 2
    assert root_of(tree) != root_of(changed)


def test_a_block_over_sixteen_times_the_accounts_costs_four_more_nodes_an_entry() -> None:
    growth = measure_growth(START_MS, (64, 1_024), offers_per_block=16, blocks=3)
    small_one, large = growth.costs
    assert 1 <= large.nodes_per_offer - small_one.nodes_per_offer <= 2 * 4 + 2
    assert all(cost.block_ms > 0 for cost in growth.costs)


def test_an_exponent_of_one_is_linear_growth() -> None:
    def cost(accounts: int, block_ms: float) -> Cost:
        return Cost(
            accounts=accounts, offers_per_block=1, block_ms=block_ms, nodes_per_offer=1, bytes_per_account=1
        )

    linear = Growth(costs=(cost(1_000, 1), cost(10_000, 10), cost(100_000, 100)))
    flat = Growth(costs=(cost(1_000, 5), cost(1_000_000, 5)))
    assert linear.exponent == pytest.approx(1)
    assert linear.ratio > linear.logarithms
    assert flat.exponent == pytest.approx(0)
    assert flat.ratio < flat.logarithms == pytest.approx(2)


def test_a_process_that_is_gone_has_used_nothing() -> None:
    assert cpu_s(1 << 30) == 0.0
    assert peak_mb(1 << 30) == 0.0


def test_a_run_too_short_for_a_rate_meets_no_aim() -> None:
    def live(sustained_s: float) -> Live:
        rate = {"sustained_s": sustained_s, "sustained_per_s": 9_999.0, "p99_block_times": 0.0}
        return Live(rate=rate, cpu_s={}, memory_mb={})

    cost = Cost(accounts=10, offers_per_block=1, block_ms=1, nodes_per_offer=1, bytes_per_account=1)
    growth = Growth(costs=(cost, cost))
    assert len(ledger._aims(live(1.0), live(1.0), growth)) == 1
    assert len(ledger._aims(live(12.0), live(12.0), growth)) == 3
    slow = Live(
        rate={"sustained_s": 12.0, "sustained_per_s": 100.0, "p99_block_times": 3.0}, cpu_s={}, memory_mb={}
    )
    assert [aim.met for aim in ledger._aims(slow, slow, growth)] == [False, False, True]
