"""The forecaster as a whole: better than naive on a home with habits, honest about when it is not, bounded always."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_app.forecast.forecaster import Forecaster, Mode
from firmware_app.forecast.settings import ForecastSettings, Series
from light_client.rules.errors import LocalError
from meter_io.span import Basis
from tests.firmware_app.forecast.homes import MONDAY, energies, load, sun, taught

_HOUR = 3_600


@pytest.mark.parametrize("interval_s", [900, 3_600])
def test_on_a_home_with_habits_it_beats_naive_and_covers_what_it_says(interval_s: int) -> None:
    forecaster = taught(load(interval_s), 28, interval_s=interval_s)
    score = forecaster.score()
    assert forecaster.status().mode is Mode.LEARNT
    assert score.skill_permille is not None
    assert score.skill_permille > 150
    assert score.coverage_permille == pytest.approx(score.nominal_permille, abs=50)
    assert score.intervals > 5 * 86_400 // interval_s


def test_an_evening_is_forecast_higher_than_a_night() -> None:
    forecaster = taught(load(_HOUR), 14)
    told = forecaster.predict((MONDAY + 14) * 24, 24)
    assert not told.is_fallback
    assert told.at(told.first_interval + 19, 500) > 3 * told.at(told.first_interval + 3, 500)
    assert told.at(told.first_interval + 19, 900) > told.at(told.first_interval + 19, 100)


def test_the_sun_does_not_shine_at_night() -> None:
    forecaster = taught(sun(_HOUR), 14, series=Series.GENERATION)
    told = forecaster.predict((MONDAY + 14) * 24, 24)
    assert set(told.energy_j[2]) == {0}
    assert told.energy_j[12][0] > 0


def _noon_after_a_morning(today: float) -> int:
    """Median of the noon of a day of which the morning is known, after forty days of changing skies."""
    days = 40

    def sky(day: int) -> float:
        return today if day == MONDAY + days else (0.25, 1.0, 0.6, 1.0, 0.35)[day % 5]

    forecaster = Forecaster(ForecastSettings(), interval_s=_HOUR, series=Series.GENERATION)
    dawn = (MONDAY + days) * 24
    for interval, energy_j in energies(sun(_HOUR, sky=sky), _HOUR, days + 1):
        if interval < dawn + 10:
            forecaster.learn(interval, energy_j)
    return forecaster.predict(dawn + 10, 6).at(dawn + 12, 500)


def test_a_cloudy_morning_makes_a_cloudier_noon() -> None:
    assert _noon_after_a_morning(0.2) < 0.7 * _noon_after_a_morning(1.0)


def test_before_it_knows_enough_it_says_so_and_is_naive() -> None:
    forecaster = taught(load(_HOUR), 2)
    told = forecaster.predict((MONDAY + 2) * 24, 24)
    assert told.is_fallback
    assert "48 intervals measured, 72 needed" in forecaster.status().reason
    assert len(told.energy_j) == 24


def test_where_nothing_is_known_nothing_is_told() -> None:
    forecaster = Forecaster(ForecastSettings(), interval_s=_HOUR, series=Series.LOAD)
    told = forecaster.predict(1_000, 24)
    assert told.is_fallback
    assert told.energy_j == ()
    with pytest.raises(LocalError):
        told.at(1_000, 500)


def test_when_naive_is_better_naive_speaks_until_it_is_not() -> None:
    """Every day is the double of the day before for a while: yesterday knows better than three weeks."""
    forecaster = Forecaster(ForecastSettings(), interval_s=_HOUR, series=Series.LOAD)
    modes, energy_j = [], 1_000.0
    for day in range(100):
        growing = 10 <= day < 22
        energy_j *= 1.8 if growing else 1.0
        for slot in range(24):
            # 3 % of a regular wobble, or the naive forecast could not be beaten afterwards
            forecaster.learn(
                day * 24 + slot, round(energy_j * (1 + 0.03 * ((7 * day + 5 * slot) % 11 - 5) / 5))
            )
        modes.append(forecaster.status().mode)
        if forecaster.status().mode is Mode.WORSE:
            assert forecaster.predict(day * 24 + 24, 24).is_fallback
            assert "the naive one" in forecaster.status().reason
    assert Mode.WORSE in modes[10:26]
    assert modes[-1] is Mode.LEARNT
    assert modes.index(Mode.WORSE) < len(modes) - modes[::-1].index(Mode.WORSE) < 60


def test_only_measured_intervals_are_learnt() -> None:
    forecaster = taught(load(_HOUR), 14)
    before = forecaster.predict((MONDAY + 15) * 24, 24).energy_j
    for slot in range(24):
        forecaster.learn(
            (MONDAY + 14) * 24 + slot, 50_000_000, Basis.ESTIMATED if slot % 2 else Basis.UNKNOWN
        )
    assert max(map(max, forecaster.predict((MONDAY + 15) * 24, 24).energy_j)) <= max(map(max, before)) * 1.5


def test_more_than_the_connection_carries_is_not_learnt() -> None:
    settings = ForecastSettings(power_limit_w=10_000)
    forecaster = taught(load(_HOUR), 14, settings=settings)
    measured = forecaster.status().measured
    forecaster.learn((MONDAY + 14) * 24, 10_001 * _HOUR)
    assert forecaster.status().refused == 1
    assert forecaster.status().measured == measured
    forecaster.learn((MONDAY + 14) * 24 + 1, 10_000 * _HOUR)
    assert forecaster.status().measured == measured + 1


def test_a_load_below_zero_is_somebodys_mistake() -> None:
    for series in (Series.LOAD, Series.GENERATION):
        with pytest.raises(LocalError, match="0 or more"):
            Forecaster(ForecastSettings(), interval_s=_HOUR, series=series).learn(1, -1)
    Forecaster(ForecastSettings(), interval_s=_HOUR, series=Series.NET).learn(1, -1)


_DAYS = st.lists(
    st.lists(st.none() | st.integers(0, 10**8) | st.just(0), min_size=4, max_size=4), min_size=4, max_size=25
)


@settings(max_examples=60)
@given(_DAYS, st.sampled_from(Series), st.integers(1, 8))
def test_no_forecast_leaves_what_is_remembered(
    days: list[list[int | None]], series: Series, count: int
) -> None:
    """Whatever a home does, a learnt quantile lies between the least and the most of the days remembered."""
    forecaster = Forecaster(ForecastSettings(power_limit_w=5_000), interval_s=21_600, series=series)
    sign = -1 if series is Series.NET else 1
    seen: list[tuple[int, int]] = []
    interval = 400
    for day in days:
        for energy_j in day:
            value = None if energy_j is None else sign * energy_j
            forecaster.learn(interval, value)
            if value is not None:
                seen.append((interval, value))
            interval += 1
    told = forecaster.predict(interval, count)
    remembered = [value for then, value in seen if then >= interval - 21 * 4]
    for row in told.energy_j:
        width = max(remembered) - min(remembered)
        allowed = 0 if not told.is_fallback else width
        assert min(remembered) - allowed <= row[0] <= row[-1] <= max(remembered) + allowed


@pytest.mark.parametrize(
    ("interval_s", "power_w"), [(0, 1_000), (7_000, 1_000), (60, 1_000), (86_400, 1_000), (3_600, 600_000)]
)
def test_an_interval_must_divide_the_day_and_hold_what_the_connection_carries(
    interval_s: int, power_w: int
) -> None:
    with pytest.raises(LocalError):
        Forecaster(ForecastSettings(power_limit_w=power_w), interval_s=interval_s, series=Series.LOAD)


@pytest.mark.parametrize("count", [0, 49])
def test_it_looks_two_days_ahead_and_no_farther(count: int) -> None:
    forecaster = taught(load(_HOUR), 7)
    assert len(forecaster.predict((MONDAY + 7) * 24, 48).energy_j) == 48
    with pytest.raises(LocalError, match="1 to 48"):
        forecaster.predict((MONDAY + 7) * 24, count)


@pytest.mark.parametrize(
    "change",
    [
        {"levels_permille": (100, 900)},
        {"levels_permille": (500, 100)},
        {"levels_permille": (0, 500)},
        {"levels_permille": (500, 1_000)},
        {"levels_permille": tuple(range(400, 600))},
        {"history_days": 6},
        {"half_life_days": 0},
        {"least_days": 1},
        {"least_days": 22},
        {"power_limit_w": 0},
        {"scored_lead_min": 0},
        {"score_half_life_days": 57},
    ],
)
def test_settings_out_of_their_bounds_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(LocalError, match=r"\[forecast\]"):
        ForecastSettings(**change)  # type: ignore[arg-type]


def test_memory_is_bounded() -> None:
    homes = list(energies(load(_HOUR), _HOUR, 36))
    forecaster = Forecaster(ForecastSettings(), interval_s=_HOUR, series=Series.LOAD)
    for interval, energy_j in homes[: 30 * 24]:
        forecaster.learn(interval, energy_j)
    tracemalloc.start()
    try:
        for interval, energy_j in homes[30 * 24 :]:
            forecaster.learn(interval, energy_j)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 60_000, "what is new replaces what is old"
