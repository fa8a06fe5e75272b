"""The village: the same for one seed, different for another, a market on every one."""

from __future__ import annotations

from datetime import date
from hashlib import sha256

import pytest

from light_client.rules.units import LOT_J, Side
from testbed.scenarios.errors import PlanError
from testbed.scenarios.synthetic import Village, village

DAY = date(2026, 6, 14)


def test_a_seed_and_a_day_give_one_village() -> None:
    assert village(seed=5, day=DAY) == village(seed=5, day=DAY)
    assert village(seed=5, day=DAY).homes != village(seed=6, day=DAY).homes
    other_day = village(seed=5, day=date(2026, 6, 15))
    assert other_day.homes != village(seed=5, day=DAY).homes


def test_the_village_is_the_same_on_every_machine() -> None:
    text = repr(village(seed=1, day=DAY))
    assert sha256(text.encode()).hexdigest()[:16] == "f362a4f6bf5b9ebc"


def test_homes_keep_their_roofs_from_day_to_day() -> None:
    def roofs(day: date) -> list[bool]:
        return [any(home.pv_j) for home in village(seed=5, day=day).homes]

    assert roofs(DAY) == roofs(date(2026, 7, 1))


@pytest.mark.parametrize("seed", range(20))
def test_every_village_has_a_market(seed: int) -> None:
    scenario = village(seed=seed, day=DAY)
    assert len(scenario.homes) == 6
    assert [feeder.feeder for feeder in scenario.feeders] == [1, 2, 3]
    sells = [offer for offer in scenario.offers if offer.side is Side.SELL]
    buys = [offer for offer in scenario.offers if offer.side is Side.BUY]
    assert any(offer.last_interval > offer.first_interval for offer in sells), "a battery"
    assert any(
        s.price_uc_per_kwh <= b.price_uc_per_kwh and s.first_interval == b.first_interval
        for s in sells
        for b in buys
    )
    assert all(offer.energy_j % LOT_J == 0 for offer in scenario.offers)


def test_consumption_is_that_of_homes() -> None:
    for home in village(seed=1, day=DAY).homes:
        assert 7 < sum(home.load_j) / 3.6e6 < 18
        assert home.pv_j[:20] == (0,) * 20, "no sun before five"


def test_a_village_of_one_is_refused() -> None:
    with pytest.raises(PlanError, match="homes_per_feeder"):
        Village(homes_per_feeder=(1,))
