"""A trading day for tests: the village, cleared by the simplest rule that respects its limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from light_client.rules.units import Side
from testbed.report.model import (
    Expectation,
    FeederDay,
    ProsumerDay,
    ProsumerTrade,
    Summary,
    TradingDay,
    VerificationTimes,
)
from testbed.scenarios.synthetic import village

INTERVALS = 96


def _cleared() -> tuple[list[int], dict[int, list[int]], list[ProsumerTrade]]:
    """Traded energy per interval, net flow per feeder, home 101's trades: each pair in turn, as far as it goes."""
    scenario = village(seed=1, day=date(2026, 6, 14))
    limit = {int(feeder.feeder): feeder.c_ext_w * 900 for feeder in scenario.feeders}
    traded = [0] * INTERVALS
    net = {feeder: [0] * INTERVALS for feeder in limit}
    trades: list[ProsumerTrade] = []
    for at in range(INTERVALS):
        here = [
            offer
            for offer in scenario.offers
            if offer.first_interval == offer.last_interval == scenario.first_interval + at
        ]
        left = {id(offer): offer.energy_j for offer in here}
        for sell in (offer for offer in here if offer.side is Side.SELL):
            for buy in (offer for offer in here if offer.side is Side.BUY):
                room = min(limit[sell.feeder] - net[sell.feeder][at], limit[buy.feeder] + net[buy.feeder][at])
                if sell.price_uc_per_kwh > buy.price_uc_per_kwh:
                    continue
                energy = min(left[id(sell)], left[id(buy)], room if sell.feeder != buy.feeder else 1 << 40)
                if energy <= 0:
                    continue
                left[id(sell)] -= energy
                left[id(buy)] -= energy
                net[sell.feeder][at] += energy
                net[buy.feeder][at] -= energy
                traded[at] += energy
                if sell.home_id == 101:
                    trades.append(ProsumerTrade(interval=at, buyer=f"home {buy.home_id}", energy_j=energy))
    return traded, net, trades


def example_day(**changes: Any) -> TradingDay:
    """The example, with ``changes`` to its fields."""
    scenario = village(seed=1, day=date(2026, 6, 14))
    traded, net, trades = _cleared()
    total, bound = sum(traded), sum(traded) + 36_000
    for_sale, wanted = (scenario.offered_per_interval_j(side) for side in Side)
    summary = Summary(
        offered_j=sum(for_sale),
        traded_j=total,
        bound_j=bound,
        gap_j=36_000,
        blocks=200,
        finals=96,
        meters=6,
        verified_headers=1_200,
        verified_trades=321,
        verified_solutions=576,
        rejected=3,
        latency_p50_s=3_601.5,
        latency_p99_s=3_640.25,
        wall_s=1.75,
        offered_sell_j=sum(for_sale),
        wanted_j=sum(wanted),
        settled_uc=2_345_678,
        finals_proven=60,
        finals_kept=2,
        finals_vacuous=34,
    )
    day = TradingDay(
        scenario_name="village",
        title="Six homes in June",
        seed=1,
        interval_s=900,
        first_interval=scenario.first_interval,
        summary=summary,
        offered_sell_j=for_sale,
        wanted_j=wanted,
        traded_j=tuple(traded),
        feeders=tuple(
            FeederDay(feeder=number, c_ext_w=1_000, net_j=tuple(flow)) for number, flow in net.items()
        ),
        latencies_s=tuple(3_500 + 1.5 * number for number in range(100)),
        verifications=(
            VerificationTimes(verifier="whole solution", times_ms=tuple(0.5 + 0.01 * n for n in range(200))),
            VerificationTimes(verifier="own trades", times_ms=tuple(0.05 + 0.001 * n for n in range(50))),
        ),
        verification_budget_ms=50.0,
        prosumer=ProsumerDay(prosumer="home 101", generation_j=scenario.homes[0].pv_j, trades=tuple(trades)),
        bound_cumulative_j=tuple(sum(traded[: at + 1]) + 375 * (at + 1) for at in range(INTERVALS)),
        rejected_by_rule=(("CNS-05", 2), ("MKT-03", 1)),
        expectations=(Expectation(name="no fork", passed=True, got="0", expected="0"),),
        command="gridlight-testbed run village --seed 1",
        versions=(("gridlight", "0.1.0"),),
        inputs=(("village.toml", "ab" * 32),),
    )
    return replace(day, **changes)


def example_summary(**changes: Any) -> Summary:
    """The example's totals, with ``changes``."""
    return replace(example_day().summary, **changes)
