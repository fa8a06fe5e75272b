"""The published order book: volumes that any engine for maximum energy, and for a uniform price, must reach.

The book is made by its recipe out of the standard generator; the volumes are facts of the literature's comparison.
"""

from __future__ import annotations

from random import Random

import pytest

from light_client.rules.market.grid import Feeder, Grid
from light_client.rules.market.mechanisms.kinds import (
    Average,
    Continuous,
    MaximumEnergy,
    MechanismParams,
    TwoStage,
    UniformPrice,
)
from light_client.rules.market.mechanisms.table import auction_of
from light_client.rules.market.offer import OpenOffer
from light_client.rules.market.params import MarketParams
from light_client.rules.market.problem import Problem, problem_of
from light_client.rules.units import JOULES_PER_WH, Address, FeederId, OfferId, Side
from testbed.solver.solve import solve

VOLUMES_WH = {100: (62_495, 37_287), 1_000: (720_288, 382_500), 10_000: (7_591_520, 3_919_599)}
"""Offers -> most energy, energy at the crossing; Wh."""
UNIT_UC = 100
"""One unit of the book's prices, 1e-4 per kWh, in micro-currency."""


def book(count: int) -> list[tuple[Side, int, int]]:
    """Return (side, Wh, price in units) by the recipe: first all asks, then all bids; quantity before price."""
    random = Random(1)
    rows = []
    for number in range(count):
        side = Side.SELL if number < count // 2 else Side.BUY
        quantity, price = round(random.uniform(0.05, 3.0), 3), round(random.uniform(0.08, 0.30), 4)
        rows.append((side, round(quantity * 1_000), round(price * 10_000)))
    return rows


def problem_of_published(count: int, mechanism: MechanismParams) -> Problem:
    """Return the book as a problem of one feeder without limits that bind."""
    offers = [
        OpenOffer(
            offer_id=OfferId(number),
            address=Address(bytes(20)),
            side=side,
            feeder=FeederId(1),
            price_uc_per_kwh=price * UNIT_UC,
            ranges=((0, 0),),
            remaining_j=quantity * JOULES_PER_WH,
            escrow_uc=0,
        )
        for number, (side, quantity, price) in enumerate(book(count), start=1)
    ]
    grid = Grid(feeders=(Feeder(feeder=FeederId(1), c_ext_w=0),), interval_s=900)
    return problem_of(offers, first_interval=0, params=MarketParams(mechanism=mechanism), grid=grid)


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


@pytest.mark.parametrize("count", VOLUMES_WH)
def test_most_energy_of_the_published_book(count: int) -> None:
    solved = solve(problem_of_published(count, MaximumEnergy()))
    assert solved.proven is not None
    assert solved.proven.values[0] == VOLUMES_WH[count][0] * JOULES_PER_WH
    assert not any(solved.gaps)


@pytest.mark.parametrize("count", VOLUMES_WH)
def test_the_crossing_of_the_published_book(count: int) -> None:
    for mechanism in (UniformPrice(), TwoStage(average=Average.BY_TRADE)):
        assert sold_wh(problem_of_published(count, mechanism)) == VOLUMES_WH[count][1]


def test_a_continuous_auction_of_the_published_book_lies_between() -> None:
    for count in (100, 1_000):
        crossing, most = VOLUMES_WH[count][1], VOLUMES_WH[count][0]
        assert crossing <= sold_wh(problem_of_published(count, Continuous())) <= most
