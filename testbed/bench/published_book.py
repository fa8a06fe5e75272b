"""The order book on which market engines are compared: one feeder, one interval, no limits.

Made by its recipe out of Python's standard generator, seed 1: first all asks, then all bids; of each the quantity, then
the price. The volumes are facts that any engine with the same aim must reach.
"""

from __future__ import annotations

from random import Random
from typing import Final

from light_client.rules.market.grid import Feeder, Grid
from light_client.rules.market.mechanisms.kinds import MechanismParams
from light_client.rules.market.offer import OpenOffer
from light_client.rules.market.params import MarketParams
from light_client.rules.market.problem import Problem, problem_of
from light_client.rules.units import JOULES_PER_WH, Address, FeederId, OfferId, Side

MOST_ENERGY_WH: Final = {100: 62_495, 1_000: 720_288, 10_000: 7_591_520, 100_000: 76_125_520}
"""Offers -> most energy that pairs of ask <= bid can trade, Wh."""
CROSSING_WH: Final = {100: 37_287, 1_000: 382_500, 10_000: 3_919_599, 100_000: 38_340_709}
"""Offers -> energy where supply crosses demand, Wh."""
UNIT_UC: Final = 100
"""One unit of the book's prices, 1e-4 per kWh, in micro-currency."""


def book(count: int) -> list[tuple[Side, int, int]]:
    """(side, Wh, price in units) of every offer."""
    random = Random(1)  # noqa: S311 - the recipe names this generator
    rows = []
    for number in range(count):
        side = Side.SELL if number < count // 2 else Side.BUY
        quantity, price = round(random.uniform(0.05, 3.0), 3), round(random.uniform(0.08, 0.30), 4)
        rows.append((side, round(quantity * 1_000), round(price * 10_000)))
    return rows


def problem_of_book(count: int, mechanism: MechanismParams) -> Problem:
    """The book as a problem of one feeder."""
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
