"""Markets whose linear optimum is no whole number of joules: a whole plan is found, and proven to be the best one."""

from __future__ import annotations

from fractions import Fraction

import pytest

from testbed.solver import clear as clear_module
from testbed.solver.solve import Outcome, solve
from tests.oracles.pairwise import PairMarket, PairOffer, optimum
from tests.oracles.translate import problem_from


def _offer(feeder: int, price: int, energy: int, *intervals: int) -> PairOffer:
    return PairOffer(feeder=feeder, price=price, energy=energy, intervals=intervals)


ONE_FEEDER = PairMarket(
    sells=(_offer(7, 7, 9, 0), _offer(7, 7, 1, 0, 1), _offer(7, 6, 6, 0, 1)),
    buys=(_offer(7, 6, 10, 0), _offer(7, 7, 6, 0, 1)),
    external={7: 7},
    internal={7: 6},
    expiry_weight=128,
)
NO_EXCHANGE = PairMarket(
    sells=(_offer(1, 0, 7, 0, 1, 2), _offer(1, 5, 11, 0, 2, 3), _offer(1, 1, 12, 0, 1)),
    buys=(_offer(1, 6, 11, 0), _offer(1, 0, 9, 1), _offer(1, 1, 9, 0, 1, 2)),
    external={1: 0},
    internal={1: 9},
    expiry_weight=128,
)
TWO_FEEDERS = PairMarket(
    sells=(_offer(6, 3, 7, 0, 1, 2), _offer(5, 5, 4, 1, 2, 3)),
    buys=(_offer(5, 6, 3, 0, 2), _offer(5, 3, 12, 2, 3), _offer(5, 6, 2, 0, 2)),
    external={5: 4, 6: 1_000},
    internal={5: 5, 6: None},
    expiry_weight=128,
)


@pytest.mark.parametrize(
    ("market", "relaxed"),
    [(ONE_FEEDER, Fraction(19, 2)), (NO_EXCHANGE, Fraction(43, 2)), (TWO_FEEDERS, Fraction(17, 2))],
)
def test_a_fractional_optimum_is_cleared_in_whole_joules(market: PairMarket, relaxed: Fraction) -> None:
    best = optimum(market)
    assert best.relaxed == relaxed
    solved = solve(problem_from(market))
    assert solved.stats.repaired
    assert solved.outcome is Outcome.OPTIMAL
    assert solved.proven is not None
    assert solved.proven.values == (best.energy, -best.expiry_cost)


def test_without_the_last_resort_the_gap_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clear_module, "clear_exactly", lambda *_: None)
    solved = solve(problem_from(ONE_FEEDER))
    assert solved.outcome is Outcome.GAP
    assert any(solved.gaps)
    assert solved.proven is None
