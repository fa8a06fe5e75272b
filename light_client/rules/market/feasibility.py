"""Feasibility of a plan: the paper's constraints (1)-(8), one predicate each.

Source: section 4 of "The Role of Blockchains in Multi-Stakeholder Transactive Energy Systems"; (1)(2) in the aggregated
form: matching is possible exactly when, prices ascending, cumulative purchases never exceed cumulative sales and both
are equal in the end (Hall/Gale: the sets of acceptable sellers are nested). Constraint (9) is in ``settlement``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from light_client.rules.errors import RuleViolation
from light_client.rules.market.offer import ClassKey
from light_client.rules.market.plan import Plan
from light_client.rules.market.problem import Problem
from light_client.rules.units import Side

PerFeeder = dict[int, int]


@dataclass(slots=True)
class Totals:
    """Sums of one plan, made in a single walk."""

    sold: dict[int, PerFeeder] = field(default_factory=dict)
    """Interval -> feeder -> energy sold, J."""
    bought: dict[int, PerFeeder] = field(default_factory=dict)
    """Interval -> feeder -> energy bought, J."""
    book: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)
    """Interval -> (price, side, energy_j): at equal price sales come before purchases."""


def totals_of(plan: Plan) -> Totals:
    """Sum a plan per interval and feeder."""
    totals = Totals()
    per_side = (totals.sold, totals.bought)
    book = totals.book
    for (side, feeder, price, _), entries in plan.flows.items():
        flow = per_side[side]
        for t, energy_j in entries:
            feeders = flow.get(t)
            if feeders is None:
                flow[t] = {feeder: energy_j}
            else:
                feeders[feeder] = feeders.get(feeder, 0) + energy_j
            if t in book:
                book[t].append((price, side, energy_j))
            else:
                book[t] = [(price, side, energy_j)]
    return totals


def classes_are_known(problem: Problem, plan: Plan) -> None:
    """MKT-11: the plan speaks of this problem, of its classes, and of intervals that these contain."""
    if plan.first_interval != problem.first_interval:
        raise RuleViolation(
            "MKT-11",
            "first interval of the plan",
            got=plan.first_interval,
            expected=problem.first_interval,
        )
    for key, entries in plan.flows.items():
        if key not in problem.classes:
            raise RuleViolation(
                "MKT-11",
                "the plan names a class that has no open offer",
                got=key,
                expected="open offers",
            )
        ranges = key.ranges
        if len(ranges) == 1:
            first, last = ranges[0]
            inside = first <= entries[0][0] and entries[-1][0] <= last
        else:
            inside = all(any(first <= t <= last for first, last in ranges) for t, _ in entries)
        if not inside:
            raise RuleViolation(
                "MKT-11",
                "the plan trades a class outside its intervals",
                got=entries,
                expected=ranges,
            )


def sellers_sell_what_they_have(problem: Problem, plan: Plan) -> None:
    """MKT-12, equation (3): over all intervals a class sells at most its energy."""
    _within_energy(problem, plan, Side.SELL, "MKT-12")


def buyers_buy_what_they_asked(problem: Problem, plan: Plan) -> None:
    """MKT-13, equation (4): over all intervals a class buys at most its energy."""
    _within_energy(problem, plan, Side.BUY, "MKT-13")


def _within_energy(problem: Problem, plan: Plan, side: Side, rule: str) -> None:
    energy_of = problem.classes
    for key, entries in plan.flows.items():
        if key.side == side:
            used = entries[0][1] if len(entries) == 1 else sum(energy_j for _, energy_j in entries)
            if used > energy_of[key]:
                raise RuleViolation(
                    rule,
                    f"a class trades more than it offered: {_name(key)}",
                    got=used,
                    expected=energy_of[key],
                )


def exports_are_within_limits(problem: Problem, totals: Totals) -> None:
    """MKT-14, equation (5): what a feeder sells less what it buys is at most its external limit."""
    for t, feeder, net_j in _net_flows(totals):
        if net_j > problem.grid.ext_j.get(feeder, 0):
            raise RuleViolation(
                "MKT-14",
                f"feeder {feeder} exports too much in interval {t}",
                got=net_j,
                expected=problem.grid.ext_j.get(feeder, 0),
            )


def imports_are_within_limits(problem: Problem, totals: Totals) -> None:
    """MKT-15, equation (6): what a feeder buys less what it sells is at most its external limit."""
    for t, feeder, net_j in _net_flows(totals):
        if -net_j > problem.grid.ext_j.get(feeder, 0):
            raise RuleViolation(
                "MKT-15",
                f"feeder {feeder} imports too much in interval {t}",
                got=-net_j,
                expected=problem.grid.ext_j.get(feeder, 0),
            )


def _net_flows(totals: Totals) -> Iterator[tuple[int, int, int]]:
    """(interval, feeder, sold less bought) wherever a feeder sells or buys; a trade inside a feeder cancels."""
    for t, sold in totals.sold.items():
        bought = totals.bought.get(t, {})
        for feeder, sold_j in sold.items():
            yield t, feeder, sold_j - bought.get(feeder, 0)
    for t, bought in totals.bought.items():
        sold = totals.sold.get(t, {})
        for feeder, bought_j in bought.items():
            if feeder not in sold:
                yield t, feeder, -bought_j


def consumption_is_within_limits(problem: Problem, totals: Totals) -> None:
    """MKT-16, equation (7): what is bought inside a feeder is at most its internal limit."""
    _within_internal(problem, totals.bought, "MKT-16", "buys")


def production_is_within_limits(problem: Problem, totals: Totals) -> None:
    """MKT-17, equation (8): what is sold inside a feeder is at most its internal limit."""
    _within_internal(problem, totals.sold, "MKT-17", "sells")


def _within_internal(problem: Problem, flow: dict[int, PerFeeder], rule: str, verb: str) -> None:
    limits = problem.grid.int_j
    for t, feeders in flow.items():
        for feeder, energy_j in feeders.items():
            limit = limits.get(feeder)
            if limit is not None and energy_j > limit:
                raise RuleViolation(
                    rule,
                    f"feeder {feeder} {verb} too much inside it in interval {t}",
                    got=energy_j,
                    expected=limit,
                )


def everyone_can_be_matched(totals: Totals) -> None:
    """MKT-18, equations (1)(2): in every interval each purchase can be met by sales at or below its price."""
    for t, entries in totals.book.items():
        entries.sort()
        surplus = 0
        for price, side, energy_j in entries:
            surplus += -energy_j if side else energy_j
            if surplus < 0:
                raise RuleViolation(
                    "MKT-18",
                    f"purchases up to {price} uc/kWh exceed the sales in interval {t}",
                    got=-surplus,
                    expected=0,
                )
        if surplus:
            raise RuleViolation(
                "MKT-18",
                f"sales without a buyer in interval {t}",
                got=surplus,
                expected=0,
            )


def check_feasible(problem: Problem, plan: Plan) -> Totals:
    """All constraints in a stated order; the plan is complete (see ``levelling.complete``).

    Returns:
        The sums of the plan, which later steps need.

    Raises:
        RuleViolation: the first broken rule, MKT-11 to MKT-18.
    """
    classes_are_known(problem, plan)
    sellers_sell_what_they_have(problem, plan)
    buyers_buy_what_they_asked(problem, plan)
    totals = totals_of(plan)
    exports_are_within_limits(problem, totals)
    imports_are_within_limits(problem, totals)
    consumption_is_within_limits(problem, totals)
    production_is_within_limits(problem, totals)
    everyone_can_be_matched(totals)
    return totals


def _name(key: ClassKey) -> str:
    side = "sellers" if key.side == Side.SELL else "buyers"
    return f"{side} of feeder {key.feeder} at {key.price_uc_per_kwh} uc/kWh in {key.ranges}"
