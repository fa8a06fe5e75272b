"""A scenario whose parts contradict each other is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from light_client.rules.units import Side
from testbed.scenarios.errors import PlanError
from testbed.scenarios.model import (
    Battery,
    HomeDay,
    PlannedOffer,
    Scenario,
    equal_feeders,
    first_interval_of,
    numbered_homes,
)

HOME = HomeDay(home_id=101, feeder=1, load_j=(3_600, 3_600), pv_j=(0, 7_200))
OFFER = PlannedOffer(
    home_id=101,
    feeder=1,
    side=Side.SELL,
    energy_j=3_600,
    first_interval=11,
    last_interval=11,
    price_uc_per_kwh=1,
    post_interval=9,
)
SCENARIO = Scenario(
    name="two intervals",
    interval_s=900,
    first_interval=10,
    intervals=2,
    feeders=equal_feeders([2, 1], c_ext_w=1_000, c_int_w=None),
    homes=(HOME,),
    offers=(OFFER,),
)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"feeders": SCENARIO.feeders[::-1]}, "feeders"),
        ({"homes": (HOME, HOME)}, "home ids"),
        ({"homes": (replace(HOME, feeder=3),)}, "home 101"),
        ({"intervals": 3}, "home 101"),
        ({"offers": (replace(OFFER, feeder=2),)}, "feeder of home 101"),
        ({"offers": (replace(OFFER, home_id=102),)}, "feeder of home 102"),
        ({"offers": (replace(OFFER, last_interval=12),)}, "interval of an offer"),
        ({"first_interval": 12}, "interval of an offer"),
    ],
)
def test_a_contradiction_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(PlanError, match=told):
        replace(SCENARIO, **changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"load_j": (1,)}, "generation"), ({"load_j": (1, -1)}, "0 J"), ({"pv_j": (-1, 1)}, "0 J")],
)
def test_a_home_day_that_cannot_be_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(PlanError, match=told):
        replace(HOME, **changes)


@pytest.mark.parametrize("changes", [{"capacity_j": 0}, {"power_w": 0}, {"efficiency_percent": 101}])
def test_a_battery_that_cannot_be_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(PlanError, match=next(iter(changes))):
        replace(Battery(capacity_j=1, power_w=1), **changes)


def test_what_is_asked_of_a_scenario() -> None:
    assert [feeder.feeder for feeder in SCENARIO.feeders] == [1, 2]
    assert SCENARIO.last_interval == 11
    assert list(SCENARIO.offers_posted_in(9)) == [OFFER]
    assert list(SCENARIO.offers_posted_in(10)) == []
    assert SCENARIO.energy_j(Side.SELL) == 3_600
    assert SCENARIO.energy_j(Side.BUY) == 0
    assert SCENARIO.offered_per_interval_j(Side.SELL) == (0, 3_600)


def test_numbers_of_homes_and_days() -> None:
    assert numbered_homes([2, 0, 1]) == [(101, 1), (102, 1), (301, 3)]
    assert first_interval_of(date(1970, 1, 2), 900) == 96
    assert first_interval_of(date(2026, 6, 14), 3_600) * 3_600 == 1_781_395_200
