"""102 prosumers out of ten homes: the topology, a home-day each, a market that meets its limits."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from light_client.rules.units import LOT_J, Side
from testbed.scenarios.citylearn import DAYS, SourceHome
from testbed.scenarios.errors import PlanError
from testbed.scenarios.homes102 import HOMES_PER_FEEDER, Homes102, homes102
from testbed.scenarios.model import Scenario

DAY = date(2026, 6, 14)


def _made_up(homes: int = 10) -> tuple[SourceHome, ...]:
    """Homes whose hourly load tells home and day, so that a home-day can be recognised."""
    sun = tuple(max(0, 36 - (hour - 12) ** 2) * 70_000 for hour in range(24))
    return tuple(
        SourceHome(
            name=f"H{number}",
            nameplate_w=4_000,
            load_j=tuple((3_600_000 + 1_000 * number + 4 * day,) * 24 for day in range(DAYS)),
            sun_j_per_kw=tuple(sun for _ in range(DAYS)),
            weekend=tuple(day % 7 >= 5 for day in range(DAYS)),
        )
        for number in range(homes)
    )


def _binding_potential(scenario: Scenario) -> set[int]:
    """Feeders whose own surplus exceeds what may leave them in some interval."""
    net: Counter[tuple[int, int]] = Counter()
    for offer in scenario.offers:
        if offer.first_interval == offer.last_interval:
            sign = 1 if offer.side is Side.SELL else -1
            net[offer.feeder, offer.first_interval] += sign * offer.energy_j
    limit = {int(feeder.feeder): feeder.c_ext_w * scenario.interval_s for feeder in scenario.feeders}
    return {feeder for (feeder, _), energy in net.items() if energy > limit[feeder]}


def test_topology() -> None:
    scenario = homes102(_made_up(), seed=1, day=DAY)
    assert len(scenario.homes) == 102
    assert [sum(home.feeder == number for home in scenario.homes) for number in range(1, 12)] == list(
        HOMES_PER_FEEDER
    )
    assert {(feeder.c_ext_w, feeder.c_int_w) for feeder in scenario.feeders} == {(20_000, None)}
    assert scenario.intervals == 96


def test_no_two_homes_share_a_home_day() -> None:
    scenario = homes102(_made_up(), seed=1, day=DAY)
    assert len({home.load_j for home in scenario.homes}) == 102


def test_home_days_are_of_the_season_and_the_kind_of_day() -> None:
    for day, weekend in ((DAY, True), (date(2026, 6, 15), False)):
        scenario = homes102(_made_up(), seed=1, day=day)
        for home in scenario.homes:
            number = (home.load_j[0] * 4 - 3_600_000) % 1_000 // 4
            # The made-up load carries the day modulo 250: compare both candidates.
            days = [at for at in (number, number + 250) if at < DAYS]
            assert any((at % 7 >= 5) is weekend and abs(at - 317) <= 46 for at in days)


def test_everything_follows_from_seed_and_day() -> None:
    sources = _made_up()
    assert homes102(sources, seed=1, day=DAY) == homes102(sources, seed=1, day=DAY)
    assert homes102(sources, seed=1, day=DAY).homes != homes102(sources, seed=2, day=DAY).homes
    assert homes102(sources, seed=1, day=DAY).homes != homes102(sources, seed=1, day=date(2026, 6, 15)).homes


def test_too_few_measured_days_are_refused() -> None:
    with pytest.raises(PlanError, match="home-days"):
        homes102(_made_up(homes=3), seed=1, day=DAY)


def test_a_battery_only_where_there_are_modules() -> None:
    scenario = homes102(_made_up(), seed=1, day=DAY, shape=Homes102(battery_percent=100))
    assert all((home.battery is not None) == any(home.pv_j) for home in scenario.homes)
    assert any(home.battery for home in scenario.homes)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_real_day_is_a_market_with_limits(measured_homes: tuple[SourceHome, ...], seed: int) -> None:
    scenario = homes102(measured_homes, seed=seed, day=DAY)
    sold, wanted = (scenario.energy_j(side) / 3.6e6 for side in Side)
    assert 700 < sold < 1_300
    assert 1_800 < wanted < 2_900
    noon = slice(44, 60)
    supply = sum(scenario.offered_per_interval_j(Side.SELL)[noon])
    demand = sum(scenario.offered_per_interval_j(Side.BUY)[noon])
    assert 0.5 < supply / demand < 2, "both substantial at midday"
    assert _binding_potential(scenario) >= {1, 7}, "feeders with many modules reach 20 kW"
    assert any(offer.last_interval > offer.first_interval for offer in scenario.offers), "batteries"
    assert all(offer.energy_j % LOT_J == 0 for offer in scenario.offers)


def test_the_limit_check_sees_a_grid_whose_feeders_never_fill(measured_homes: tuple[SourceHome, ...]) -> None:
    roomy = homes102(measured_homes, seed=1, day=DAY, shape=Homes102(c_ext_w=200_000))
    assert _binding_potential(roomy) == set()
