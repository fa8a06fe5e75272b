"""Makes a grid k times as large, by a published recipe whose optima are known.

Copy i keeps every offer of the original; from the second copy on, energies are multiplied by draws from
0.5..1.5 (sellers first, then buyers) and rounded to the data's unit of 90,000 J, at least one; feeders and
homes get numbers of their own. With prices, each home of the copy that sells then draws a reservation price,
and each that buys. All copies hang on one bus. The draws come from numpy's ``default_rng(1)``, so the result
is the same offer for offer wherever the recipe is followed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from light_client.rules.units import Side
from testbed.scenarios.columns import Column, OfferColumns
from testbed.scenarios.errors import PlanError

UNIT_J = 90_000
"""0.1 kW over 15 minutes, the resolution of the published data."""
FEEDERS_PER_COPY = 11
HOMES_PER_COPY = 100_000
SELL_PRICES, BUY_PRICES = (50, 250), (100, 300)
"""Bounds of the price draws (upper one excluded) in tenths of a cent per kWh."""
UC_PER_TENTH_CENT = 1_000


def _copy(base: OfferColumns, number: int, rng: np.random.Generator) -> OfferColumns:
    """Copy ``number`` of the offers; copy 0 is the original."""
    if number == 0:
        return base
    units = base.energy_j // UNIT_J
    for side in Side:
        chosen = base.side == side
        factors = rng.uniform(0.5, 1.5, int(chosen.sum()))
        units[chosen] = np.maximum(np.rint(units[chosen] * factors), 1).astype(np.int64)
    return replace(
        base,
        energy_j=units * UNIT_J,
        feeder=base.feeder + FEEDERS_PER_COPY * number,
        home_id=base.home_id + HOMES_PER_COPY * number,
    )


def _prices_by_home(columns: OfferColumns, rng: np.random.Generator) -> Column:
    """One drawn reservation price per home and side, micro-currency per kWh, for every offer."""
    prices = np.empty(len(columns), np.int64)
    for side, (low, high) in ((Side.SELL, SELL_PRICES), (Side.BUY, BUY_PRICES)):
        chosen = columns.side == side
        homes, position = np.unique(columns.home_id[chosen], return_inverse=True)
        prices[chosen] = rng.integers(low, high, len(homes))[position] * UC_PER_TENTH_CENT
    return prices


def scale(base: OfferColumns, copies: int, *, priced: bool) -> OfferColumns:
    """``copies`` times the offers of ``base``, as the recipe says; cut a window after scaling, not before.

    Args:
        base: offers in the order of their files, with energies in whole units of 90,000 J.
        copies: how many times as large; 1 leaves the energies as they are.
        priced: whether homes draw reservation prices, instead of the prices of ``base``.
    """
    if copies < 1:
        raise PlanError("copies of a grid", got=copies, expected="1 or more")
    if np.any(base.energy_j % UNIT_J):
        raise PlanError(
            "energies to scale",
            got="a fraction of the unit",
            expected=f"multiples of {UNIT_J} J",
        )
    rng = np.random.default_rng(1)
    parts = []
    for number in range(copies):
        part = _copy(base, number, rng)
        # The order of draws is part of the recipe: the prices of a copy come before the energies of the next
        # one.
        parts.append(replace(part, price_uc_per_kwh=_prices_by_home(part, rng)) if priced else part)
    return OfferColumns(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in OfferColumns.__dataclass_fields__
        }
    )
