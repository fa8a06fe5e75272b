"""What everybody derives from a plan (purchases, shares, money, kept plans), held to the oracle, and broken on purpose.

One check, `agrees`, walks random markets from the first interval to the last; each row of `MUTANTS` breaks
one line of one module and must make it disagree.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from random import Random
from typing import Any

import pytest

from light_client.rules.errors import RuleViolation
from light_client.rules.market.offer import OpenOffer
from tests.light_client.rules.market.mutants import REAL, Verifier, broken
from tests.oracles.certifier import Answer, NoWholeAnswer, answer
from tests.oracles.fairness import pro_rata, unit_prices, water_level
from tests.oracles.pairwise import Optimum, PairMarket, optimum, violations
from tests.oracles.translate import (
    class_flows,
    class_market,
    first_interval_of,
    grid_of,
    open_offers,
    params_of,
    problem_from,
    solution_of,
)
from tests.property.markets import random_market

SEEDS = range(60)


def agrees(verifier: Verifier) -> bool:
    """Whether the verifier accepts honest answers, values them right, and derives what the oracle derives."""
    try:
        parts = (_levels_agree, _bounds_agree, _money_agrees, _day_agrees)
        return all(part(verifier, seed) for part in parts for seed in SEEDS)
    except (RuleViolation, LookupError, ArithmeticError, ValueError, TypeError):
        return False


def _day_agrees(verifier: Verifier, seed: int) -> bool:
    """Judge an honest answer, then live from its plan alone until nothing is left of it."""
    offers, params, grid = (
        open_offers(_market(seed)),
        params_of(_market(seed), welfare=True),
        grid_of(_market(seed)),
    )
    first = first_interval_of(_market(seed))
    problem = verifier.problem.problem_of(offers, first_interval=first, params=params, grid=grid)
    best, honest = _optimum_and_answer(seed)
    if problem.two_sided != _two_sided(_market(seed)):
        return False
    if not problem.two_sided or honest is None:
        return True
    judged = verifier.accepts(problem, solution_of(problem, honest).to_wire())
    good = bool(judged.values == (best.energy, -best.expiry_cost, best.welfare))
    plan = judged.plan
    while good and problem.two_sided:
        trades = {trade.offer_id: trade for trade in verifier.clearing.final_trades(problem, plan)}
        good = not violations(class_market(problem), *class_flows(problem, plan))
        good = good and _shares_agree(problem, plan, trades)
        later = {t: q for t, q in _sold(problem, plan).items() if t > first}
        offers = [_after(offer, trades.get(offer.offer_id)) for offer in offers]
        offers = [offer for offer in offers if offer.remaining_j]
        first += 1
        problem = verifier.problem.problem_of(offers, first_interval=first, params=params, grid=grid)
        plan = verifier.levelling.complete(problem, verifier.clearing.kept_plan(problem, plan))
        good = good and _sold(problem, plan) == later
    return good


@cache
def _optimum_and_answer(seed: int) -> tuple[Optimum, Answer | None]:
    """The oracle's word on a market and an honest answer, where one exists in whole joules."""
    market = class_market(problem_from(_market(seed)))
    try:
        return optimum(market), answer(market, objectives=3)
    except NoWholeAnswer:
        return optimum(market), None


def _market(seed: int) -> PairMarket:
    return random_market(seed, unit=(1, 12)[seed % 2])


def _two_sided(market: PairMarket) -> set[int]:
    return {t for offer in market.sells for t in offer.intervals} & {
        t for offer in market.buys for t in offer.intervals
    }


def _sold(problem: Any, plan: Any) -> dict[int, int]:
    sold, _ = class_flows(problem, plan)
    return {t: sum(q for _, u, q in sold if u == t) for _, t, _ in sold}


def _after(offer: OpenOffer, trade: Any) -> OpenOffer:
    return offer._replace(remaining_j=offer.remaining_j - (trade.energy_j if trade else 0))


def _shares_agree(problem: Any, plan: Any, trades: dict[int, Any]) -> bool:
    for cls, listed in problem.shares.items():
        members = sorted(listed)
        total = dict(plan.flows.get(cls, ())).get(problem.first_interval, 0)
        split = pro_rata([energy for _, energy in members], total)
        if split != [trades[number].energy_j if number in trades else 0 for number, _ in members]:
            return False
    return len(trades) == sum(1 for trade in trades.values() if trade.energy_j)


def _levels_agree(verifier: Verifier, seed: int) -> bool:
    random = Random(seed)
    entries = []
    for _ in range(random.randint(1, 5)):
        demand = random.randint(1, 30)
        low, high = sorted((random.randint(0, demand), random.randint(0, demand)))
        entries.append((demand, random.choice((0, low)), random.choice((demand, high))))
    needed = random.randint(sum(low for _, low, _ in entries), sum(high for *_, high in entries))
    demands = [
        verifier.levelling.Demand(feeder=feeder, demand=demand, low=low, high=high)
        for feeder, (demand, low, high) in enumerate(entries)
    ]
    served = verifier.levelling.level(demands, needed)
    exact = water_level(entries, needed)
    return sum(served.values()) == needed and all(abs(served[f] - level) < 1 for f, level in enumerate(exact))


def _bounds_agree(verifier: Verifier, seed: int) -> bool:
    """Bounds of the levelling are the ends of the purchases that the limits leave, found by trying them all."""
    random = Random(seed)
    market = random_market(seed, uniform=True, unit=1)
    problem = problem_from(market)
    t = random.choice(sorted({t for offer in market.buys for t in offer.intervals}))
    sold = {feeder: random.randint(0, 9) for feeder in market.external if random.random() < 0.6}
    taken = {feeder: random.randint(0, 9) for feeder in market.external if random.random() < 0.6}
    bounds = {entry.feeder: entry for entry in verifier.levelling.demands_at(problem, t, sold, taken)}
    for feeder, external in market.external.items():
        demand = sum(b.energy for b in market.buys if b.feeder == feeder and b.intervals == (t,))
        surplus, inside = sold.get(feeder, 0) - taken.get(feeder, 0), market.internal[feeder]
        possible = [
            y
            for y in range(demand + 1)
            if abs(surplus - y) <= external and (inside is None or taken.get(feeder, 0) + y <= inside)
        ]
        entry = bounds.get(feeder)
        if entry is None:
            if demand or sold.get(feeder) or taken.get(feeder):
                return False
        elif not possible:
            if entry.low <= entry.high:
                return False
        elif (entry.demand, entry.low, entry.high) != (demand, possible[0], possible[-1]):
            return False
    return True


def _money_agrees(verifier: Verifier, seed: int) -> bool:
    random, unit = Random(seed), 1_000_000
    pairs = [
        (*sorted((random.randint(0, 20), random.randint(0, 20))), random.randint(1, 4)) for _ in range(6)
    ]
    numbers = random.sample(range(40), 12)
    fill = verifier.settlement.Fill
    sides = (
        [fill(numbers[i], 0, low, q * unit) for i, (low, _, q) in enumerate(pairs)],
        [fill(numbers[6 + i], 1, high, q * unit) for i, (_, high, q) in enumerate(pairs)],
    )
    lots = [[(entry.price_uc_per_kwh, entry.energy_j // unit) for entry in side] for side in sides]
    totals = []
    for side, values, prices in zip(
        sides, verifier.settlement.group_values(*sides), unit_prices(*lots), strict=True
    ):
        money = verifier.settlement.amounts(side, values)
        exact = {e.offer_id: prices[e.price_uc_per_kwh] * Fraction(e.energy_j, 3_600_000) for e in side}
        if any(abs(money[number] - due) >= 1 for number, due in exact.items()):
            return False
        totals.append(sum(money.values()))
    return bool(totals[0] == totals[1])


MUTANTS = {
    "each share is rounded by itself": (
        "shares",
        "prefix * total // whole",
        "given + weight * total // whole",
    ),
    "shares round up": ("shares", "prefix * total // whole", "-(-prefix * total // whole)"),
    "the last member takes the rest first": ("shares", "prefix += weight", "prefix = max(prefix, weight)"),
    "members share equally": ("clearing", "[energy_j for _, energy_j in members]", "[1 for _ in members]"),
    "every interval is final": ("clearing", "if entries[0][0] != t:", "if False:"),
    "offers without energy trade": ("clearing", "if energy_j:", "if True:"),
    "a kept plan states everything": (
        "clearing",
        "stated(problem, plan.without(problem.first_interval - 1))",
        "plan.without(problem.first_interval - 1)",
    ),
    "a kept plan forgets": (
        "clearing",
        "plan.without(problem.first_interval - 1)",
        "plan.without(problem.first_interval)",
    ),
    "classes that become equal overwrite each other": ("plan", "later.get(t, 0) + energy_j", "energy_j"),
    "a final interval stays in the plan": ("plan", "if t > interval:", "if t >= interval:"),
    "classes are not cut": ("plan", "cut_before(key.ranges, interval + 1)", "key.ranges"),
    "feeders rise by the same joules": (
        "levelling",
        "[entry.demand for entry in chosen]",
        "[1 for entry in chosen]",
    ),
    "nobody must buy": ("levelling", "result = {entry.feeder: entry.low", "result = {entry.feeder: 0"),
    "full feeders fall back": (
        "levelling",
        "rising is None or entry.feeder in rising.full",
        "rising is None",
    ),
    "exports force no purchases": ("levelling", "low=max(0, surplus - ext_j)", "low=0"),
    "imports have no limit": ("levelling", "high = min(demand, surplus + ext_j)", "high = demand"),
    "purchases inside have no limit": ("levelling", "if int_j is not None:", "if False:"),
    "flexible purchases do not count inside": ("levelling", "int_j - taken.get(feeder, 0)", "int_j"),
    "flexible purchases do not count": (
        "levelling",
        "surplus = sold.get(feeder, 0) - taken.get(feeder, 0)",
        "surplus = sold.get(feeder, 0)",
    ),
    "dear sellers are paired first": (
        "settlement",
        "iter(sorted(sellers.items()))",
        "iter(sorted(sellers.items(), reverse=True))",
    ),
    "everyone pays the seller's price": (
        "settlement",
        "quantity * (price_s + price_b)",
        "quantity * (price_s + price_s)",
    ),
    "numbers decide the order of payment": (
        "settlement",
        "(fill.price_uc_per_kwh, fill.offer_id)",
        "(fill.offer_id, fill.price_uc_per_kwh)",
    ),
    "each payment is rounded by itself": (
        "settlement",
        "paid = upto",
        "paid = value_before * group_j // (group_j * HALF_UNITS_PER_UC)",
    ),
    "groups add nothing up": ("settlement", "done += fill.energy_j", "done = fill.energy_j"),
    "a gap counts as one interval": ("problem", "if first == ranges[-1][1]:", "if first == ranges[0][1]:"),
    "nothing is two-sided": (
        "problem",
        "object.__setattr__(self, 'two_sided', frozenset(both))",
        "object.__setattr__(self, 'two_sided', frozenset())",
    ),
    "offers that ended still count": ("problem", "left[-1][1] < first_interval", "False"),
    "members are not in order": (
        "problem",
        "entries.sort()",
        "entries.sort(reverse=True)",
    ),
    "a class is its largest offer": (
        "problem",
        "sum([energy_j for _, energy_j in entries])",
        "max([energy_j for _, energy_j in entries])",
    ),
    "the objective counts purchases": ("objective", "key.side == Side.SELL for _, q", "True for _, q"),
    "the interval does not break ties": ("objective", "(expiry + t) * q", "expiry * q"),
    "expiry does not break ties": ("objective", "expiry = expiry_weight * key.last", "expiry = 0"),
    "welfare counts sellers alike": ("objective", "1 if key.side else -1", "1"),
}
"""What is broken: the module, the text, and what replaces it."""


def test_the_real_rules_agree_with_the_oracle() -> None:
    assert agrees(REAL)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_derivation_disagrees(name: str) -> None:
    module, old, new = MUTANTS[name]
    assert not agrees(broken(module, (old, new)))
