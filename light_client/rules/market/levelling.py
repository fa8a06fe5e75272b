"""Levelled service: in a uniform market, who buys is a rule and not the solver's taste.

Given what is sold and what buyers with several intervals take, the other buyers of an interval are served in
equal shares of their demand across feeders, as far as the limits allow: ``y_f = clamp(rho * D_f, l_f, h_f)``
with one ``rho`` per interval. Both objectives depend on sales only, so certificates stay valid whatever this
rule decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from light_client.rules.errors import RuleViolation
from light_client.rules.market.offer import ClassKey
from light_client.rules.market.plan import Plan
from light_client.rules.market.problem import Problem
from light_client.rules.market.shares import prefix_shares
from light_client.rules.units import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One feeder's part in the levelling of one interval, J."""

    feeder: int
    demand: int
    low: int
    """Least it must buy so that it exports no more than its limit."""
    high: int
    """Most it may buy."""


def complete(problem: Problem, plan: Plan) -> Plan:
    """The plan with the levelled purchases added; a plan of a priced market is complete as it is.

    Raises:
        RuleViolation: MKT-26 when a uniform plan states purchases that follow from the rule; MKT-27 when no purchases
            within the limits fit what is sold.
    """
    if not problem.uniform:
        return plan
    sold, taken = _stated_flows(plan)
    flows = dict(plan.flows)
    price = problem.params.uniform_price_uc_per_kwh or 0
    for t in sorted(sold.keys() | taken.keys()):
        for feeder, energy_j in level(
            demands_at(problem, t, sold.get(t, {}), taken.get(t, {})),
            _needed(sold, taken, t),
        ).items():
            if energy_j:
                flows[ClassKey(Side.BUY, feeder, price, ((t, t),))] = ((t, energy_j),)
    return Plan(first_interval=plan.first_interval, flows=flows)


def stated(problem: Problem, plan: Plan) -> Plan:
    """The part of a plan that its solver states: without what `complete` adds. A priced plan is stated in full."""
    if not problem.uniform:
        return plan
    flows = {key: entries for key, entries in plan.flows.items() if key.side == Side.SELL or not key.single}
    return Plan(first_interval=plan.first_interval, flows=flows)


def _stated_flows(
    plan: Plan,
) -> tuple[dict[int, dict[int, int]], dict[int, dict[int, int]]]:
    sold: dict[int, dict[int, int]] = {}
    taken: dict[int, dict[int, int]] = {}
    for key, entries in plan.flows.items():
        if key.side == Side.BUY and key.single:
            raise RuleViolation(
                "MKT-26",
                "a uniform plan states purchases that follow from it",
                got=key,
                expected="none",
            )
        flow = taken if key.side == Side.BUY else sold
        for t, energy_j in entries:
            feeders = flow.setdefault(t, {})
            feeders[key.feeder] = feeders.get(key.feeder, 0) + energy_j
    return sold, taken


def _needed(sold: dict[int, dict[int, int]], taken: dict[int, dict[int, int]], t: int) -> int:
    return sum(sold.get(t, {}).values()) - sum(taken.get(t, {}).values())


def demands_at(problem: Problem, t: int, sold: dict[int, int], taken: dict[int, int]) -> list[Demand]:
    """Demand and bounds of every feeder that can buy, or must, in interval ``t``; feeders ascending."""
    demand_of = {feeder: energy_j for feeder, _, energy_j in problem.spot[Side.BUY].get(t, ())}
    demands = []
    for feeder in sorted(demand_of.keys() | sold.keys() | taken.keys()):
        surplus = sold.get(feeder, 0) - taken.get(feeder, 0)
        ext_j = problem.grid.ext_j.get(feeder, 0)
        int_j = problem.grid.int_j.get(feeder)
        demand = demand_of.get(feeder, 0)
        high = min(demand, surplus + ext_j)
        if int_j is not None:
            high = min(high, int_j - taken.get(feeder, 0))
        demands.append(Demand(feeder=feeder, demand=demand, low=max(0, surplus - ext_j), high=high))
    return demands


def level(demands: list[Demand], needed: int) -> dict[int, int]:
    """Split ``needed`` joules: equal shares of demand, clamped to each feeder's bounds; remainders by prefix floor.

    Raises:
        RuleViolation: MKT-27 when bounds contradict each other or cannot add up to ``needed``.
    """
    for entry in demands:
        if entry.low > entry.high:
            raise RuleViolation(
                "MKT-27",
                f"feeder {entry.feeder} must buy more than it can",
                got=entry.low,
                expected=entry.high,
            )
    low_sum = sum(entry.low for entry in demands)
    high_sum = sum(entry.high for entry in demands)
    if not low_sum <= needed <= high_sum:
        raise RuleViolation(
            "MKT-27",
            "what is sold does not fit what can be bought",
            got=needed,
            expected=(low_sum, high_sum),
        )
    result = {entry.feeder: entry.low for entry in demands}
    rising = _rising_feeders(demands, needed, low_sum)
    for entry in demands:
        if rising is None or entry.feeder in rising.full:
            result[entry.feeder] = entry.high
    if rising is not None and rising.between:
        rest = needed - sum(result[entry.feeder] for entry in demands if entry.feeder not in rising.between)
        chosen = [entry for entry in demands if entry.feeder in rising.between]
        for entry, share in zip(chosen, prefix_shares([entry.demand for entry in chosen], rest), strict=True):
            result[entry.feeder] = share
    return result


@dataclass(frozen=True, slots=True)
class _Level:
    full: frozenset[int]
    between: frozenset[int]


def _rising_feeders(demands: list[Demand], needed: int, low_sum: int) -> _Level | None:
    """Which feeders are at their upper bound and which strictly share at the level that serves ``needed``.

    Walks the levels ``low/demand`` and ``high/demand`` upwards; None when everything is served to the upper
    bounds. Levels are ordered by ``floor(bound * 2^k / demand)``: different fractions of such demands differ by
    more than ``2^-k``.
    """
    moving = [entry for entry in demands if entry.high > entry.low]
    bits = 2 * max((entry.demand for entry in moving), default=0).bit_length()
    events = [((entry.low << bits) // entry.demand, 0, entry.feeder, entry.low, entry) for entry in moving]
    events += [((entry.high << bits) // entry.demand, 1, entry.feeder, entry.high, entry) for entry in moving]
    events.sort(key=lambda event: event[:3])
    full: set[int] = set()
    between: dict[int, Demand] = {}
    fixed = low_sum
    slope = 0
    for _, kind, feeder, bound, entry in events:
        if (needed - fixed) * entry.demand <= slope * bound:
            return _Level(frozenset(full), frozenset(between))
        if kind == 0:
            between[feeder] = entry
            fixed -= bound
            slope += entry.demand
        else:
            del between[feeder]
            full.add(feeder)
            fixed += bound
            slope -= entry.demand
    return None
