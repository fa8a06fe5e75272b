"""An independent solver and prover: the aggregated programme by HiGHS, its duals rounded to whole-number certificates.

Written against the theorem of the clearing notes, not against the product's code. It serves tests in two
ways: its answers are honest solutions to be accepted, and its `bound` is a second opinion on what a
certificate proves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, vstack

from tests.oracles.pairwise import Flow, PairMarket, PairOffer

SCALES = (1, 2, 3, 4, 6, 12, 60)
"""Scales tried for a certificate, smallest first."""

Sparse = dict[int, dict[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A certificate in plain numbers."""

    weights: tuple[int, ...]
    schedules: dict[int, tuple[tuple[int, ...], tuple[int, ...]]]
    net: Sparse
    production: Sparse
    consumption: Sparse


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A plan of whole joules, its objective values (all to be maximised) and one proof per objective."""

    sold: tuple[Flow, ...]
    bought: tuple[Flow, ...]
    values: tuple[int, ...]
    proofs: tuple[Proof, ...]


class NoWholeAnswer(Exception):
    """The optimum, a vertex or its duals are not whole at any scale tried."""


class _Programme:
    """Variables x[s,t] then y[b,t] over two-sided intervals, and named rows of the form ``<=``."""

    def __init__(self, market: PairMarket) -> None:
        self.market = market
        both = {t for s in market.sells for t in s.intervals} & {t for b in market.buys for t in b.intervals}
        self.times = sorted(both)
        self.x = [(s, t) for s, offer in enumerate(market.sells) for t in offer.intervals if t in both]
        cheapest = {t: min(market.sells[s].price for s, u in self.x if u == t) for t in both}
        self.y = [
            (b, t)
            for b, offer in enumerate(market.buys)
            for t in offer.intervals
            if t in both and offer.price >= cheapest[t]
        ]
        self.names: list[tuple[Any, ...]] = []
        self.limits: list[int] = []
        self.rows: list[dict[int, int]] = []
        self._build()

    def _add(
        self, name: tuple[Any, ...], sold: set[int], bought: set[int], signs: tuple[int, int], limit: int
    ) -> None:
        offset = len(self.x)
        row = dict.fromkeys(sold, signs[0]) | {offset + i: signs[1] for i in bought}
        if row:
            self.names.append(name)
            self.limits.append(limit)
            self.rows.append(row)

    def _build(self) -> None:
        market = self.market
        for s, offer in enumerate(market.sells):
            self._add(
                ("seller", s), {i for i, v in enumerate(self.x) if v[0] == s}, set(), (1, 0), offer.energy
            )
        for b, offer in enumerate(market.buys):
            self._add(
                ("buyer", b), set(), {i for i, v in enumerate(self.y) if v[0] == b}, (0, 1), offer.energy
            )
        for t in self.times:
            for feeder in market.external:
                self._feeder_rows(feeder, t)
            self._level_rows(t)

    def _level_rows(self, t: int) -> None:
        """Purchases below the next seller's price are at most the sales up to this one; in the end all is bought."""
        market = self.market
        prices = sorted({market.sells[s].price for s, u in self.x if u == t})
        for price, above in zip(prices, [*prices[1:], None], strict=True):
            sold = {i for i, (s, u) in enumerate(self.x) if u == t and market.sells[s].price <= price}
            bought = {
                i
                for i, (b, u) in enumerate(self.y)
                if u == t and (above is None or market.buys[b].price < above)
            }
            self._add(("level", t, price), sold, bought, (-1, 1), 0)
            if above is None:
                self._add(("sold out", t), sold, bought, (1, -1), 0)

    def _feeder_rows(self, feeder: int, t: int) -> None:
        market = self.market
        sold = {i for i, (s, u) in enumerate(self.x) if u == t and market.sells[s].feeder == feeder}
        bought = {i for i, (b, u) in enumerate(self.y) if u == t and market.buys[b].feeder == feeder}
        self._add(("out", t, feeder), sold, bought, (1, -1), market.external[feeder])
        self._add(("in", t, feeder), sold, bought, (-1, 1), market.external[feeder])
        limit = market.internal[feeder]
        if limit is not None:
            self._add(("production", t, feeder), sold, set(), (1, 0), limit)
            self._add(("consumption", t, feeder), set(), bought, (0, 1), limit)

    def matrix(self) -> csr_matrix:
        entries = [(r, i, value) for r, row in enumerate(self.rows) for i, value in row.items()]
        r, i, value = np.array(entries).T
        return csr_matrix((value, (r, i)), shape=(len(self.rows), len(self.x) + len(self.y)))

    def objectives(self, count: int) -> list[list[int]]:
        """Energy, less the expiry cost (counted from the first interval on), welfare."""
        market, origin = self.market, self.times[0]
        weight = market.expiry_weight
        less_cost = [-(weight * (market.sells[s].intervals[-1] - origin) + t - origin) for s, t in self.x]
        welfare = [-market.sells[s].price for s, _ in self.x] + [market.buys[b].price for b, _ in self.y]
        padding = [0] * len(self.y)
        return [[1] * len(self.x) + padding, less_cost + padding, welfare][:count]


def answer(market: PairMarket, *, objectives: int = 2) -> Answer:
    """Solve and prove ``market``.

    Raises:
        NoWholeAnswer: where joules or duals would have to be split.
    """
    programme = _Programme(market)
    if not programme.times:
        return Answer(
            sold=(),
            bought=(),
            values=(0,) * objectives,
            proofs=tuple(_empty_proof(stage) for stage in range(1, objectives + 1)),
        )
    matrix = programme.matrix()
    goals = programme.objectives(objectives)
    origin_cost = (market.expiry_weight + 1) * programme.times[0]
    relative: list[int] = []
    proofs: list[Proof] = []
    solution = np.zeros(0)
    for goal in goals:
        result = linprog(
            -np.array(goal, dtype=float),
            A_ub=matrix,
            b_ub=programme.limits,
            A_eq=vstack([csr_matrix(earlier) for earlier in goals[: len(relative)]]) if relative else None,
            b_eq=relative or None,
            method="highs-ds",
        )
        if result.status != 0:
            raise NoWholeAnswer(result.message)
        solution = result.x
        value = _floor(-result.fun)
        proofs.append(_proof(programme, result, relative, value, origin_cost))
        relative.append(value)
    joules = [round(float(value)) for value in solution]
    if max(abs(solution - joules)) > 1e-6 or any(
        sum(c * q for c, q in zip(goal, joules, strict=True)) != value
        for goal, value in zip(goals, relative, strict=True)
    ):
        raise NoWholeAnswer("the vertex is not whole")
    values = [relative[0], *(value - origin_cost * relative[0] for value in relative[1:2]), *relative[2:]]
    count = len(programme.x)
    return Answer(
        sold=tuple((s, t, q) for (s, t), q in zip(programme.x, joules[:count], strict=True) if q),
        bought=tuple((b, t, q) for (b, t), q in zip(programme.y, joules[count:], strict=True) if q),
        values=tuple(values),
        proofs=tuple(proofs),
    )


def _floor(value: float) -> int:
    return int(np.floor(value + 1e-6))


def _empty_proof(weights: int) -> Proof:
    return Proof(weights=(0,) * (weights - 1) + (1,), schedules={}, net={}, production={}, consumption={})


def _proof(
    programme: _Programme, result: Any, relative: Sequence[int], value: int, origin_cost: int
) -> Proof:
    """Round the duals at the smallest scale that proves ``value``."""
    duals = -np.asarray(result.ineqlin.marginals)
    earlier = np.asarray(result.eqlin.marginals) if relative else np.zeros(0)
    for scale in SCALES:
        whole = [round(float(dual) * scale) for dual in duals]
        weights = [round(float(dual) * scale) for dual in earlier] + [scale]
        if len(weights) >= 2:  # from costs counted since the first interval to costs of absolute intervals
            weights[0] += weights[1] * origin_cost
        proof = _multipliers(programme, whole, tuple(weights))
        values = list(relative)
        if len(values) >= 2:
            values[1] -= origin_cost * values[0]
        target = value - origin_cost * relative[0] if len(relative) == 1 else value
        known = sum(weight * earned for weight, earned in zip(weights[:-1], values, strict=True))
        if (bound(programme.market, proof) - known) // scale == target:
            return proof
    raise NoWholeAnswer("no scale proves the value")


def _multipliers(programme: _Programme, duals: list[int], weights: tuple[int, ...]) -> Proof:
    net: Sparse = {}
    production: Sparse = {}
    consumption: Sparse = {}
    levels: dict[int, dict[int, int]] = {t: {} for t in programme.times}
    closing: dict[int, int] = {}
    for (kind, *where), dual in zip(programme.names, duals, strict=True):
        if kind == "level":
            levels[where[0]][where[1]] = dual
        elif kind == "sold out":
            closing[where[0]] = dual
        elif kind not in ("seller", "buyer") and dual:
            part = {"production": production, "consumption": consumption}.get(kind, net)
            feeders = part.setdefault(where[0], {})
            feeders[where[1]] = feeders.get(where[1], 0) + (-dual if kind == "in" else dual)
    net = {t: {f: v for f, v in feeders.items() if v} for t, feeders in net.items() if any(feeders.values())}
    schedules = {}
    for t, duals_of in levels.items():
        value = closing.get(t, 0)
        steps: list[tuple[int, int]] = []
        for price in sorted(duals_of, reverse=True):
            value -= duals_of[price]
            steps.insert(0, (price, value))
        schedules[t] = (tuple(price for price, _ in steps), tuple(value for _, value in steps))
    return Proof(
        weights=weights, schedules=schedules, net=net, production=production, consumption=consumption
    )


def bound(market: PairMarket, proof: Proof) -> int:
    """The right-hand side of the weak-duality theorem, term by term as it is written."""
    both = {t for s in market.sells for t in s.intervals} & {t for b in market.buys for t in b.intervals}
    sellers = sum(s.energy * max([0, *_seller_gains(market, proof, s, both)]) for s in market.sells)
    buyers = sum(b.energy * max([0, *_buyer_gains(proof, b, both)]) for b in market.buys)
    limits = sum(market.external[f] * abs(v) for feeders in proof.net.values() for f, v in feeders.items())
    for part in (proof.production, proof.consumption):
        for feeders in part.values():
            limits += sum((market.internal[f] or 0) * v for f, v in feeders.items())
    return sellers + buyers + limits


def _seller_gains(market: PairMarket, proof: Proof, offer: PairOffer, both: set[int]) -> list[int]:
    energy, expiry, welfare = (*proof.weights, 0, 0)[:3]
    gains = []
    for t in both.intersection(offer.intervals):
        w = _schedule(proof, t, offer.price)
        if w is None:
            raise ValueError(f"the schedule of interval {t} starts above a seller")
        weight = energy - expiry * (market.expiry_weight * offer.intervals[-1] + t) - welfare * offer.price
        g, a = (part.get(t, {}).get(offer.feeder, 0) for part in (proof.net, proof.production))
        gains.append(weight - w - g - a)
    return gains


def _buyer_gains(proof: Proof, offer: PairOffer, both: set[int]) -> list[int]:
    *_, welfare = (*proof.weights, 0, 0)[:3]
    gains = []
    for t in both.intersection(offer.intervals):
        w = _schedule(proof, t, offer.price)
        if w is not None:
            g, c = (part.get(t, {}).get(offer.feeder, 0) for part in (proof.net, proof.consumption))
            gains.append(welfare * offer.price + w + g - c)
    return gains


def _schedule(proof: Proof, t: int, price: int) -> int | None:
    """The step that a price has reached; None stands for minus infinity."""
    reached = [v for p, v in zip(*proof.schedules[t], strict=True) if p <= price]
    return reached[-1] if reached else None
