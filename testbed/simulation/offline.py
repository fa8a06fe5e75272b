"""The offline optimum: what a market could have traded that had known every offer of the day beforehand."""

from __future__ import annotations

from dataclasses import dataclass

from light_client.rules.market.grid import Grid
from light_client.rules.market.offer import OpenOffer
from light_client.rules.market.params import MarketParams
from light_client.rules.market.problem import problem_of
from light_client.rules.units import Address, FeederId, OfferId, Side
from testbed.scenarios.model import Scenario
from testbed.solver.solve import solve


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineOptimum:
    """A proven bound on the day."""

    traded_j: int
    bound_j: int
    """Proven by the certificate of the offline plan, J."""
    cumulative_j: tuple[int, ...]
    """What the offline plan has traded by the end of each interval, J."""


def offline_optimum(scenario: Scenario, market: MarketParams) -> OfflineOptimum:
    """Solve the whole day at once; the bound holds for every rolling market over the same offers."""
    offers = [
        OpenOffer(
            offer_id=OfferId(number),
            address=Address(bytes(20)),
            side=plan.side,
            feeder=FeederId(plan.feeder),
            price_uc_per_kwh=plan.price_uc_per_kwh,
            ranges=((plan.first_interval, plan.last_interval),),
            remaining_j=plan.energy_j,
            escrow_uc=0,
        )
        for number, plan in enumerate(scenario.offers, start=1)
    ]
    grid = Grid(feeders=scenario.feeders, interval_s=scenario.interval_s)
    solved = solve(problem_of(offers, first_interval=scenario.first_interval, params=market, grid=grid))
    per_interval = [0] * scenario.intervals
    for key, entries in solved.solution.plan.flows.items():
        if key.side == Side.SELL:
            for t, energy_j in entries:
                per_interval[t - scenario.first_interval] += energy_j
    cumulative = [sum(per_interval[: at + 1]) for at in range(scenario.intervals)]
    traded_j = sum(per_interval)
    return OfflineOptimum(
        traded_j=traded_j, bound_j=traded_j + solved.gaps[0], cumulative_j=tuple(cumulative)
    )
