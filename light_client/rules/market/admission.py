"""Admission: what an offer must satisfy, besides being valid by itself, to enter the market at one moment.

Without these rules one offer could make everyone's problem endless (2^31 intervals), unprovable (a feeder
without limits) or contradictory (a second price in a uniform market).
"""

from __future__ import annotations

from light_client.rules.errors import RuleViolation
from light_client.rules.market.grid import Grid
from light_client.rules.market.offer import Offer
from light_client.rules.market.params import MarketParams


def intervals_are_open(offer: Offer, params: MarketParams, first_open: int) -> None:
    """MKT-07: all intervals of the offer are still open, and none is further ahead than the horizon."""
    first, last = offer.ranges[0][0], offer.ranges[-1][1]
    if first < first_open or last >= first_open + params.horizon:
        window = (first_open, first_open + params.horizon - 1)
        raise RuleViolation(
            "MKT-07",
            "an offer reaches beyond the open intervals",
            got=(first, last),
            expected=window,
        )


def feeder_is_known(offer: Offer, grid: Grid) -> None:
    """MKT-08: the offer's feeder is part of the grid, so that limits hold for it."""
    if offer.feeder not in grid.ext_j:
        raise RuleViolation(
            "MKT-08",
            "an offer on a feeder that is not in the grid",
            got=offer.feeder,
            expected="a feeder",
        )


def price_is_uniform(offer: Offer, params: MarketParams) -> None:
    """MKT-09: in a uniform market the reservation price is the one price."""
    price = params.uniform_price_uc_per_kwh
    if price is not None and offer.price_uc_per_kwh != price:
        raise RuleViolation(
            "MKT-09",
            "price of an offer in a uniform market",
            got=offer.price_uc_per_kwh,
            expected=price,
        )


def check_admissible(offer: Offer, *, first_open: int, params: MarketParams, grid: Grid) -> None:
    """All rules of admission.

    Args:
        offer: valid by itself.
        first_open: the first interval that new offers may still name.
        params: of the genesis.
        grid: of the registry, now.

    Raises:
        RuleViolation: MKT-07 to MKT-09.
    """
    intervals_are_open(offer, params, first_open)
    feeder_is_known(offer, grid)
    price_is_uniform(offer, params)
