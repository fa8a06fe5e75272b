"""The numpy bound equals the rules' bound: same value, same refusal, also where 64 bits do not suffice."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.errors import RuleViolation
from light_client.rules.market.certificate import Certificate, bound
from light_client.rules.market.problem import Problem
from testbed.miner.fast_bound import FastBound
from tests.oracles.pairwise import PairMarket
from tests.oracles.translate import problem_from
from tests.property.markets import markets, random_market


def _certificate(problem: Problem, random: Random, size: int, *, faulty: bool) -> Certificate:
    """A well-formed certificate of random numbers; with ``faulty``, perhaps one that a rule refuses."""

    def steps() -> tuple[tuple[int, ...], tuple[int, ...]]:
        prices = sorted(random.sample(range(1, 110), random.randint(0, 3)))
        prices = prices or [1] if faulty and random.random() < 0.3 else [0, *prices]
        return tuple(prices), tuple(sorted(random.randint(-size, size) for _ in prices))

    feeders = list(problem.grid.ext_j)
    limited = [feeder for feeder in feeders if problem.grid.int_j[feeder] is not None]
    if faulty and random.random() < 0.3:
        feeders.append(77)
    times = sorted(problem.two_sided | {problem.first_interval + random.randint(0, 6)})

    def sparse(chosen: list[int], low: int) -> dict[int, dict[int, int]]:
        return {t: {f: random.randint(low, size) for f in chosen if random.random() < 0.5} for t in times}

    return Certificate(
        weights=(
            *(random.randint(-size, size) for _ in range(random.randint(0, 2))),
            random.randint(1, max(1, size)),
        ),
        schedules={t: steps() for t in times if not faulty or random.random() < 0.9},
        net=sparse(feeders, -size),
        production=sparse(limited, 0),
        consumption=sparse(limited, 0),
    )


def _outcome(problem: Problem, certificate: Certificate, *, fast: bool) -> int | str:
    try:
        return FastBound(problem).bound(certificate) if fast else bound(problem, certificate)
    except RuleViolation as error:
        return error.rule


@given(
    markets(),
    st.integers(0, 1 << 30),
    st.sampled_from((0, 3, 1 << 20, 1 << 45, (1 << 62) - 1)),
    st.booleans(),
)
def test_equal_to_the_rules(market: PairMarket, seed: int, size: int, faulty: bool) -> None:
    problem = problem_from(market)
    certificate = _certificate(problem, Random(seed), size, faulty=faulty)
    assert _outcome(problem, certificate, fast=True) == _outcome(problem, certificate, fast=False)


@pytest.mark.parametrize("seed", range(40))
def test_equal_to_the_rules_with_huge_numbers_only_python_can_hold(seed: int) -> None:
    problem = problem_from(random_market(seed, unit=17_000_000))
    certificate = _certificate(problem, Random(seed), (1 << 62) - 1, faulty=False)
    found = FastBound(problem).bound(certificate)
    assert found == bound(problem, certificate)
    assert isinstance(found, int)
