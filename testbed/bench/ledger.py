"""Offers that four miners make final in a second, how soon, and what a block costs as the ledger grows."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from firmware_app.console import CommandError
from testbed.bench.load.client import Pace
from testbed.bench.load.growth import Growth, measure_growth
from testbed.bench.load.inprocess import CORES, InProcess, LoadError, measure_in_process
from testbed.bench.load.live import Live, measure_live
from testbed.bench.load.workload import Workload
from testbed.bench.section import Aim, Options, Section, Step, at_least, at_most

SUMMARY: Final = (
    "Offers that four miners make final per second, and how soon; what a block costs as accounts grow."
)

PUBLISHED_PER_S: Final = {"anvil 1.7.1, blocks of 1 s": 1_325, "hardhat 2.29": 391, "ganache 7.9.2": 102}
"""Transactions per second of single-node development chains, one node and no committee, as measured for the design."""
ASKED_PER_S: Final = 2_500
ASKED_BLOCK_TIMES: Final = 2.0
_EACH: Final = 8
_BATCH_MS: Final = 800
_START_MS: Final = 1_800_000_000_000
_LONGEST_S: Final = 180.0
_LEAST_S: Final = 4.0
"""Shorter than that, a rate over sockets says how the blocks fell, not how many offers were made final."""
_SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)


def steps(options: Options) -> int:
    """CPU by virtual time, at full speed over sockets, at a steady rate over sockets, and each size."""
    return 3 + len(_sizes(options))


def measure(options: Options, step: Step) -> Section:
    """Measure all cases.

    Raises:
        CommandError: a run did not come to its end.
    """
    try:
        return _measure(options, step)
    except LoadError as error:
        raise CommandError(f"the load run failed: {error}") from error


def _measure(options: Options, step: Step) -> Section:
    offers, steady_s = (24_000, 10) if options.quick else (80_000, 20)
    step("CPU of four miners")
    counted = measure_in_process(
        _workload(_START_MS, offers // 4), Pace(per_second=ASKED_PER_S, window=20_000, warm_up_ms=1_000)
    )
    step("four processes, as fast as they can")
    fast = _live(offers, Pace(per_second=100_000, window=6_000))
    step("four processes, at half that rate")
    steady_per_s = max(1, int(fast.rate["sustained_per_s"] / 2))
    steady = _live(steady_per_s * steady_s, Pace(per_second=steady_per_s, window=6_000))
    growth = measure_growth(
        _START_MS,
        _sizes(options),
        offers_per_block=1_000,
        blocks=7,
        on_size=lambda accounts: step(f"a block over {accounts:,} accounts"),
    )
    document = {
        "counted": counted.document(),
        "live_fast": fast.document(),
        "live_steady": {"handed_in_per_s": steady_per_s, **steady.document()},
        "growth": growth.document(),
        "published_per_s": PUBLISHED_PER_S,
    }
    lines = [*_rate_lines(counted, fast, steady, steady_per_s), *_growth_lines(growth)]
    return Section(document=document, lines=lines, aims=_aims(fast, steady, growth))


def _sizes(options: Options) -> tuple[int, ...]:
    return _SIZES[:3] if options.quick else _SIZES


def _workload(start_ms: int, offers: int) -> Workload:
    return Workload(start_ms=start_ms, addresses=offers // _EACH, offers_each=_EACH, batch_ms=_BATCH_MS)


def _live(offers: int, pace: Pace) -> Live:
    now_ms = int(time.time() * 1_000)
    with TemporaryDirectory(prefix="gridlight-load-") as folder:
        return measure_live(Path(folder), _workload(now_ms - 1_000, offers), pace, longest_s=_LONGEST_S)


def _aims(fast: Live, steady: Live, growth: Growth) -> list[Aim]:
    """What this run says of the aims; a run that was too short for a rate says nothing of it."""
    aims = []
    if fast.rate["sustained_s"] >= _LEAST_S:
        rate = fast.rate["sustained_per_s"]
        aims.append(
            at_least("four miners over sockets", "offers/s made final", asked=ASKED_PER_S, measured=rate)
        )
    if steady.rate["sustained_s"] >= _LEAST_S:
        times = steady.rate["p99_block_times"]
        aims.append(
            at_most(
                "99 of 100 offers are final within", "block times", asked=ASKED_BLOCK_TIMES, measured=times
            )
        )
    asked = round(growth.logarithms, 3)
    what = "a block over the most accounts, for the cost of one over the fewest"
    return [*aims, at_most(what, "times", asked=asked, measured=growth.ratio)]


def _rate_lines(counted: InProcess, fast: Live, steady: Live, steady_per_s: int) -> list[str]:
    spent = counted.cpu_us_per_offer
    lines = [
        f"CPU of one miner for one offer, without sockets and disk: {spent:.0f} us",
        f"so four miners on two cores make at most {counted.per_cpu_s * CORES:,.0f} offers/s final",
        f"with sockets, disk and client: {fast.per_cpu_s * CORES:,.0f} offers/s for all CPU of two cores",
        "over sockets             offers/s  block ms    p50 ms    p99 ms  p99 in block times",
    ]
    for name, live in (("as fast as they can", fast), (f"{steady_per_s:,} offers/s", steady)):
        rate = live.rate
        lines.append(
            f"{name:<24} {rate['sustained_per_s']:>8,.0f} {rate['block_ms']:>9,.0f} {rate['p50_ms']:>9,}"
            f" {rate['p99_ms']:>9,} {rate['p99_block_times']:>10.2f}"
        )
    lines += [
        f"published: {name}, one node, {rate:,} transactions/s" for name, rate in PUBLISHED_PER_S.items()
    ]
    return lines


def _growth_lines(growth: Growth) -> list[str]:
    lines = ["accounts    block ms  tree nodes per offer  bytes per account"]
    lines += [
        f"{cost.accounts:>9,} {cost.block_ms:>10.1f} {cost.nodes_per_offer:>21.1f} {cost.bytes_per_account:>18,.0f}"
        for cost in growth.costs
    ]
    return [
        *lines,
        f"growth: accounts^{growth.exponent:.3f} for {growth.costs[0].offers_per_block:,} offers a block",
    ]
