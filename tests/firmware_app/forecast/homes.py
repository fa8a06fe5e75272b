"""Homes that exist nowhere: a daily shape, days of rest, chance out of a seed, by the quarter hour or any interval."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

from firmware_app.forecast.forecaster import Forecaster
from firmware_app.forecast.settings import DAY_S, ForecastSettings, Series
from light_client.rules.units import JOULES_PER_KWH
from meter_io.span import Basis

MONDAY = 20_000 // 7 * 7 + 4
"""Some day, in days since 1970, that is a Monday in UTC."""
Shape = Callable[[int, random.Random], int]


def load(interval_s: int, *, behind_utc_h: float = 0.0, summer_from_day: int | None = None) -> Shape:
    """A home that gets up at six and cooks at seven in the evening by its own clock, later on days of rest.

    From ``summer_from_day`` (days after `MONDAY`) on its clock is an hour ahead, as in summer time.
    """

    def energy(interval: int, chance: random.Random) -> int:
        hour = interval * interval_s / 3_600 - behind_utc_h
        if summer_from_day is not None and interval * interval_s // DAY_S >= MONDAY + summer_from_day:
            hour += 1
        day, hour = divmod(hour, 24)
        late = 2.0 if (int(day) + 3) % 7 >= 5 else 0.0
        kw = (
            (0.45 if 6 < hour < 23 else 0.2)
            + 0.8 * math.exp(-((hour - 7 - late) ** 2))
            + 1.6 * math.exp(-((hour - 19) ** 2) / 2)
        )
        return round(kw * chance.lognormvariate(0, 0.35) * JOULES_PER_KWH * interval_s / 3_600)

    return energy


def sun(interval_s: int, *, sky: Callable[[int], float] = lambda _: 1.0) -> Shape:
    """Five kilowatts of modules; ``sky`` says how clear a day is, 0..1, by days since 1970."""

    def energy(interval: int, chance: random.Random) -> int:
        day, second = divmod(interval * interval_s, DAY_S)
        height = math.sin(math.pi * (second / 3_600 - 6) / 12)
        if height <= 0:
            return 0
        clear = sky(day) * chance.uniform(0.85, 1.0)
        return round(5 * height * clear * JOULES_PER_KWH * interval_s / 3_600)

    return energy


def energies(shape: Shape, interval_s: int, days: int, *, seed: int = 1) -> Iterator[tuple[int, int]]:
    """(interval, energy) from `MONDAY` on."""
    chance = random.Random(seed)
    slots = DAY_S // interval_s
    for interval in range(MONDAY * slots, (MONDAY + days) * slots):
        yield interval, shape(interval, chance)


def taught(
    shape: Shape,
    days: int,
    *,
    interval_s: int = 3_600,
    series: Series = Series.LOAD,
    settings: ForecastSettings | None = None,
    seed: int = 1,
) -> Forecaster:
    """A forecaster that has seen some days."""
    forecaster = Forecaster(settings or ForecastSettings(), interval_s=interval_s, series=series)
    for interval, energy_j in energies(shape, interval_s, days, seed=seed):
        forecaster.learn(interval, energy_j, Basis.MEASURED)
    return forecaster
