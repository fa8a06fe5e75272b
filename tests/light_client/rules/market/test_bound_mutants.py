"""Every term of the bound is necessary: with one of them wrong, a search forges a certificate below the optimum."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from light_client.rules.market.params import OBJECTIVE_ORDERS
from light_client.rules.market.problem import Problem
from tests.light_client.rules.market.mutants import REAL, broken
from tests.oracles.forgery import lowest_bound
from tests.oracles.pairwise import optimum
from tests.oracles.translate import problem_from
from tests.property.markets import random_market

MUTANTS = {
    "external limits cost nothing": ("total += ext_j[feeder] * abs(value)", "pass"),
    "external limits cost their sign": ("ext_j[feeder] * abs(value)", "ext_j[feeder] * value"),
    "internal limits cost nothing": ("total += limit * value", "pass"),
    "sellers ignore the flow price": ("value -= g.get(feeder, 0)", "value -= abs(g.get(feeder, 0))"),
    "buyers gain less by the flow price": ("value += g.get(feeder, 0)", "value -= abs(g.get(feeder, 0))"),
    "production counts twice": ("value -= a.get(feeder, 0)", "value -= 2 * a.get(feeder, 0)"),
    "consumption counts twice": ("value -= c.get(feeder, 0)", "value -= 2 * c.get(feeder, 0)"),
    "sellers count the schedule twice": (
        "value = weight - values[step]",
        "value = weight - 2 * values[step]",
    ),
    "buyers do not count the schedule": ("value = values[step]\n", "value = 0\n"),
    "small gains are dropped": ("if value > 0:", "if value > 1:"),
    "flexible sellers take the last interval": ("if value > best:", "if value != best:"),
    "flexible sellers ignore the schedule": (
        "value = weight - expiry_scale * t - values[step]",
        "value = weight - expiry_scale * t - 2 * values[step]",
    ),
    "flexible buyers ignore the schedule": (
        "value = values[step] + welfare",
        "value = 0 * values[step] + welfare",
    ),
    "flexible production counts twice": ("+ production.get(t, _NONE)", "+ 2 * production.get(t, _NONE)"),
    "flexible consumption counts twice": ("- consumption.get(t, _NONE)", "- 2 * consumption.get(t, _NONE)"),
    "flexible sellers are not counted": ("total += energy_j * best", "total += 0"),
    "the expiry of flexible sellers counts twice": (
        "expiry_scale * problem.params.expiry_weight * ranges",
        "2 * expiry_scale * problem.params.expiry_weight * ranges",
    ),
    "the expiry of others counts twice": (
        "energy_weight - expiry_scale * (",
        "energy_weight - 2 * expiry_scale * (",
    ),
    "welfare of sellers counts twice": (
        "value -= welfare_weight * price",
        "value -= 2 * welfare_weight * price",
    ),
    "welfare of buyers is not counted": ("value += welfare_weight * price", "pass"),
}
"""What a bound may not do: each breaks weak duality."""


def _forges(bound: Any) -> bool:
    """Whether the forger gets a bound below what some plan achieves, for the energy or for a weighted objective."""
    for seed in range(80):
        market = random_market(seed, uniform=False, unit=12)
        subject = problem_from(market)
        best = optimum(market)
        if not subject.two_sided or best.welfare is None:
            continue
        subject = _with_welfare(subject)
        values = (best.energy, -best.expiry_cost, best.welfare)
        last = max(subject.two_sided)
        for weights in ((2,), (200 * last + 200, 1), (6, 0, 1)):
            earned = sum(weight * value for weight, value in zip(weights, values, strict=False))
            if lowest_bound(bound, subject, market, weights, steps=300, seed=seed) < earned:
                return True
    return False


def _with_welfare(subject: Problem) -> Problem:
    return replace(subject, params=replace(subject.params, objectives=OBJECTIVE_ORDERS[1]))


def test_nobody_forges_a_bound_against_the_real_verifier() -> None:
    assert not _forges(REAL.certificate.bound)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_bound_with_one_wrong_term_is_forged(name: str) -> None:
    assert _forges(broken("certificate", MUTANTS[name]).certificate.bound)
