"""102 prosumers on the published 11-feeder topology, out of measured home-days.

Ten measured homes give some 640 distinct working days (or 270 weekend days) within 45 days of a date; each
prosumer gets one of its own, so no two homes of the grid share a curve. All of them see the sun of the *same*
date, as neighbours do, each through the modules of its measured home. Everything follows from the seed and
the date.
Source of the topology: section 7 of the transactive-energy paper (102 homes on 11 feeders, 20 kW each).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from light_client.rules.units import JOULES_PER_KWH
from testbed.scenarios.chance import Chance
from testbed.scenarios.citylearn import DAYS, SourceHome, day_number
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
HOMES_PER_FEEDER = (9, 17, 5, 13, 8, 1, 10, 17, 5, 13, 4)
SEASON_DAYS = 45
"""A day stands for another one of the same season: at most so many days earlier or later."""
HOME_BATTERY = Battery(capacity_j=64 * JOULES_PER_KWH // 10, power_w=5_000, efficiency_percent=90)
"""The battery of the measured homes: 6.4 kWh, 5 kW, 90 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Homes102:
    """What the grid and its homes have; percentages are of homes."""

    c_ext_w: int = 20_000
    c_int_w: int | None = None
    sunny_feeders: tuple[int, ...] = (1, 7, 10)
    """Feeders of new houses: most have modules, twice as large as the measured ones."""
    sunny_pv_percent: int = 80
    sunny_nameplate_percent: int = 200
    pv_percent: int = 20
    """Share of homes with modules on the other feeders, of the measured size."""
    battery_percent: int = 40
    """Share of the homes with modules that have a battery."""


def _home_days(homes: tuple[SourceHome, ...], day: date, chance: Chance, count: int) -> list[tuple[int, int]]:
    """``count`` distinct (measured home, day) pairs of the same season and the same kind of day."""
    middle = day_number(day)
    weekend = day.weekday() >= 5
    season = [(middle + shift) % DAYS for shift in range(-SEASON_DAYS, SEASON_DAYS + 1)]
    candidates = [
        (number, at) for number, home in enumerate(homes) for at in season if home.weekend[at] is weekend
    ]
    if len(candidates) < count:
        raise PlanError(
            "measured home-days of this season",
            got=len(candidates),
            expected=f"at least {count}",
        )
    return chance.shuffled(candidates, "home-day", day.isoformat())[:count]


def _nameplate_percent(home_id: int, feeder: int, shape: Homes102, chance: Chance) -> int:
    """Size of a home's modules in percent of the measured ones; 0 for none."""
    sunny = feeder in shape.sunny_feeders
    if not chance.percent(shape.sunny_pv_percent if sunny else shape.pv_percent, "pv", home_id):
        return 0
    return shape.sunny_nameplate_percent if sunny else 100


def homes102(
    sources: tuple[SourceHome, ...],
    *,
    seed: int,
    day: date,
    shape: Homes102 | None = None,
    prices: Prices | None = None,
    posting: Posting | None = None,
    name: str = "homes102",
) -> Scenario:
    """The grid on one day. ``sources`` are the measured homes (``citylearn.read_homes``)."""
    shape, prices, posting = (
        shape or Homes102(),
        prices or Prices(),
        posting or Posting(),
    )
    chance = Chance(seed)
    places = numbered_homes(HOMES_PER_FEEDER)
    homes = []
    for (home_id, feeder), (number, at) in zip(
        places, _home_days(sources, day, chance, len(places)), strict=True
    ):
        source = sources[number]
        percent = _nameplate_percent(home_id, feeder, shape, chance)
        has_battery = percent > 0 and chance.percent(shape.battery_percent, "battery", home_id)
        nameplate_w = source.nameplate_w * percent // 100
        # Its own measured day at home, and the sun of the date that all share.
        sun = [energy * nameplate_w // 1000 for energy in source.sun_j_per_kw[day_number(day)]]
        homes.append(
            HomeDay(
                home_id=home_id,
                feeder=feeder,
                load_j=quarters_of_hours(source.load_j[at]),
                pv_j=quarters_of_hours(sun),
                battery=HOME_BATTERY if has_battery else None,
            )
        )
    feeders = equal_feeders(
        range(1, len(HOMES_PER_FEEDER) + 1),
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
