"""A part of a scenario's day, or the same day several times over, as a scenario of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from testbed.scenarios.errors import PlanError
from testbed.scenarios.model import Scenario

_MOST_DAYS: Final = 31


def part_of(scenario: Scenario, *, skip: int, intervals: int) -> Scenario:
    """The same homes and feeders from interval `skip` of the day on, for `intervals` intervals.

    Offers that reach out of the part on either side are left out.

    Raises:
        PlanError: the day has no such part.
    """
    if skip < 0 or intervals < 1 or skip + intervals > scenario.intervals:
        raise PlanError(
            "part of a day (skip, intervals)",
            got=(skip, intervals),
            expected=f"a part of the {scenario.intervals} intervals of {scenario.name}",
        )
    first = scenario.first_interval + skip
    last = first + intervals - 1
    return replace(
        scenario,
        first_interval=first,
        intervals=intervals,
        homes=tuple(
            replace(
                home,
                load_j=home.load_j[skip : skip + intervals],
                pv_j=home.pv_j[skip : skip + intervals],
            )
            for home in scenario.homes
        ),
        offers=tuple(
            offer
            for offer in scenario.offers
            if first <= offer.first_interval and offer.last_interval <= last
        ),
    )


def repeated(scenario: Scenario, *, days: int) -> Scenario:
    """The same day `days` times, one after the other: homes do and plan each day what they did the day before.

    Raises:
        PlanError: there is no such number of days.
    """
    if not 1 <= days <= _MOST_DAYS:
        raise PlanError("days of a scenario", got=days, expected=f"1 to {_MOST_DAYS}")
    shifts = [day * scenario.intervals for day in range(days)]
    return replace(
        scenario,
        intervals=scenario.intervals * days,
        homes=tuple(
            replace(home, load_j=home.load_j * days, pv_j=home.pv_j * days) for home in scenario.homes
        ),
        offers=tuple(
            replace(
                offer,
                first_interval=offer.first_interval + shift,
                last_interval=offer.last_interval + shift,
                post_interval=offer.post_interval + shift,
            )
            for shift in shifts
            for offer in scenario.offers
        ),
    )
