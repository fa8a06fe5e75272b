"""A brute-force market: the published pairwise programme, one variable per seller, buyer and interval.

Shares no code and no type with the product, so that both can only agree by being right. Every quantity is a
whole number of joules; an interval is any whole number. Source: equations (1)-(10) of "The Role of
Blockchains in Multi-Stakeholder Transactive Energy Systems".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import gcd

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

from tests.oracles.simplex import maximise

Row = tuple[dict[int, int], int]
"""A constraint ``sum coefficient * p <= limit``: variable -> coefficient, and the limit."""
Flow = tuple[int, int, int]
"""``(offer, interval, joules)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOffer:
    """One offer: at most ``energy`` joules over ``intervals``, at ``price`` or better."""

    feeder: int
    price: int
    energy: int
    intervals: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairMarket:
    """Sellers, buyers and the limits of their feeders, joules per interval."""

    sells: tuple[PairOffer, ...]
    buys: tuple[PairOffer, ...]
    external: dict[int, int]
    internal: dict[int, int | None]
    expiry_weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """What the staged programme proves: each stage among the plans that are best in the earlier ones."""

    relaxed: Fraction
    """Most energy when joules may be split."""
    energy: int
    """Most whole joules that the relaxation allows: its floor."""
    expiry_cost: int
    """Least ``sum (N * last + t) * x`` with that energy, rounded up to a whole number."""
    welfare: int | None
    """Most ``sum (R_b - R_s) * p`` with that energy and cost, rounded down; None when these are fractional."""


def pairs_of(market: PairMarket) -> list[tuple[int, int, int]]:
    """All (seller, buyer, interval) that equations (1)(2) allow."""
    return [
        (s, b, t)
        for (s, sell), (b, buy) in product(enumerate(market.sells), enumerate(market.buys))
        if sell.price <= buy.price
        for t in sell.intervals
        if t in buy.intervals
    ]


def constraints(market: PairMarket, pairs: Sequence[tuple[int, int, int]]) -> list[Row]:
    """Equations (3)-(8) over the pair variables, every one of the form ``<=``."""
    sells, buys = market.sells, market.buys
    rows: list[Row] = []
    for s, sell in enumerate(sells):  # (3)
        rows.append(({i: 1 for i, pair in enumerate(pairs) if pair[0] == s}, sell.energy))
    for b, buy in enumerate(buys):  # (4)
        rows.append(({i: 1 for i, pair in enumerate(pairs) if pair[1] == b}, buy.energy))
    times = sorted({t for _, _, t in pairs})
    for feeder, t in product(sorted(market.external), times):
        sold = {i for i, pair in enumerate(pairs) if pair[2] == t and sells[pair[0]].feeder == feeder}
        bought = {i for i, pair in enumerate(pairs) if pair[2] == t and buys[pair[1]].feeder == feeder}
        if not sold and not bought:
            continue
        net = {i: (i in sold) - (i in bought) for i in sold ^ bought}
        rows.append((net, market.external[feeder]))  # (5)
        rows.append(({i: -value for i, value in net.items()}, market.external[feeder]))  # (6)
        limit = market.internal[feeder]
        if limit is not None:
            rows.append((dict.fromkeys(bought, 1), limit))  # (7)
            rows.append((dict.fromkeys(sold, 1), limit))  # (8)
    return rows


def stage_objectives(market: PairMarket, pairs: Sequence[tuple[int, int, int]]) -> list[list[int]]:
    """Coefficients, to be maximised: energy, less the expiry cost, welfare."""
    weight = market.expiry_weight
    return [
        [1 for _ in pairs],
        [-(weight * market.sells[s].intervals[-1] + t) for s, _, t in pairs],
        [market.buys[b].price - market.sells[s].price for s, b, _ in pairs],
    ]


def optimum(market: PairMarket) -> Optimum:
    """The staged optimum by HiGHS, its vertices snapped to fractions and checked against every row.

    Solved in lots, the greatest common divisor of energies and limits: small numbers, so that tolerances do not bite.
    """
    pairs = pairs_of(market)
    if not pairs:
        return Optimum(relaxed=Fraction(0), energy=0, expiry_cost=0, welfare=0)
    rows = constraints(market, pairs)
    lot = gcd(*(limit for _, limit in rows)) or 1
    rows = [(row, limit // lot) for row, limit in rows]
    objectives = stage_objectives(market, pairs)
    shift = min(t for _, _, t in pairs) * (market.expiry_weight + 1)
    objectives[1] = [value + shift for value in objectives[1]]  # smaller numbers, the same order
    relaxed = lot * _value(objectives[0], _vertex(objectives[0], rows, []))
    energy = relaxed.numerator // relaxed.denominator
    fixed = [(objectives[0], Fraction(energy, lot))]
    cost = -lot * _value(objectives[1], _vertex(objectives[1], rows, fixed))
    expiry_cost = -(-cost.numerator // cost.denominator)
    welfare = None
    if relaxed.denominator == cost.denominator == 1:
        fixed.append((objectives[1], -Fraction(expiry_cost, lot)))
        best = lot * _value(objectives[2], _vertex(objectives[2], rows, fixed))
        welfare = best.numerator // best.denominator
    return Optimum(relaxed=relaxed, energy=energy, expiry_cost=expiry_cost + shift * energy, welfare=welfare)


def exact_optimum(market: PairMarket) -> Optimum:
    """The same by a rational simplex: no floating point anywhere; for tiny markets."""
    pairs = pairs_of(market)
    rows = constraints(market, pairs)
    objectives = stage_objectives(market, pairs)
    (relaxed,) = maximise([objectives[0]], rows, len(pairs))
    energy = relaxed.numerator // relaxed.denominator
    capped = [*rows, (dict.fromkeys(range(len(pairs)), 1), energy)]
    _, less_cost, best = maximise(objectives, capped, len(pairs))
    whole = relaxed.denominator == less_cost.denominator == 1
    return Optimum(
        relaxed=relaxed,
        energy=energy,
        expiry_cost=-(less_cost.numerator // less_cost.denominator),
        welfare=best.numerator // best.denominator if whole else None,
    )


def whole_optimum(market: PairMarket) -> tuple[int, int]:
    """Energy and expiry cost of the best plan in whole joules, by trying all of them; for the tiniest markets."""
    pairs = pairs_of(market)
    rows = constraints(market, pairs)
    energies, costs, _ = stage_objectives(market, pairs)
    per_variable = [[(r, row[0][i]) for r, row in enumerate(rows) if i in row[0]] for i in range(len(pairs))]
    best = (0, 0)

    def search(i: int, value: tuple[int, int], slack: list[int]) -> None:
        nonlocal best
        if i == len(pairs):
            if min(slack, default=0) >= 0:
                best = max(best, value)
            return
        cap = min(market.sells[pairs[i][0]].energy, market.buys[pairs[i][1]].energy)
        for quantity in range(cap + 1):
            left = list(slack)
            for r, coefficient in per_variable[i]:
                left[r] -= coefficient * quantity
            search(i + 1, (value[0] + energies[i] * quantity, value[1] + costs[i] * quantity), left)

    search(0, best, [limit for _, limit in rows])
    return best[0], -best[1]


def _vertex(
    objective: Sequence[int], rows: Sequence[Row], fixed: Sequence[tuple[Sequence[int], Fraction]]
) -> list[Fraction]:
    entries = [(r, i, value) for r, (row, _) in enumerate(rows) for i, value in row.items()]
    r, i, value = np.array(entries).T
    answer = linprog(
        -np.array(objective, dtype=float),
        A_ub=coo_matrix((value, (r, i)), shape=(len(rows), len(objective))).tocsr(),
        b_ub=[limit for _, limit in rows],
        A_eq=np.array([coefficients for coefficients, _ in fixed]) if fixed else None,
        b_eq=[float(target) for _, target in fixed] if fixed else None,
        method="highs-ds",
    )
    if answer.status != 0:
        raise ArithmeticError(f"HiGHS found no optimum: {answer.message}")
    finest = 60 * max([target.denominator for _, target in fixed], default=1)
    vertex = [Fraction(float(value)).limit_denominator(finest) for value in answer.x]
    for row, limit in rows:
        if sum(coefficient * vertex[j] for j, coefficient in row.items()) > limit:
            raise ArithmeticError("the vertex of HiGHS is not a small fraction: snapping broke a constraint")
    for coefficients, target in fixed:
        if _value(coefficients, vertex) != target:
            raise ArithmeticError("the vertex of HiGHS misses the value of an earlier stage")
    return vertex


def _value(objective: Sequence[int], vertex: Sequence[Fraction]) -> Fraction:
    return sum(
        (coefficient * value for coefficient, value in zip(objective, vertex, strict=True)), Fraction(0)
    )


def violations(market: PairMarket, sold: Sequence[Flow], bought: Sequence[Flow]) -> list[str]:
    """Every constraint that per-offer flows break, in words; empty means feasible in whole joules.

    That pair variables exist for the flows is decided by searching for them, not by comparing sums of prices.
    """
    found: list[str] = []
    for name, offers, flows in (("seller", market.sells, sold), ("buyer", market.buys, bought)):
        if len({(i, t) for i, t, _ in flows}) != len(flows):
            found.append(f"two entries of one {name} and interval")
        for i, t, joules in flows:
            if not 0 <= i < len(offers) or t not in offers[i].intervals or joules <= 0:
                found.append(f"{name} {i} cannot trade {joules} J in interval {t}")
                return found
        for i, offer in enumerate(offers):
            if sum(joules for j, _, joules in flows if j == i) > offer.energy:
                found.append(f"{name} {i} trades more than it offers")
    for t in sorted({t for _, t, _ in (*sold, *bought)}):
        now_sold = {i: joules for i, u, joules in sold if u == t}
        now_bought = {i: joules for i, u, joules in bought if u == t}
        found += [f"{text} in interval {t}" for text in _limits_broken(market, now_sold, now_bought)]
        if not _matchable(market, now_sold, now_bought):
            found.append(f"no pairs realise the trades of interval {t}")
    return found


def _limits_broken(market: PairMarket, sold: dict[int, int], bought: dict[int, int]) -> list[str]:
    found = []
    for feeder in market.external:
        out = sum(joules for i, joules in sold.items() if market.sells[i].feeder == feeder)
        into = sum(joules for i, joules in bought.items() if market.buys[i].feeder == feeder)
        limit = market.internal[feeder]
        if out - into > market.external[feeder]:
            found.append(f"feeder {feeder} exports too much")
        if into - out > market.external[feeder]:
            found.append(f"feeder {feeder} imports too much")
        if limit is not None and into > limit:
            found.append(f"feeder {feeder} consumes too much")
        if limit is not None and out > limit:
            found.append(f"feeder {feeder} produces too much")
    return found


def _matchable(market: PairMarket, sold: dict[int, int], bought: dict[int, int]) -> bool:
    """Whether some p >= 0 on acceptable pairs has these totals: augmenting paths in the bipartite graph."""
    if sum(sold.values()) != sum(bought.values()):
        return False
    pairing: dict[tuple[int, int], int] = {}
    for seller, joules in sold.items():
        left = joules
        while left:
            path = _augmenting_path(market, seller, sold, bought, pairing)
            if path is None:
                return False
            room = bought[path[-1]] - sum(q for (_, b), q in pairing.items() if b == path[-1])
            step = min(left, room, *(pairing[path[k + 1], path[k]] for k in range(1, len(path) - 2, 2)))
            for k in range(0, len(path) - 1, 2):
                pairing[path[k], path[k + 1]] = pairing.get((path[k], path[k + 1]), 0) + step
                if k + 2 < len(path):
                    pairing[path[k + 2], path[k + 1]] -= step
            left -= step
    return True


def _augmenting_path(
    market: PairMarket,
    seller: int,
    sold: dict[int, int],
    bought: dict[int, int],
    pairing: dict[tuple[int, int], int],
) -> list[int] | None:
    """Seller, buyer, seller, buyer, ... up to a buyer with room; None when there is none."""
    paths = [[seller]]
    reached = set()
    while paths:
        path = paths.pop(0)
        for buyer, wanted in bought.items():
            if buyer in reached or market.sells[path[-1]].price > market.buys[buyer].price:
                continue
            reached.add(buyer)
            if sum(q for (_, b), q in pairing.items() if b == buyer) < wanted:
                return [*path, buyer]
            paths += [
                [*path, buyer, other]
                for other in sold
                if pairing.get((other, buyer), 0) and other not in path[::2]
            ]
    return None
