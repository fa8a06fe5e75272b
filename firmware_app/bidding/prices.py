"""Reservation prices on a coarse grid, between what the grid pays and what it asks.

Truthful: a seller asks the feed-in price plus the margin, a buyer bids the retail price less the margin, both moved
inwards onto the price grid. Whatever the market then pays is a gain, and whenever there is a partner with whom both
gain, they meet. Where trades are priced at the middle between two groups, asking more moves the price by half of it.

Adaptive: one step of the grid dearer after each past interval that was served (nine tenths or more), one step cheaper
after each of which less than half was. The steps are counted over the home's own past orders, so a restart changes
nothing, and clamped at the truthful price and at a stated number of steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from firmware_app.bidding.commitments import Commitment
from firmware_app.bidding.settings import PERMILLE, BiddingSettings, PrivacySettings, Strategy
from light_client.rules.units import Side

SERVED_PERMILLE: Final = 900
"""From this share of an interval's offered energy on it counts as served."""
UNSERVED_PERMILLE: Final = 500
"""Below this share it counts as not served."""


def truthful_price(side: Side, settings: BiddingSettings, step: int) -> int | None:
    """The truthful price of a side on a grid, micro-currency per kWh; None where the limits leave none."""
    if side is Side.SELL:
        least = max(settings.feed_in_uc_per_kwh + settings.margin_uc_per_kwh, settings.floor_uc_per_kwh)
        return -(-least // step) * step
    most = min(settings.retail_uc_per_kwh - settings.margin_uc_per_kwh, settings.ceiling_uc_per_kwh)
    price = most // step * step
    return price if price > 0 else None


def steps_learnt(side: Side, past: Iterable[Commitment], most: int) -> int:
    """How many steps beyond the truthful price the past of one side suggests: 0..most.

    Args:
        past: orders of any kind; those still alive and those of several intervals teach nothing.
    """
    offered: dict[int, int] = {}
    traded: dict[int, int] = {}
    for one in past:
        if one.side is side and not one.alive and not one.flexible:
            at = one.first_interval
            offered[at] = offered.get(at, 0) + one.offered_j
            traded[at] = traded.get(at, 0) + one.traded_j
    steps = 0
    for at in sorted(offered):
        if traded[at] * PERMILLE >= offered[at] * SERVED_PERMILLE:
            steps = min(most, steps + 1)
        elif traded[at] * PERMILLE < offered[at] * UNSERVED_PERMILLE:
            steps = max(0, steps - 1)
    return steps


def price_of(
    side: Side,
    settings: BiddingSettings,
    privacy: PrivacySettings,
    past: Iterable[Commitment],
) -> int | None:
    """The reservation price of a side now, micro-currency per kWh; None: nothing is offered on it."""
    step = privacy.price_step_uc_per_kwh
    price = truthful_price(side, settings, step)
    if price is None:
        return None
    if settings.strategy is Strategy.ADAPTIVE:
        steps = steps_learnt(side, past, settings.adaptive_steps)
        furthest = truthful_price(Side(1 - side), settings, step)
        if furthest is not None and side is Side.SELL:
            price = max(price, min(price + steps * step, furthest))
        elif furthest is not None:
            price = min(price, max(price - steps * step, furthest))
    return price if _gains(side, price, settings) else None


def _gains(side: Side, price: int, settings: BiddingSettings) -> bool:
    """Whether somebody on the other side could still gain: on a coarse grid there may be no price between."""
    if side is Side.SELL:
        return price <= settings.retail_uc_per_kwh
    return price >= settings.feed_in_uc_per_kwh
