"""Most energy within the limits: a solver's plan, proven by dual prices (``market.clearing.check_solution``)."""

from __future__ import annotations

from collections.abc import Iterator

from light_client.rules.market.clearing import final_trades
from light_client.rules.market.mechanisms.mechanism import Outcome, Transfer
from light_client.rules.market.plan import Plan
from light_client.rules.market.problem import Problem
from light_client.rules.units import Side


class MaximumEnergyMarket:
    """The mechanism; its parameters are those of the market."""

    def outcome(self, problem: Problem, plan: Plan) -> Outcome:
        """What becomes final of the first interval under a complete, feasible plan."""
        return Outcome(final_trades(problem, plan), tuple(_transfers(problem, plan)))


def _transfers(problem: Problem, plan: Plan) -> Iterator[Transfer]:
    """Who delivers to whom: both sides ascending by price, then feeder, by two pointers, as the prices are paired."""
    sides: tuple[dict[tuple[int, int], int], dict[tuple[int, int], int]] = ({}, {})
    for key, entries in plan.flows.items():
        interval, energy_j = entries[0]
        if interval == problem.first_interval:
            place, totals = (key.price_uc_per_kwh, key.feeder), sides[key.side]
            totals[place] = totals.get(place, 0) + energy_j
    sold, bought = (sorted(side.items()) for side in (sides[Side.SELL], sides[Side.BUY]))
    at = left = 0
    for (_, buyer), wanted in bought:
        need = wanted
        while need:
            (_, seller), energy_j = sold[at]
            quantity = min(need, energy_j - left)
            yield Transfer(seller, buyer, quantity)
            need -= quantity
            left += quantity
            if left == energy_j:
                at, left = at + 1, 0
