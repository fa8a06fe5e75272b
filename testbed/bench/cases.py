"""What is measured: k copies of one day, whole or its busiest interval, with and without prices and limits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from light_client.rules.market.grid import Feeder, Grid
from light_client.rules.market.params import MarketParams
from light_client.rules.units import FeederId, Side
from testbed.scenarios import catalogue
from testbed.scenarios.columns import OfferColumns
from testbed.scenarios.scaling import UNIT_J, scale
from testbed.scenarios.transax import microgrid

C_EXT_W = 20_000
C_INT_W = 25_000
UNIFORM_PRICE_UC_PER_KWH = 150_000
_DAY = date(2026, 6, 14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The day that is copied."""

    name: str
    columns: OfferColumns
    interval_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One market to clear."""

    copies: int
    priced: bool
    limited: bool
    """Whether internal limits hold besides the external ones."""
    day: bool
    """A whole day, or its busiest interval."""
    columns: OfferColumns
    first_interval: int
    params: MarketParams
    grid: Grid

    @property
    def name(self) -> str:
        """A short name for tables."""
        price = "priced" if self.priced else "uniform"
        return f"x{self.copies} {'day' if self.day else 'interval'} {price}{' c_int' if self.limited else ''}"


def published_day(folder: Path) -> Base:
    """The published microgrid with batteries: folder ``withBattery`` of the data."""
    scenario = microgrid(folder, day=_DAY, c_ext_w=C_EXT_W, price_uc_per_kwh=UNIFORM_PRICE_UC_PER_KWH)
    return Base(name=scenario.name, columns=OfferColumns.of(scenario.offers), interval_s=scenario.interval_s)


def shipped_day(name: str) -> Base:
    """A scenario of the project, with energies rounded to the unit that the scaling recipe works in."""
    scenario = catalogue.build(catalogue.find(name))
    columns = OfferColumns.of(scenario.offers)
    units = np.maximum(1, np.rint(columns.energy_j / UNIT_J)).astype(np.int64)
    prices = np.full(len(columns), UNIFORM_PRICE_UC_PER_KWH)
    return Base(
        name=scenario.name,
        columns=replace(columns, energy_j=units * UNIT_J, price_uc_per_kwh=prices),
        interval_s=scenario.interval_s,
    )


def busiest_interval(columns: OfferColumns) -> int:
    """The interval in which most energy is first put on sale."""
    selling = columns.side == Side.SELL
    first = columns.first_interval[selling]
    return int(first.min() + np.bincount(first - first.min(), columns.energy_j[selling]).argmax())


def case_of(base: Base, *, copies: int, priced: bool, limited: bool, day: bool) -> Case:
    """Copy, cut, and limit; the window is cut after scaling."""
    columns = scale(base.columns, copies, priced=priced)
    first_interval = int(columns.first_interval.min())
    if not day:
        first_interval = busiest_interval(base.columns)
        columns = columns.visible(first_interval, first_interval)
    feeders = tuple(
        Feeder(feeder=FeederId(number), c_ext_w=C_EXT_W, c_int_w=C_INT_W if limited else None)
        for number in np.unique(columns.feeder).tolist()
    )
    price = None if priced else UNIFORM_PRICE_UC_PER_KWH
    return Case(
        copies=copies,
        priced=priced,
        limited=limited,
        day=day,
        columns=columns,
        first_interval=first_interval,
        params=MarketParams(interval_s=base.interval_s, uniform_price_uc_per_kwh=price),
        grid=Grid(feeders=feeders, interval_s=base.interval_s),
    )


def town(*, offers: int, feeders: int) -> Case:
    """One interval of a town: offers of 0.1 to 2 kW on a coarse price grid, both limits binding on most feeders."""
    random = np.random.default_rng(1)
    side = (random.random(offers) < 0.7).astype(np.int64)
    price = (
        np.where(side == Side.SELL, random.integers(50, 250, offers), random.integers(100, 300, offers))
        * 1_000
    )
    now = np.zeros(offers, np.int64)
    columns = OfferColumns(
        side=side,
        feeder=random.integers(1, feeders + 1, offers),
        price_uc_per_kwh=price,
        energy_j=random.integers(1, 21, offers) * UNIT_J,
        first_interval=now,
        last_interval=now,
        home_id=np.arange(offers),
        post_interval=now,
    )
    limits = tuple(
        Feeder(feeder=FeederId(number), c_ext_w=2 * C_EXT_W, c_int_w=60_000)
        for number in range(1, feeders + 1)
    )
    return Case(
        copies=1,
        priced=True,
        limited=True,
        day=False,
        columns=columns,
        first_interval=0,
        params=MarketParams(),
        grid=Grid(feeders=limits, interval_s=900),
    )
