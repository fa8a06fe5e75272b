"""A sample of the campaign (see `tests.oracles.campaign` for all of it): the product against the pairwise oracle.

GRIDLIGHT_MARKET_SEED moves the sample to other markets; a failure names the seed to replay.
"""

from __future__ import annotations

import os
from dataclasses import replace
from random import Random

import pytest

from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.market.certificate import bound
from light_client.rules.market.clearing import check_solution, solution_from_wire
from testbed.solver.solve import Outcome, solve
from tests.oracles import agreement
from tests.oracles.agreement import DisagreementError, Tally, campaign, compare
from tests.oracles.campaign import main
from tests.oracles.certifier import NoWholeAnswer, answer
from tests.oracles.forgery import lowest_bound, trivial_certificate
from tests.oracles.pairwise import PairMarket, exact_optimum, optimum, pairs_of, violations, whole_optimum
from tests.oracles.translate import class_flows, class_market, problem_from, solution_of
from tests.property.markets import random_market

FIRST_SEED = int(os.environ.get("GRIDLIGHT_MARKET_SEED", "0"))
MARKETS, CORRUPTIONS = 200, 240


def _number(tally: Tally, start: str) -> int:
    return sum(count for name, count in tally.counts.items() if name.startswith(start))


def test_the_solver_reaches_the_optimum_of_every_market_and_proves_it() -> None:
    tally = campaign(FIRST_SEED, MARKETS, 0)
    assert _number(tally, "market: ") == MARKETS
    assert _number(tally, "market: optimal") >= 0.9 * MARKETS, tally.lines()


def test_no_corruption_is_accepted_unless_it_is_still_a_proven_optimum() -> None:
    tally = campaign(FIRST_SEED, 0, CORRUPTIONS)
    assert _number(tally, "corruption: refused") >= 0.8 * CORRUPTIONS, tally.lines()
    refusals = {name.rpartition(" ")[2] for name in tally.counts if "refused" in name}
    assert len(refusals) >= 12, "the corruptions reach many rules"


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + 40))
def test_the_independent_certifier_is_accepted_and_agrees(seed: int) -> None:
    market = random_market(seed, unit=12)
    problem = problem_from(market)
    if not problem.two_sided:
        pytest.skip("nothing can trade in this market")
    try:
        judged = check_solution(problem, solution_of(problem, answer(class_market(problem))))
    except NoWholeAnswer:
        pytest.skip("the vertex or its duals are not whole at any scale tried")
    best = optimum(market)
    assert judged.values == (best.energy, -best.expiry_cost)


def test_the_oracle_agrees_with_an_exact_simplex() -> None:
    small = [
        market
        for market in map(random_market, range(FIRST_SEED, FIRST_SEED + 120))
        if len(pairs_of(market)) <= 20
    ]
    assert len(small) >= 40
    for market in small:
        assert optimum(market) == exact_optimum(market)


def _tiny(seed: int) -> PairMarket | None:
    """A market whose whole plans can be tried one by one."""
    market = random_market(seed, unit=1)
    shrunk = replace(
        market,
        sells=tuple(replace(offer, energy=1 + offer.energy % 2) for offer in market.sells[:2]),
        buys=tuple(replace(offer, energy=1 + offer.energy % 3) for offer in market.buys[:3]),
    )
    return shrunk if 1 <= len(pairs_of(shrunk)) <= 7 else None


def test_the_oracle_agrees_with_trying_every_whole_plan() -> None:
    tried = 0
    for seed in range(FIRST_SEED, FIRST_SEED + 150):
        market = _tiny(seed)
        if market is None:
            continue
        best = optimum(market)
        assert whole_optimum(market) == (best.energy, best.expiry_cost), f"market seed {seed}"
        tried += 1
    assert tried >= 20


def test_the_oracle_sees_every_kind_of_violation() -> None:
    market = random_market(11, uniform=False, unit=12)
    problem = problem_from(market)
    sold, bought = class_flows(problem, solve(problem).solution.plan)
    classes = class_market(problem)
    assert violations(classes, sold, bought) == []
    assert violations(classes, [*sold, sold[0]], bought)
    assert violations(classes, [(-1, *sold[0][1:]), *sold[1:]], bought)
    assert violations(classes, [(sold[0][0], 99, sold[0][2]), *sold[1:]], bought)
    assert violations(classes, [(*sold[0][:2], -1), *sold[1:]], bought)
    assert violations(classes, [(*sold[0][:2], 10_000), *sold[1:]], bought)
    assert violations(classes, sold, bought[1:])


def test_the_oracle_finds_a_matching_that_needs_an_exchange() -> None:
    """Market 101461 once fooled the oracle itself: its search took the number of a buyer for that of a seller."""
    market = random_market(101_461, worn=False)
    problem = problem_from(market)
    judged = solve(problem).proven
    assert judged is not None
    assert violations(class_market(problem), *class_flows(problem, judged.plan)) == []


def test_searching_for_a_certificate_below_the_optimum_finds_none() -> None:
    lowered = 0
    for seed in range(FIRST_SEED, FIRST_SEED + 12):
        market = random_market(seed, unit=12)
        problem = problem_from(market)
        if not problem.two_sided:
            continue
        lowest = lowest_bound(bound, problem, market, (1,), steps=400, seed=seed)
        assert lowest >= optimum(market).relaxed, f"market seed {seed}: forged bound"
        lowered += lowest < bound(problem, trivial_certificate(problem, (1,)))
    assert lowered >= 4, "the search does descend"


def test_bytes_that_were_cut_or_flipped_never_crash_the_judgement() -> None:
    market, random = random_market(3, uniform=False, unit=12), Random(3)
    problem = problem_from(market)
    honest = encode(solve(problem).solution.to_wire())
    assert check_solution(problem, solution_from_wire(decode(honest, max_bytes=len(honest)))).gaps == (0, 0)
    accepted = 0
    for _ in range(1_500):
        raw = bytearray(honest)
        for _ in range(random.randint(1, 3)):
            raw[random.randrange(len(raw))] = random.randrange(256)
        forged = bytes(raw[: random.randint(1, len(raw))] if random.random() < 0.2 else raw)
        try:
            solution = solution_from_wire(decode(forged, max_bytes=len(forged)))
            judged = check_solution(problem, solution)
        except RuleViolation:
            continue
        assert encode(solution.to_wire()) == forged, "one solution has one spelling"
        best = optimum(market)
        assert judged.values == (best.energy, -best.expiry_cost)
        accepted += 1
    assert accepted < 150


def test_a_disagreement_names_its_seed_and_fails_the_campaign(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = optimum(random_market(5))
    wrong = replace(right, energy=right.energy + 1)
    monkeypatch.setattr(
        agreement, "optimum", lambda market: wrong if market == random_market(5) else optimum(market)
    )
    with pytest.raises(DisagreementError, match=r"market seed 5: .*--seed 5"):
        compare(5)
    assert main(["--seed", "5", "--markets", "1", "--corruptions", "0"]) == 1
    assert "market seed 5" in capsys.readouterr().err
    monkeypatch.undo()
    assert main(["--seed", "5", "--markets", "1", "--corruptions", "2"]) == 0
    assert "market: optimal" in capsys.readouterr().out


def test_a_solver_that_gives_up_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def lazy(problem: object) -> object:
        return replace(solve(problem), outcome=Outcome.GAP, gaps=(5, 0))  # type: ignore[arg-type]

    monkeypatch.setattr(agreement, "solve", lazy)
    with pytest.raises(DisagreementError, match="gaps of"):
        compare(5)


@pytest.mark.parametrize("seed", [3_112, 3_358])
def test_where_half_joules_would_be_needed_the_answer_is_whole_and_honest(seed: int) -> None:
    """Prices with several intervals are not totally unimodular: the best plan in whole joules may be below
    the relaxation.
    """
    market = random_market(seed, uniform=False, unit=1)
    best = optimum(market)
    assert best.relaxed.denominator == 2
    problem = problem_from(market)
    solved = solve(problem)
    whole = class_flows(problem, solved.solution.plan)
    assert violations(class_market(problem), *whole) == []
    traded = sum(joules for _, _, joules in whole[0])
    assert best.energy - solved.gaps[0] <= traded <= best.energy
    if solved.outcome is Outcome.OPTIMAL:
        assert traded == best.energy
    staged = check_solution(problem, solution_of(problem, answer(class_market(problem))))
    assert staged.values == (best.energy, -best.expiry_cost), (
        "duals among plans of the whole optimum do prove both"
    )
