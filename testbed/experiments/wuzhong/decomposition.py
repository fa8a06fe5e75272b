"""Dual decomposition: communities keep their data to themselves, and answer prices with what they would buy.

Source: the trading rounds of the Proof-of-Solution paper: each price moves by its imbalance over ``A + B k``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import hypot
from typing import Final

import numpy as np

from testbed.experiments.wuzhong.clearing import Floats, Responses, Seen, honest
from testbed.experiments.wuzhong.model import GRID_PRICE, HEAT_PRICE

FIRST_ELECTRICITY: Final = GRID_PRICE / 2
FIRST_HEAT: Final = 200.0
CHANGE: Final = 1e-3
"""Smallest change of all prices together, CNY/MWh, that is gone on with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Prices that were sent out."""

    electricity: float
    heat: tuple[float, ...]


def rounds(
    responses: Responses, *, a: float = 20.0, b: float = 0.1, most: int = 500, shown: Seen = honest
) -> Iterator[Round]:
    """Prices of every round, until they hardly change."""
    market = responses.market
    count, zones = len(market.communities), len(market.heat_limits)
    limits = np.array(market.heat_limits)
    electricity, heat = FIRST_ELECTRICITY, np.full(zones, FIRST_HEAT)
    for number in range(1, most + 1):
        seen = shown(np.full(count, electricity))
        at = heat[responses.zone]
        inputs = responses.inputs(seen, at, responses.cooling_at(seen, at))
        bought, warmth, _ = responses.balances(inputs, seen)
        wanted = np.bincount(responses.zone, warmth, zones).astype(np.float64)
        step = a + b * number
        moves = (wanted - _supply(heat, wanted, limits)) / step
        move = _beyond(float(bought.sum()), electricity) / step
        electricity, heat = electricity + move, heat + moves
        yield Round(electricity=electricity, heat=tuple(heat.tolist()))
        if hypot(move, *moves.tolist()) < CHANGE:
            return


def _supply(price: Floats, wanted: Floats, limits: Floats) -> Floats:
    """What the zones' plants give: nothing below their price, all they can above it."""
    return np.where(
        price < HEAT_PRICE, 0.0, np.where(price > HEAT_PRICE, limits, np.clip(wanted, 0.0, limits))
    )


def _beyond(wanted: float, price: float) -> float:
    """Imbalance of electricity: the grid gives whatever is asked at its price."""
    return wanted if price < GRID_PRICE else min(wanted, 0.0)
