"""What is usual: weighted quantiles, checked against their definition, and days of rest without a time zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.forecast.history import History
from firmware_app.forecast.settings import DAY_S, Series
from firmware_app.forecast.usual import Calendar, Usual, Usuals
from tests.firmware_app.forecast.homes import MONDAY, energies, load

_SAMPLES = st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(1, 5)), min_size=1, max_size=30)


@given(_SAMPLES, st.floats(0, 1))
def test_no_quantile_leaves_what_was_measured(samples: list[tuple[int, int]], share: float) -> None:
    usual = Usual([(energy, float(weight)) for energy, weight in samples])
    energies_j = [energy for energy, _ in samples]
    assert min(energies_j) <= usual.energy_at(share) <= max(energies_j)


@given(_SAMPLES)
def test_quantiles_ascend(samples: list[tuple[int, int]]) -> None:
    usual = Usual([(energy, float(weight)) for energy, weight in samples])
    values = [usual.energy_at(step / 50) for step in range(51)]
    assert values == sorted(values)


@given(_SAMPLES, st.integers(1, 99))
def test_a_quantile_divides_the_weight_as_its_definition_says(
    samples: list[tuple[int, int]], per_cent: int
) -> None:
    usual = Usual([(energy, float(weight)) for energy, weight in samples])
    value = usual.energy_at(per_cent / 100)
    total = sum(weight for _, weight in samples)
    below = sum(weight for energy, weight in samples if energy < value - 1e-6 * abs(value) - 1e-6)
    not_above = sum(weight for energy, weight in samples if energy <= value + 1e-6 * abs(value) + 1e-6)
    heaviest = max(weight for _, weight in samples)
    # Between two samples it interpolates from the middle of one to the middle of the other.
    assert below - heaviest <= per_cent / 100 * total <= not_above + heaviest


@given(st.lists(st.integers(-(10**9), 10**9), min_size=2, max_size=30, unique=True), st.integers(1, 99))
def test_a_share_and_its_energy_are_each_others_inverse(values: list[int], per_cent: int) -> None:
    usual = Usual([(energy, 1.0) for energy in values])
    first, last = 0.5 / len(values), 1 - 0.5 / len(values)
    share = min(max(per_cent / 100, first), last)
    energy = usual.energy_at(share)
    low, high = usual.share_of(int(energy // 1)), usual.share_of(int(energy // 1) + 1)
    assert low - 1e-9 <= share <= high + 1e-9


def test_an_energy_that_was_seen_several_times_lies_in_the_middle_of_its_share() -> None:
    usual = Usual([(0, 1.0), (0, 1.0), (0, 1.0), (8, 1.0)])
    assert usual.share_of(0) == pytest.approx(3 / 8)
    assert usual.share_of(-1) == 0.0
    assert usual.share_of(9) == 1.0
    assert Usual([(0, 1.0), (0, 0.5)]).constant
    assert not usual.constant


@pytest.mark.parametrize("behind_utc_h", [-11, -8, -1, 0, 5, 8])
def test_days_of_rest_are_the_homes_own_wherever_it_stands(behind_utc_h: int) -> None:
    slots = 24
    history, calendar = History(slots, 21), Calendar(slots)
    for interval, energy_j in energies(load(3_600, behind_utc_h=behind_utc_h), 3_600, 22):
        history.record(interval, energy_j)
    calendar.learn(history)
    wrong = 0
    for interval in range(MONDAY * slots, (MONDAY + 14) * slots):
        local = datetime.fromtimestamp((interval - behind_utc_h) * 3_600, UTC)
        wrong += calendar.is_rest(interval) != (local.weekday() >= 5)
    assert wrong <= 14 * 5, "the home's day may begin at four in the morning, not later"


def test_in_utc_alone_days_of_rest_would_be_half_wrong() -> None:
    """The broken twin: what the calendar says before it has learnt where the home's day begins."""
    calendar = Calendar(24)
    wrong = 0
    for interval in range(MONDAY * 24, (MONDAY + 14) * 24):
        local = datetime.fromtimestamp((interval - 11) * 3_600, UTC)
        wrong += calendar.is_rest(interval) != (local.weekday() >= 5)
    assert wrong > 2 * 2 * 5, "four changes between work and rest, each wrong for many hours"


def test_a_calendar_learns_nothing_from_a_day_with_holes() -> None:
    history, calendar = History(24, 7), Calendar(24)
    for interval in range(23):
        history.record(interval, interval)
    calendar.learn(history)
    assert calendar.start == 0


def test_a_younger_day_and_one_of_the_same_type_count_more() -> None:
    slots = DAY_S // 3_600
    history = History(slots, 21)
    for day in range(MONDAY, MONDAY + 14):  # until a Sunday
        for slot in range(slots):
            history.record(day * slots + slot, 1_000 if (day + 3) % 7 >= 5 else 100)
    usuals = Usuals(history, Calendar(slots), Series.LOAD, 7)
    monday, saturday = (usuals.of((MONDAY + day) * slots + 12) for day in (14, 19))
    assert monday is not None
    assert saturday is not None
    assert monday.energy_at(0.5) == 100
    assert saturday.share_of(100) < monday.share_of(100)


def test_generation_looks_at_its_own_slot_alone_and_knows_no_weekend() -> None:
    history = History(24, 7)
    for interval in range(24 * 7):
        history.record(interval, interval % 24)
    calendar = Calendar(24)
    sun = Usuals(history, calendar, Series.GENERATION, 7).of(24 * 7 + 9)
    habit = Usuals(history, calendar, Series.LOAD, 7).of(24 * 7 + 9)
    assert sun is not None
    assert habit is not None
    assert (sun.energy_at(0), sun.energy_at(1)) == (9, 9)
    assert (habit.energy_at(0), habit.energy_at(1)) == (8, 10)


def test_nothing_is_usual_where_nothing_is_remembered() -> None:
    history = History(24, 7)
    usuals = Usuals(history, Calendar(24), Series.LOAD, 7)
    assert usuals.of(5) is None
    history.record(5, 100)
    assert usuals.of(5 + 24 * 40) is None
