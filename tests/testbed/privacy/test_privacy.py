"""The linker finds what can be found, and nothing where there is nothing."""

from __future__ import annotations

from random import Random

import pytest

from testbed.adversaries.linker import Linker, Sighting
from testbed.privacy import ladder
from testbed.privacy.ladder import RUNGS, climb, lines_of
from testbed.privacy.measure import NothingSeenError, expose
from testbed.privacy.pairs import pairs_of
from testbed.privacy.views import VIEWS
from testbed.year.homes import SeasonalNaive, village_of
from testbed.year.run import trade_year
from testbed.year.study import tariff_terms
from tests.testbed.year.test_year import sources

HOUR_MS = 3_600_000


def seen(home: int, chance: Random, *, prices: bool = False, key: str = "") -> Sighting:
    """One address of a home that behaves like all others, but perhaps for its price."""
    first = chance.randrange(24 * 50)
    return Sighting(
        selling=chance.random() < 0.5,
        energy_j=360_000 * chance.choice([1, 2, 5]),
        price_uc_per_kwh=400_000 + 10_000 * (home if prices else chance.randrange(3)),
        first_interval=first,
        intervals=1,
        posted_ms=first * HOUR_MS - chance.randrange(HOUR_MS),
        connection=key or f"{chance.random()}",
    )


def named(*, prices: bool = False) -> float:
    """Share of addresses of eight homes that are named right."""
    chance = Random(5)
    linker = Linker(8, 3_600)
    linker.learn([(at % 8, seen(at % 8, chance, prices=prices)) for at in range(4_000)])
    hits = 0
    for at in range(800):
        probabilities = linker.posterior(seen(at % 8, chance, prices=prices))
        assert abs(sum(probabilities) - 1) < 1e-9
        hits += probabilities.index(max(probabilities)) == at % 8
    return hits / 800


def test_homes_that_behave_alike_cannot_be_told_apart() -> None:
    assert named() < 0.2


def test_a_price_of_ones_own_names_its_home() -> None:
    assert named(prices=True) == 1.0


def test_a_key_that_is_used_again_tells_everything() -> None:
    chance = Random(1)
    linker = Linker(2, 3_600)
    linker.learn([(at % 2, seen(0, chance, key=f"home {at % 2}")) for at in range(10)])
    assert linker.posterior(seen(0, chance, key="home 1")) == (0.0, 1.0)
    one, other = seen(0, chance, key="x"), seen(0, chance, key="x")
    assert linker.likeness(one, other) == 1.0


def test_pairs_are_of_one_side_and_day_and_of_different_intervals() -> None:
    chance = Random(2)
    labelled = [(at % 3, seen(at % 3, chance)) for at in range(2_000)]
    home_of = {sighting.connection: home for home, sighting in labelled}
    same, different = pairs_of(labelled, chance, 3_600, count=50)
    assert len(same) == len(different) == 50
    for pairs, equal in ((same, True), (different, False)):
        for day, one, other in pairs:
            assert day == one.first_interval // 24
            assert (home_of[one.connection] == home_of[other.connection]) is equal
            assert one.selling == other.selling
            assert one.first_interval // 24 == other.first_interval // 24
            assert one.first_interval != other.first_interval
    assert pairs_of([(0, labelled[0][1])], chance, 3_600) == ([], [])


def test_nobody_trades_and_nobody_is_seen() -> None:
    village = village_of(sources(), days=4, battery=None)
    idle = trade_year(village, None, tariff_terms(warm_up_days=1))
    for view in VIEWS:
        with pytest.raises(NothingSeenError):
            expose(idle, fresh_keys=True, view=view)


@pytest.mark.slow
def test_care_hides_more_than_none(monkeypatch: pytest.MonkeyPatch) -> None:
    some = [RUNGS[place] for place in (0, 4, 6, 9)]
    monkeypatch.setattr(ladder, "RUNGS", some)
    village = village_of(sources(homes=4, days=10), days=10, battery=None)
    measured = climb(village, tariff_terms(warm_up_days=2))
    steps = {step.rung.name: step for step in measured.steps}
    assert list(steps) == [rung.name for rung in some]
    careless, shipped = steps["careless"], steps["as shipped"]
    assert careless.exposure.linking.advantage.value == 1.0
    assert careless.exposure.hiding.effective_set.value == 1.0
    assert shipped.exposure.linking.advantage.value < 0.5
    assert shipped.exposure.hiding.effective_set.value > 1.5
    assert shipped.ledger_bytes > careless.ledger_bytes
    assert steps["single lots, 1 kWh"].traded_j < steps["price grid 0.10"].traded_j
    assert shipped.transactions == 2 * shipped.offers
    assert len(lines_of(measured)) == 2 + len(some) + 3 + len(some) + len(VIEWS)
    assert set(shipped.document()) >= {"by", "ledger_bytes", "traded_j", "transactions"}


def test_the_measure_sees_a_naive_year() -> None:
    village = village_of(sources(homes=3, days=6), days=6, battery=None)
    result = trade_year(village, SeasonalNaive(village), tariff_terms(warm_up_days=2))
    bare, hidden = expose(result, fresh_keys=False), expose(result, fresh_keys=True)
    assert bare.hiding.named.value == 1.0
    assert hidden.hiding.named.value < 1.0
    assert hidden.hiding.addresses == bare.hiding.addresses > 0
