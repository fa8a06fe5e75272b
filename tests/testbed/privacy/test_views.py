"""Each adversary sees what it has and no more; the controls find everything and nothing."""

from __future__ import annotations

from dataclasses import replace
from math import log2
from random import Random

import pytest

from testbed.adversaries.linker import Stranger
from testbed.privacy.measure import expose
from testbed.privacy.views import BLIND, COLLUDING, MINER, NOBODY_KNOWN, ONE_DAY, VIEWS, WEEKS
from testbed.year.homes import SeasonalNaive, village_of
from testbed.year.run import YearResult, trade_year
from testbed.year.study import tariff_terms
from tests.testbed.privacy.test_privacy import HOUR_MS, seen
from tests.testbed.year.test_year import sources


@pytest.fixture(scope="module")
def week() -> YearResult:
    """Five homes that trade for some days."""
    village = village_of(sources(homes=5, days=8), days=8, battery=None)
    return trade_year(village, SeasonalNaive(village), tariff_terms(warm_up_days=2))


def test_a_ledger_reader_sees_neither_moments_nor_connections() -> None:
    one = seen(0, Random(1), key="home 0")
    read = NOBODY_KNOWN.of(one, HOUR_MS, 7)
    assert read.posted_ms % HOUR_MS == 0
    assert one.posted_ms - read.posted_ms < HOUR_MS
    assert read.connection == "address 7"
    assert replace(read, posted_ms=one.posted_ms, connection=one.connection) == one
    assert MINER.of(one, HOUR_MS, 7) == one


def test_control_who_sees_nothing_finds_nothing(week: YearResult) -> None:
    for fresh in (True, False):
        nothing = expose(week, fresh_keys=fresh, view=BLIND)
        assert nothing.linking.accuracy.value == 0.5
        assert nothing.hiding.effective_set.value == pytest.approx(nothing.hiding.prior_set, rel=1e-12)
        assert nothing.hiding.named.value == pytest.approx(nothing.hiding.guessed)


def test_control_a_key_that_is_used_again_tells_all_but_a_ledger_reader(week: YearResult) -> None:
    for view in (MINER, COLLUDING, WEEKS):
        found = expose(week, fresh_keys=False, view=view)
        assert found.linking.accuracy.value == 1.0
        assert found.hiding.effective_set.value == 1.0
        assert (found.hiding.worst_bits, found.hiding.worst_named) == (0.0, 1.0)
        assert found.hiding.surprise_bits == 0.0
    assert expose(week, fresh_keys=False, view=ONE_DAY).linking.accuracy.value < 1.0


def test_homes_that_tell_are_no_hiding_place(week: YearResult) -> None:
    alone, with_others = (expose(week, fresh_keys=True, view=view) for view in (COLLUDING, MINER))
    assert alone.hiding.homes == pytest.approx(2.0), "two of five homes do not tell"
    assert alone.hiding.addresses < with_others.hiding.addresses


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_measure_lies_in_its_range(view: object, week: YearResult) -> None:
    found = expose(week, fresh_keys=True, view=view)  # type: ignore[arg-type]
    accuracy, hiding = found.linking.accuracy, found.hiding
    assert 0.0 <= accuracy.low <= accuracy.high <= 1.0
    assert found.linking.advantage.value == 2 * accuracy.value - 1
    assert 1.0 <= hiding.effective_set.value <= hiding.homes * (1 + 1e-12), "never more than there are"
    assert 1.0 <= hiding.prior_set <= hiding.homes * (1 + 1e-12)
    assert hiding.effective_set.low <= hiding.effective_set.value <= hiding.effective_set.high
    assert 0.0 <= hiding.degree.value <= 1.0
    assert 0.0 <= hiding.worst_bits <= log2(hiding.effective_set.value) + 1e-9, "the worst are no better off"
    assert 0.0 <= hiding.named.value <= 1.0
    assert 0.0 <= hiding.worst_named <= 1.0
    assert hiding.surprise_bits >= 0.0


def test_a_stranger_counts_what_is_rare() -> None:
    chance = Random(3)
    stranger = Stranger(3_600)
    common = [seen(0, chance) for _ in range(200)]
    rare = [replace(common[0], price_uc_per_kwh=1), replace(common[1], price_uc_per_kwh=1)]
    stranger.learn([*common, *rare])
    same_price = replace(common[1], price_uc_per_kwh=common[0].price_uc_per_kwh, selling=common[0].selling)
    alike = replace(same_price, price_uc_per_kwh=1), replace(common[0], price_uc_per_kwh=1)
    assert stranger.likeness(*alike) > stranger.likeness(same_price, common[0]) >= 0.0
