"""A village out of arithmetic alone: no download, no data, the same on every machine; for tests and fault campaigns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from light_client.rules.units import JOULES_PER_KWH, JOULES_PER_WH
from testbed.scenarios.chance import Chance
from testbed.scenarios.errors import PlanError
from testbed.scenarios.interpolation import quarters_of_hours
from testbed.scenarios.model import (
    Battery,
    HomeDay,
    Scenario,
    equal_feeders,
    numbered_homes,
)
from testbed.scenarios.planning import Posting, Prices, plan_day

INTERVAL_S = 900
HOURS = 24

LOAD_SHAPE_WH = (
    *(220, 200, 190, 190, 200, 260, 420, 560, 500, 430, 420, 460),
    *(520, 470, 430, 440, 560, 820, 1040, 980, 820, 620, 420, 280),
)
"""A family's hourly consumption (Wh): a small peak at breakfast, a large one at dinner; 11.5 kWh a day."""
SUNRISE_H, SUNSET_H = 6, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Village:
    """How large the village is and what its homes have."""

    homes_per_feeder: tuple[int, ...] = (2, 3, 1)
    c_ext_w: int = 1_000
    c_int_w: int | None = None
    pv_percent: int = 50
    """Share of the homes with modules; the first home always has them and the last never: a market exists."""
    battery_percent: int = 30
    """Share of the homes with modules that also have a battery; the first one always has."""

    def __post_init__(self) -> None:
        if sum(self.homes_per_feeder) < 2 or min(self.homes_per_feeder) < 0:
            raise PlanError(
                "homes_per_feeder",
                got=self.homes_per_feeder,
                expected="two homes or more",
            )


def _load_hours(home_id: int, chance: Chance) -> tuple[int, ...]:
    """A family's day: the common shape, its size 70..130 %, every hour 80..120 % of it; J per hour."""
    size = 70 + chance.below(61, "load size", home_id)
    return tuple(
        wh * JOULES_PER_WH * size * (80 + chance.below(41, "load hour", home_id, hour)) // 10_000
        for hour, wh in enumerate(LOAD_SHAPE_WH)
    )


def _sun_hours(peak_w: int, clouds: Chance) -> tuple[int, ...]:
    """A day of sun for modules of ``peak_w``: a parabola, each hour dimmed by the clouds of all; J per hour."""
    length = SUNSET_H - SUNRISE_H
    hours = []
    for hour in range(HOURS):
        # Twice the distance from sunrise to the middle of this hour, so that it stays whole.
        x = 2 * (hour - SUNRISE_H) + 1
        height = max(x * (2 * length - x), 0)
        clear = 85 + clouds.below(16, "clouds", hour)
        hours.append(peak_w * 3600 * height * clear // (100 * length * length))
    return tuple(hours)


def _home(home_id: int, feeder: int, *, peak_w: int, has_battery: bool, of_day: Chance) -> HomeDay:
    battery = None
    if has_battery:
        battery = Battery(capacity_j=5 * JOULES_PER_KWH, power_w=2_500, efficiency_percent=90)
    return HomeDay(
        home_id=home_id,
        feeder=feeder,
        load_j=quarters_of_hours(_load_hours(home_id, of_day)),
        pv_j=quarters_of_hours(_sun_hours(peak_w, of_day)),
        battery=battery,
    )


def village(
    *,
    seed: int,
    day: date,
    shape: Village | None = None,
    prices: Prices | None = None,
    posting: Posting | None = None,
    name: str = "village",
) -> Scenario:
    """A small grid on one day: about 6 homes on 3 feeders unless ``shape`` says otherwise."""
    shape, prices, posting = (
        shape or Village(),
        prices or Prices(),
        posting or Posting(),
    )
    chance = Chance(seed)
    of_day = Chance(chance.below(1 << 64, "day", day.isoformat()))
    places = numbered_homes(shape.homes_per_feeder)
    homes = []
    for number, (home_id, feeder) in enumerate(places):
        is_first, is_last = number == 0, number == len(places) - 1
        has_pv = is_first or (not is_last and chance.percent(shape.pv_percent, "pv", home_id))
        has_battery = has_pv and (is_first or chance.percent(shape.battery_percent, "battery", home_id))
        peak_w = 1_000 * (2 + chance.below(4, "peak", home_id)) if has_pv else 0
        homes.append(_home(home_id, feeder, peak_w=peak_w, has_battery=has_battery, of_day=of_day))
    feeders = equal_feeders(
        range(1, len(shape.homes_per_feeder) + 1),
        c_ext_w=shape.c_ext_w,
        c_int_w=shape.c_int_w,
    )
    return plan_day(
        homes,
        feeders,
        name=name,
        day=day,
        interval_s=INTERVAL_S,
        prices=prices,
        posting=posting,
        chance=chance,
    )
