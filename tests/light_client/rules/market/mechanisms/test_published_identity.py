"""What trading locally is worth, whatever the prices: an identity of the published experiment's tariffs.

With feed-in at 0.45 and retail at 0.67 every kWh that is traded locally gains its two parties 0.22 together. At a
price of 0.56 sellers gain 24.4 % of what the grid would have paid for the share that they sell locally, buyers 16.4 %.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.market.clearing import Trade
from light_client.rules.market.mechanisms.kinds import (
    Continuous,
    MechanismParams,
    PairPrice,
    TwoStage,
    UniformPrice,
)
from light_client.rules.market.mechanisms.table import auction_of
from light_client.rules.units import JOULES_PER_KWH, Side
from tests.oracles.auctions import Limits, Offer
from tests.property.books import problem_of_book

FEED_IN, RETAIL = 450_000, 670_000
UNLIMITED: Limits = {1: (900 << 30, None), 2: (900 << 30, None)}
energies = st.integers(1, 5_000).map(lambda wh: 3_600 * wh)


def gains(trades: tuple[Trade, ...], side: Side) -> Fraction:
    """Return what a side gains over selling to, or buying from, the grid; micro-currency."""
    own = [trade for trade in trades if trade.side == side]
    at_grid = sum((RETAIL if side else FEED_IN) * trade.energy_j for trade in own)
    money = Fraction(sum(trade.amount_uc for trade in own))
    return Fraction(at_grid, JOULES_PER_KWH) - money if side else money - Fraction(at_grid, JOULES_PER_KWH)


def local_kwh(trades: tuple[Trade, ...]) -> Fraction:
    """Return the energy traded locally."""
    return Fraction(sum(trade.energy_j for trade in trades if trade.side == Side.SELL), JOULES_PER_KWH)


@pytest.mark.parametrize("params", [UniformPrice(), Continuous(), TwoStage()], ids=lambda p: p.kind.name)
@given(
    st.lists(
        st.tuples(st.sampled_from(Side), st.integers(1, 2), st.integers(FEED_IN, RETAIL), energies),
        max_size=12,
    ),
    st.integers(FEED_IN, RETAIL),
)
def test_the_joint_gain_is_the_spread_times_the_local_energy(
    params: MechanismParams, rows: list[tuple[Side, int, int, int]], average: int
) -> None:
    offers: list[Offer] = [(n, int(s), f, p, e) for n, (s, f, p, e) in enumerate(rows, start=1)]
    improved = None
    if isinstance(params, TwoStage):
        improved = {
            n: average
            for n, side, _, price, _ in offers
            if (average < price if side == Side.SELL else average > price)
        }
    problem = problem_of_book(offers, UNLIMITED, 0, params, improved)
    trades = auction_of(params).outcome(problem).trades
    joint = gains(trades, Side.SELL) + gains(trades, Side.BUY)
    assert joint == (RETAIL - FEED_IN) * local_kwh(trades)
    assert gains(trades, Side.SELL) >= -len(trades), (
        "nobody is worse off than with the grid, but for rounding"
    )
    assert gains(trades, Side.BUY) >= -len(trades)


@pytest.mark.parametrize("params", [UniformPrice(), Continuous(pair_price=PairPrice.MIDPOINT), TwoStage()])
def test_truthful_bids_share_the_spread_by_half(params: MechanismParams) -> None:
    offers: list[Offer] = [
        (1, 0, 1, FEED_IN, 3 * JOULES_PER_KWH),
        (2, 0, 2, FEED_IN, JOULES_PER_KWH),
        (3, 1, 2, RETAIL, 4 * JOULES_PER_KWH),
    ]
    trades = auction_of(params).outcome(problem_of_book(offers, UNLIMITED, 0, params)).trades
    seller, buyer = (gains(trades, side) for side in Side)
    assert local_kwh(trades) == 4
    assert round(100 * float(seller / (4 * FEED_IN)), 1) == 24.4
    assert round(100 * float(buyer / (4 * RETAIL)), 1) == 16.4
