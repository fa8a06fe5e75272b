"""A part of a scenario's day, as a shorter scenario of its own."""

from __future__ import annotations

from dataclasses import replace

from testbed.scenarios.errors import PlanError
from testbed.scenarios.model import Scenario


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
