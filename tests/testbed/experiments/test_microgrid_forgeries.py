"""Forged duals, a worse plan and a manipulated price on the published microgrid, judged by the rules and by oracles.

The oracles share nothing with the solver: the market is read as pairs of offers, optima come from a programme of their
own, and the bound that a certificate proves is evaluated term by term as the theorem states it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random

import pytest

from light_client.rules.errors import RuleViolation
from light_client.rules.market.certificate import bound
from light_client.rules.market.clearing import Solution, check_solution, solution_from_wire
from light_client.rules.market.grid import Grid
from light_client.rules.market.levelling import complete
from light_client.rules.market.params import MarketParams
from light_client.rules.market.problem import Problem, problem_of
from testbed.scenarios.transax import microgrid
from testbed.solver.rolling import open_offers
from testbed.solver.solve import solve
from tests.oracles import certifier
from tests.oracles.certifier import answer
from tests.oracles.corruptions import corrupt, trade_less
from tests.oracles.forgery import changed, lowest_bound, trivial_certificate
from tests.oracles.pairwise import violations
from tests.oracles.translate import class_flows, class_market, solution_of

INTERVAL, SEEN = 57, 3
"""The busiest interval of the published day, and how many later ones are seen."""
MOST = 423.4
"""What the window can trade with batteries, as an independent program found it, kW x interval."""
UNIT_J = 900_000


@pytest.fixture(scope="module")
def published(shared_data: Path) -> Problem:
    """The window of the published microgrid, 20 kW a feeder, with batteries."""
    path = shared_data / "transax" / "withBattery"
    scenario = microgrid(path, day=date(2026, 6, 14), c_ext_w=20_000, c_int_w=None, price_uc_per_kwh=150_000)
    first = scenario.first_interval + INTERVAL - 1
    offers = [
        offer
        for offer in open_offers(scenario)
        if offer.ranges[0][0] <= first + SEEN and offer.ranges[-1][1] >= first
    ]
    params = MarketParams(interval_s=900, uniform_price_uc_per_kwh=150_000)
    grid = Grid(feeders=scenario.feeders, interval_s=900)
    return problem_of(offers, first_interval=first, params=params, grid=grid)


@pytest.fixture(scope="module")
def found(published: Problem) -> Solution:
    """What our solver says."""
    return solve(published).solution


def test_solver_rules_and_oracle_agree_on_the_published_window(published: Problem, found: Solution) -> None:
    market = class_market(published)
    proven = check_solution(published, found)
    assert proven.values[0] / UNIT_J == pytest.approx(MOST, abs=0.05)
    own = answer(market)
    assert own.values == proven.values
    assert check_solution(published, solution_of(published, own)).values == proven.values


def test_forged_duals_never_prove_less_than_the_optimum(published: Problem, found: Solution) -> None:
    """Searched for the lowest bound, by a forger, under our evaluation and under the theorem's."""
    market, best = class_market(published), check_solution(published, found).values[0]
    trivial = trivial_certificate(published, (1,))
    assert lowest_bound(bound, published, market, (1,), steps=1_500, seed=1) >= best
    random, certificate = Random(2), trivial
    for _ in range(150):
        certificate = changed(random, certificate, market)
        try:
            ours = bound(published, certificate)
        except RuleViolation:
            certificate = trivial
            continue
        by_theorem = certifier.bound(
            market,
            certifier.Proof(
                weights=certificate.weights,
                schedules=certificate.schedules,
                net=certificate.net,
                production=certificate.production,
                consumption=certificate.consumption,
            ),
        )
        assert ours == by_theorem >= best


def test_a_worse_plan_with_the_best_proof_is_refused(published: Problem, found: Solution) -> None:
    market = class_market(published)
    best = check_solution(published, found).values[0]
    for seed in range(12):
        wire = trade_less(Random(seed), found.to_wire(), found.to_wire())
        worse = replace(found, plan=solution_from_wire(wire).plan)
        sold, bought = class_flows(published, complete(published, worse.plan))
        assert not violations(market, sold, bought), "feasible: nothing but the proof can refuse it"
        assert sum(energy_j for _, _, energy_j in sold) < best
        with pytest.raises(RuleViolation) as refused:
            check_solution(published, worse)
        assert refused.value.rule.startswith("MKT-")


@pytest.mark.parametrize("shown", [0.4, 1.5])
def test_a_price_shown_to_one_alone_is_refused(published: Problem, found: Solution, shown: float) -> None:
    for key in list(found.plan.flows)[::5]:
        other = key._replace(price_uc_per_kwh=round(shown * key.price_uc_per_kwh))
        flows = {other if one == key else one: entries for one, entries in found.plan.flows.items()}
        lie = replace(found, plan=replace(found.plan, flows=dict(sorted(flows.items()))))
        with pytest.raises(RuleViolation) as refused:
            check_solution(published, lie)
        assert refused.value.rule.startswith("MKT-")


def test_no_corrupted_answer_passes_unless_it_is_as_good(published: Problem, found: Solution) -> None:
    best, random, refused = check_solution(published, found).values, Random(3), 0
    for _ in range(120):
        _, wire = corrupt(random, found.to_wire(), found.to_wire())
        try:
            assert check_solution(published, solution_from_wire(wire)).values == best
        except RuleViolation:
            refused += 1
    assert refused >= 90
