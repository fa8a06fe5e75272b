"""A forger of certificates: greedy descent from a trivial proof to the lowest bound that some verifier will compute.

Against a sound verifier it ends at or above the optimum; against a broken one it finds the hole by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from light_client.rules.errors import RuleViolation
from light_client.rules.market.certificate import Certificate, Steps
from light_client.rules.market.problem import Problem
from tests.oracles.pairwise import PairMarket


def trivial_certificate(problem: Problem, weights: tuple[int, ...]) -> Certificate:
    """Every joule counts in full: nobody's limit binds."""
    schedules: dict[int, Steps] = dict.fromkeys(problem.two_sided, ((0,), (0,)))
    return Certificate(weights=weights, schedules=schedules, net={}, production={}, consumption={})


def lowest_bound(
    bound: Callable[[Problem, Certificate], int],
    problem: Problem,
    market: PairMarket,
    weights: tuple[int, ...],
    *,
    steps: int,
    seed: int,
) -> int:
    """The lowest bound found by changing one number of a well-formed certificate at a time."""
    random = Random(seed)
    proof = trivial_certificate(problem, weights)
    lowest = bound(problem, proof)
    for _ in range(steps):
        candidate = changed(random, proof, market)
        try:
            value = bound(problem, candidate)
        except RuleViolation:
            continue
        if value <= lowest:
            proof, lowest = candidate, value
    return lowest


def changed(random: Random, proof: Certificate, market: PairMarket) -> Certificate:
    """The certificate with one step of one number, still well-formed."""
    t = random.choice(sorted(proof.schedules))
    feeder = random.choice(sorted(market.external))
    part = random.choice(("schedules", "net", "production", "consumption"))
    step = random.choice((-1, 1))
    if part == "schedules":
        prices, values = proof.schedules[t]
        price = random.choice([offer.price for offer in (*market.sells, *market.buys)])
        steps = dict(zip(prices, values, strict=True))
        steps[price] = max(v for p, v in steps.items() if p <= price) + step
        rising = {p: max(v for q, v in steps.items() if q <= p) for p in sorted(steps)}
        return replace(proof, schedules=proof.schedules | {t: (tuple(rising), tuple(rising.values()))})
    sparse = getattr(proof, part)
    value = sparse.get(t, {}).get(feeder, 0) + step
    value = value if part == "net" else max(0, value)
    return replace(proof, **{part: sparse | {t: sparse.get(t, {}) | {feeder: value}}})
