"""The published order book: volumes that any engine for maximum energy, and for a uniform price, must reach.

`testbed.bench.published_book` makes the book; its first offers and volumes are facts of the comparison of engines.
"""

from __future__ import annotations

import pytest

from light_client.rules.market.mechanisms.kinds import (
    Average,
    Continuous,
    MaximumEnergy,
    TwoStage,
    UniformPrice,
)
from light_client.rules.market.mechanisms.table import auction_of
from light_client.rules.market.problem import Problem
from light_client.rules.units import JOULES_PER_WH, Side
from testbed.bench.auctions import measure, steps
from testbed.bench.published_book import CROSSING_WH, MOST_ENERGY_WH, book, problem_of_book
from testbed.bench.section import Options
from testbed.solver.solve import solve

COUNTS = (100, 1_000, 10_000)


def sold_wh(problem: Problem) -> int:
    """Return what the auction of a problem trades, Wh."""
    outcome = auction_of(problem.params.mechanism).outcome(problem)
    sold_j = sum(trade.energy_j for trade in outcome.trades if trade.side == Side.SELL)
    assert sold_j % JOULES_PER_WH == 0
    return sold_j // JOULES_PER_WH


def test_the_recipe_gives_the_published_first_offers() -> None:
    for count, bid in ((100, (216, 2_714)), (1_000, (1_264, 1_086)), (10_000, (778, 1_870))):
        rows = book(count)
        assert rows[0] == (Side.SELL, 446, 2_664)
        assert rows[count // 2] == (Side.BUY, *bid)


@pytest.mark.parametrize("count", COUNTS)
def test_most_energy_of_the_published_book(count: int) -> None:
    solved = solve(problem_of_book(count, MaximumEnergy()))
    assert solved.proven is not None
    assert solved.proven.values[0] == MOST_ENERGY_WH[count] * JOULES_PER_WH
    assert not any(solved.gaps)


@pytest.mark.parametrize("count", COUNTS)
def test_the_crossing_of_the_published_book(count: int) -> None:
    for mechanism in (UniformPrice(), TwoStage(average=Average.BY_TRADE)):
        assert sold_wh(problem_of_book(count, mechanism)) == CROSSING_WH[count]


def test_a_continuous_auction_of_the_published_book_lies_between() -> None:
    for count in (100, 1_000):
        crossing, most = CROSSING_WH[count], MOST_ENERGY_WH[count]
        assert crossing <= sold_wh(problem_of_book(count, Continuous())) <= most


def test_the_bench_measures_every_auction_and_meets_its_volumes() -> None:
    seen: list[str] = []
    section = measure(Options(quick=True), seen.append)
    assert len(seen) == steps(Options(quick=True)) == len(section.document["cases"]) == 6
    assert all(aim.met for aim in section.aims)
    assert len(section.lines) == 7
