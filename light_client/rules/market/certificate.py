"""Certificates: whole-number dual prices from which anyone derives a bound that no feasible plan exceeds.

Theorem (weak duality). Let a weighted objective give ``v[s,t]`` per joule sold and ``h[b,t]`` per joule bought. For
ANY non-decreasing step functions ``w[t](price)`` and integers ``g[f,t]``, ``a[f,t] >= 0``, ``c[f,t] >= 0`` every
feasible plan has

    value <= sum_s E_s * max(0, max_t (v[s,t] - w[t](R_s) - g[f,t] - a[f,t]))
           + sum_b E_b * max(0, max_t (h[b,t] + w[t](R_b) + g[f,t] - c[f,t]))
           + sum_{f,t} (C_ext[f] * |g[f,t]| + C_int[f] * (a[f,t] + c[f,t]))

over two-sided intervals t: matching makes ``sum x*w(R_s) <= sum y*w(R_b)``, the limits bound the g, a, c terms, and
(3)(4) bound each offer by its best interval. So a forged certificate can only loosen the bound, and rounding one is
safe.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from light_client.rules.errors import RuleViolation
from light_client.rules.market.intervals import members
from light_client.rules.market.params import Objective
from light_client.rules.market.problem import Problem
from light_client.rules.units import MAX_PRICE_UC_PER_KWH, Side

MAX_MULTIPLIER = 1 << 62
"""Largest absolute value of any number in a certificate, so that no peer can send huge integers."""

Steps = tuple[tuple[int, ...], tuple[int, ...]]
"""A price schedule: prices strictly ascending, values non-decreasing; below the first price it is minus infinity."""
Sparse = dict[int, dict[int, int]]
"""Interval -> feeder -> multiplier; what is absent is 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Dual prices for one objective, given the values of the more important ones."""

    weights: tuple[int, ...]
    """Multipliers of the more important objectives (any sign), then the scale of this one (at least 1)."""
    schedules: dict[int, Steps]
    """Interval -> price schedule; every two-sided interval has one."""
    net: Sparse
    """g: multipliers of the net flow of a feeder, any sign."""
    production: Sparse
    """a: multipliers of what is sold inside a feeder, not negative."""
    consumption: Sparse
    """c: multipliers of what is bought inside a feeder, not negative."""

    def to_wire(self, first_interval: int) -> tuple[Any, ...]:
        """Canonical form, intervals relative to ``first_interval``."""
        schedules = tuple((t - first_interval, *self.schedules[t]) for t in sorted(self.schedules))
        sparse = tuple(
            _sparse_to_wire(part, first_interval) for part in (self.net, self.production, self.consumption)
        )
        return (self.weights, schedules, *sparse)


def _sparse_to_wire(part: Sparse, base: int) -> tuple[tuple[int, int, int], ...]:
    return tuple((t - base, feeder, part[t][feeder]) for t in sorted(part) for feeder in sorted(part[t]))


def certificate_from_wire(wire: Any, first_interval: int) -> Certificate:
    """Read the canonical form back and check its shape.

    Raises:
        RuleViolation: MKT-20 for any other shape, order, sign or size than the rules allow.
    """
    if type(wire) is not tuple or len(wire) != 5:
        raise RuleViolation("MKT-20", "a certificate has five parts", got=wire, expected="5 parts")
    weights, rows, *parts = wire
    weights = _whole_numbers(weights)
    if not 1 <= len(weights) <= len(Objective) or weights[-1] < 1:
        raise RuleViolation(
            "MKT-20",
            "weights of a certificate",
            got=weights,
            expected="1..3 numbers, the last positive",
        )
    if type(rows) is not tuple:
        raise RuleViolation("MKT-20", "schedules of a certificate", got=rows, expected="rows")
    schedules: dict[int, Steps] = {}
    previous = -1
    for row in rows:
        if type(row) is not tuple or len(row) != 3 or _whole_numbers(row[:1])[0] <= previous:
            expected = "ascending (interval, prices, values)"
            raise RuleViolation("MKT-20", "a schedule of a certificate", got=row, expected=expected)
        previous = row[0]
        prices, values = _whole_numbers(row[1]), _whole_numbers(row[2])
        steps_are_monotone(prices, values)
        schedules[first_interval + previous] = (prices, values)
    net, production, consumption = (_sparse_from_wire(part, first_interval) for part in parts)
    certificate = Certificate(
        weights=weights,
        schedules=schedules,
        net=net,
        production=production,
        consumption=consumption,
    )
    multipliers_are_not_negative(certificate)
    return certificate


def _sparse_from_wire(rows: Any, base: int) -> Sparse:
    if type(rows) is not tuple:
        raise RuleViolation("MKT-20", "multipliers of a certificate", got=rows, expected="rows")
    part: Sparse = {}
    previous = (-1, -1)
    for row in rows:
        offset, feeder, value = _whole_numbers(row) if type(row) is tuple and len(row) == 3 else (-1, -1, 0)
        if (offset, feeder) <= previous or offset < 0 or feeder < 0 or value == 0:
            raise RuleViolation(
                "MKT-20",
                "a multiplier of a certificate",
                got=row,
                expected="ascending (interval, feeder, not 0)",
            )
        previous = (offset, feeder)
        part.setdefault(base + offset, {})[feeder] = value
    return part


def _whole_numbers(values: Any) -> tuple[int, ...]:
    if type(values) is tuple:
        for value in values:
            if type(value) is not int or not -MAX_MULTIPLIER < value < MAX_MULTIPLIER:
                break
        else:
            return values
    expected = f"|number| < {MAX_MULTIPLIER}"
    raise RuleViolation("MKT-20", "whole numbers of a certificate", got=values, expected=expected)


def steps_are_monotone(prices: tuple[int, ...], values: tuple[int, ...]) -> None:
    """MKT-21: a schedule has as many prices as values, prices strictly ascend, values never fall.

    A falling step would break ``w(R_s) <= w(R_b)`` and forge a bound.
    """
    if not prices or len(prices) != len(values) or prices[0] < 0 or prices[-1] > MAX_PRICE_UC_PER_KWH:
        raise RuleViolation(
            "MKT-21",
            "prices of a schedule",
            got=(len(prices), len(values)),
            expected="as many as values",
        )
    for left, right in pairwise(prices):
        if left >= right:
            raise RuleViolation(
                "MKT-21",
                "prices of a schedule are not ascending",
                got=right,
                expected=f"above {left}",
            )
    for left, right in pairwise(values):
        if left > right:
            raise RuleViolation(
                "MKT-21",
                "values of a schedule fall",
                got=right,
                expected=f"at least {left}",
            )


def multipliers_are_not_negative(certificate: Certificate) -> None:
    """MKT-22: multipliers of the internal limits are not negative."""
    for part in (certificate.production, certificate.consumption):
        for t, feeders in part.items():
            for feeder, value in feeders.items():
                if value < 0:
                    raise RuleViolation(
                        "MKT-22",
                        f"negative multiplier of feeder {feeder} in interval {t}",
                        got=value,
                        expected=0,
                    )


def schedules_cover(problem: Problem, certificate: Certificate) -> None:
    """MKT-23: every two-sided interval has a schedule."""
    for t in problem.two_sided:
        if t not in certificate.schedules:
            raise RuleViolation(
                "MKT-23",
                "no price schedule for a two-sided interval",
                got=None,
                expected=t,
            )


def limits_bound(problem: Problem, certificate: Certificate) -> int:
    """The last sum of the theorem: what the limits contribute to the bound.

    Raises:
        RuleViolation: MKT-24 for a multiplier of an unknown feeder or of a limit that is not set.
    """
    ext_j, int_j = problem.grid.ext_j, problem.grid.int_j
    total = 0
    for t, feeders in certificate.net.items():
        for feeder, value in feeders.items():
            if feeder not in ext_j:
                raise RuleViolation(
                    "MKT-24",
                    f"multiplier of an unknown feeder in interval {t}",
                    got=feeder,
                    expected="a feeder",
                )
            total += ext_j[feeder] * abs(value)
    for part in (certificate.production, certificate.consumption):
        for t, feeders in part.items():
            for feeder, value in feeders.items():
                limit = int_j.get(feeder)
                if limit is None:
                    raise RuleViolation(
                        "MKT-24",
                        f"multiplier without an internal limit in interval {t}",
                        got=feeder,
                        expected="a limit",
                    )
                total += limit * value
    return total


def bound(problem: Problem, certificate: Certificate) -> int:
    """The bound of the theorem for the weighted objective of this certificate.

    Args:
        problem: derived by the caller from its own state.
        certificate: of any origin, its shape already checked.

    Raises:
        RuleViolation: MKT-23, MKT-24, or MKT-25 when a schedule is minus infinity at the price of a seller.
    """
    schedules_cover(problem, certificate)
    weight_of = dict(zip(problem.params.objectives, certificate.weights, strict=False))
    energy_weight = weight_of.get(Objective.ENERGY, 0)
    expiry_scale = weight_of.get(Objective.EXPIRY, 0)
    welfare_weight = weight_of.get(Objective.WELFARE, 0)
    total = limits_bound(problem, certificate)
    for t in problem.two_sided:
        spot_weight = energy_weight - expiry_scale * (problem.params.expiry_weight + 1) * t
        total += _spot_sellers(problem, certificate, t, spot_weight, welfare_weight)
        total += _spot_buyers(problem, certificate, t, welfare_weight)
    total += _flexible_sellers(problem, certificate, energy_weight, expiry_scale, welfare_weight)
    return total + _flexible_buyers(problem, certificate, welfare_weight)


def _spot_sellers(
    problem: Problem, certificate: Certificate, t: int, weight: int, welfare_weight: int
) -> int:
    prices, values = certificate.schedules[t]
    g, a = certificate.net.get(t, _NONE), certificate.production.get(t, _NONE)
    total = 0
    for feeder, price, energy_j in problem.spot[Side.SELL].get(t, ()):
        step = bisect_right(prices, price) - 1
        if step < 0:
            raise _below_schedule(t, price)
        value = weight - values[step]
        if welfare_weight:
            value -= welfare_weight * price
        if g:
            value -= g.get(feeder, 0)
        if a:
            value -= a.get(feeder, 0)
        if value > 0:
            total += energy_j * value
    return total


def _spot_buyers(problem: Problem, certificate: Certificate, t: int, welfare_weight: int) -> int:
    prices, values = certificate.schedules[t]
    g, c = certificate.net.get(t, _NONE), certificate.consumption.get(t, _NONE)
    total = 0
    for feeder, price, energy_j in problem.spot[Side.BUY].get(t, ()):
        step = bisect_right(prices, price) - 1
        if step < 0:
            continue
        value = values[step]
        if welfare_weight:
            value += welfare_weight * price
        if g:
            value += g.get(feeder, 0)
        if c:
            value -= c.get(feeder, 0)
        if value > 0:
            total += energy_j * value
    return total


def _flexible_sellers(
    problem: Problem,
    certificate: Certificate,
    energy_weight: int,
    expiry_scale: int,
    welfare_weight: int,
) -> int:
    schedules, two_sided = certificate.schedules, problem.two_sided
    net, production = certificate.net, certificate.production
    total = 0
    for (_, feeder, price, ranges), energy_j in problem.flexible[Side.SELL]:
        weight = (
            energy_weight
            - expiry_scale * problem.params.expiry_weight * ranges[-1][1]
            - welfare_weight * price
        )
        best = 0
        for t in members(ranges):
            if t in two_sided:
                prices, values = schedules[t]
                step = bisect_right(prices, price) - 1
                if step < 0:
                    raise _below_schedule(t, price)
                value = weight - expiry_scale * t - values[step]
                value -= net.get(t, _NONE).get(feeder, 0) + production.get(t, _NONE).get(feeder, 0)
                if value > best:
                    best = value
        total += energy_j * best
    return total


def _flexible_buyers(problem: Problem, certificate: Certificate, welfare_weight: int) -> int:
    schedules, two_sided = certificate.schedules, problem.two_sided
    net, consumption = certificate.net, certificate.consumption
    total = 0
    for (_, feeder, price, ranges), energy_j in problem.flexible[Side.BUY]:
        best = 0
        for t in members(ranges):
            if t in two_sided:
                prices, values = schedules[t]
                step = bisect_right(prices, price) - 1
                if step >= 0:
                    value = values[step] + welfare_weight * price
                    value += net.get(t, _NONE).get(feeder, 0) - consumption.get(t, _NONE).get(feeder, 0)
                    if value > best:
                        best = value
        total += energy_j * best
    return total


def _below_schedule(t: int, price: int) -> RuleViolation:
    return RuleViolation(
        "MKT-25",
        f"the schedule of interval {t} starts above a seller",
        got=price,
        expected="its first price or more",
    )


_NONE: dict[int, int] = {}
