"""Homes with their measured year, interval by interval, and what each may know of it beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from firmware_app.bidding.settings import BatterySettings
from firmware_app.forecast.quantiles import QuantileForecast
from testbed.scenarios.citylearn import HOURS_PER_DAY, SourceHome

AHEAD: Final = 24
"""Intervals that a forecast tells about."""
_AHEAD_WITHOUT: Final = 6
LEVELS: Final = (50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 950)
"""Quantiles of a forecast, per mille."""
_REMEMBERED: Final = 28
_JOULES_PER_W_HOUR: Final = 3_600
_FIRST_DAY: Final = 17_014
"""Day number (UTC seconds // 86,400) of 1 August 2016, the first measured day."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class YearHome:
    """One home: generation less load of every hour, J."""

    name: str
    net_j: Ints
    sun_j: Ints
    """Of it the generation, J."""
    battery: BatterySettings | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Village:
    """Homes that trade with each other, hour by hour."""

    homes: tuple[YearHome, ...]
    interval_s: int = 3_600
    first_interval: int = _FIRST_DAY * HOURS_PER_DAY

    @property
    def ahead(self) -> int:
        """How many intervals a forecast has to tell about: a day for batteries, else as far as anybody offers ahead."""
        return AHEAD if any(home.battery is not None for home in self.homes) else _AHEAD_WITHOUT

    @property
    def intervals(self) -> int:
        """How many intervals are known."""
        return len(self.homes[0].net_j)


def village_of(sources: Sequence[SourceHome], *, days: int, battery: BatterySettings | None) -> Village:
    """The measured homes with the roofs they have, and the same battery in each.

    Args:
        days: from the first measured day on.
    """
    homes = []
    for source in sources:
        load = np.array(source.load_j[:days], np.int64)
        sun = np.array(source.sun_j_per_kw[:days], np.int64) * source.nameplate_w // 1_000
        homes.append(
            YearHome(name=source.name, net_j=(sun - load).ravel(), sun_j=sun.ravel(), battery=battery)
        )
    return Village(homes=tuple(homes))


class Foresight(Protocol):
    """What a home believes about its coming intervals."""

    def net(self, home: int, place: int) -> QuantileForecast | None:
        """Generation less load of the village's ``ahead`` intervals, from the one at ``place`` on; None: unknown."""


class SeasonalNaive:
    """Quantiles of the same hour over the last four weeks: the yardstick of every forecast, and the fallback."""

    def __init__(self, village: Village) -> None:
        self._first = village.first_interval
        self._ahead = village.ahead
        self._tables = [_quantiles(home.net_j) for home in village.homes]

    def net(self, home: int, place: int) -> QuantileForecast:
        """Hours of today out of the days before it, earlier hours of tomorrow with today's among them."""
        rows = self._tables[home][place : place + self._ahead]
        return QuantileForecast(
            first_interval=self._first + place, levels_permille=LEVELS, energy_j=rows, is_fallback=True
        )


def _quantiles(net_j: Ints) -> tuple[tuple[int, ...], ...]:
    """Per hour its quantiles over the same hour of up to 28 days before; all 0 on the first day."""
    days = net_j.reshape(-1, HOURS_PER_DAY)
    shares = np.array(LEVELS) / 1_000
    rows: list[tuple[int, ...]] = [(0,) * len(LEVELS)] * HOURS_PER_DAY
    for day in range(1, len(days)):
        known = days[max(0, day - _REMEMBERED) : day]
        table = np.quantile(known, shares, axis=0).astype(np.int64).T
        rows += [tuple(row) for row in table.tolist()]
    return tuple(rows)


class PerfectForesight:
    """Knows what will be: nobody can forecast better."""

    def __init__(self, village: Village) -> None:
        self._first = village.first_interval
        self._ahead = village.ahead
        self._net = [tuple((value,) for value in home.net_j.tolist()) for home in village.homes]

    def net(self, home: int, place: int) -> QuantileForecast:
        """The truth."""
        rows = self._net[home][place : place + self._ahead]
        return QuantileForecast(first_interval=self._first + place, levels_permille=(500,), energy_j=rows)
