"""The comparison is fair: nobody sees the future, all are judged alike, the numbers are those of their definition."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np
import pytest

from firmware_app.forecast.settings import Series
from light_client.rules.units import JOULES_PER_KWH
from testbed.forecasting import backtest
from testbed.forecasting.measured import MeasuredSeries
from testbed.forecasting.models import (
    LEVELS_PERMILLE,
    NAIVE,
    OURS,
    NoLibraryError,
    Peer,
    library,
    naive_rows,
    peers,
)
from testbed.forecasting.summary import Comparison


def _twisted(series: MeasuredSeries, origin: int) -> MeasuredSeries:
    """The same past and another future."""
    past, future = series.energy_j[: origin + 1], series.energy_j[origin + 1 :]
    return replace(series, energy_j=(*past, *(energy_j + 9_000_000 for energy_j in future)))


class _Recorder:
    """Stands for a model of the library: tells the mean of the last day, and keeps what it was shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, ...]] = []

    def forecast(self, *, y: Any, h: int, level: list[int]) -> dict[str, Any]:
        self.seen.append(tuple(y))
        mean = np.full(h, y[-h:].mean())
        bands = {
            f"{side}-{band}": mean + sign * band / 100
            for band in level
            for side, sign in (("lo", -1), ("hi", 1))
        }
        return {"mean": mean, **bands}


def _peer(recorder: _Recorder) -> Peer:
    return Peer(name="recorder", days=28, cheap=True, build=lambda _: recorder)


def test_no_model_sees_what_comes_after_its_origin(invented: MeasuredSeries) -> None:
    place = backtest.origins(invented, 17)[1]
    other = _twisted(invented, place)
    assert naive_rows(invented, place, 21) == naive_rows(other, place, 21)
    recorder = _Recorder()
    backtest.fitted(invented, [place], _peer(recorder))
    past = invented.energy_j[place + 1 - 28 * 24 : place + 1]
    assert recorder.seen[-1] == pytest.approx([energy_j / JOULES_PER_KWH for energy_j in past])
    # Ours is told nothing else either: it loses to a future that it cannot know, and lies below all of it.
    (honest,) = backtest.ours(invented, [place], backtest.settings()).days
    (fooled,) = backtest.ours(other, [place], backtest.settings()).days
    assert fooled.loss_j > 2 * honest.loss_j
    assert max(fooled.below) == 0


def test_origins_fall_on_all_hours_after_the_warm_up(invented: MeasuredSeries) -> None:
    places = backtest.origins(replace(invented, energy_j=invented.energy_j * 3), 17)
    assert places[0] == backtest.WARM_UP_DAYS * 24
    assert {place % 24 for place in places} == set(range(24))
    assert places[-1] + 24 < 3 * len(invented.energy_j)
    with pytest.raises(ValueError, match="shares no factor"):
        backtest.origins(invented, 6)


def test_few_origins_are_spread_evenly() -> None:
    assert backtest.spread(range(100), 4) == [12, 37, 62, 87]
    assert backtest.spread(range(3), 5) == [0, 1, 2]


def test_a_day_is_judged_as_its_definitions_say() -> None:
    series = MeasuredSeries(
        place="home 1",
        series=Series.LOAD,
        interval_s=43_200,
        first_interval=0,
        energy_j=(10, 20, 13, 20, 100, 40),
    )
    rows = [(80, 85, 90, 95, 100, 105, 110, 115, 120), (50,) * 9]
    day = backtest.judge(series, 3, rows, 0.5)
    shares = [level / 1_000 for level in LEVELS_PERMILLE]
    first = fmean(
        share * max(0, 100 - told) + (1 - share) * max(0, told - 100)
        for share, told in zip(shares, rows[0], strict=True)
    )
    second = fmean((1 - share) * 10 for share in shares)
    assert day.loss_j == pytest.approx((first + second) / 2)
    assert day.error_j == 5
    assert day.scale_j == pytest.approx((3 + 0) / 2)
    assert day.inside == 0.5
    assert day.below == (0.5, 0.5, 0.5, 0.5, 1, 1, 1, 1, 1)
    assert day.cpu_s == 0.5


def test_ratios_compare_the_same_days_only(invented: MeasuredSeries) -> None:
    settings = backtest.settings()
    places = backtest.origins(invented, 17)
    few = backtest.spread(places, 2)
    outcomes = (
        backtest.ours(invented, places, settings),
        backtest.naive(invented, places, settings),
        backtest.fitted(invented, few, _peer(_Recorder())),
    )
    comparison = Comparison(outcomes=outcomes)
    assert comparison.models == [OURS, NAIVE, "recorder"]
    lines = {line.model: line for line in comparison.lines(Series.LOAD)}
    own = {day.origin: day.loss_j for day in outcomes[0].days}
    expected = sum(day.loss_j for day in outcomes[2].days) / sum(own[place] for place in few)
    assert lines["recorder"].loss_ratio == pytest.approx(expected)
    assert lines["recorder"].forecasts == 2
    assert lines[OURS].loss_ratio == 1
    assert comparison.skills(Series.LOAD)["home 1"] == pytest.approx(1 - 1 / lines[NAIVE].loss_ratio)
    assert lines[NAIVE].mase == pytest.approx(fmean(day.error_j / day.scale_j for day in outcomes[1].days))
    assert comparison.lines(Series.NET) == []


def test_on_measured_homes_it_is_better_than_naive_at_eight_of_ten(
    measured_series: tuple[MeasuredSeries, ...],
) -> None:
    """A sample of the experiment in docs/forecast.md: autumn alone, few origins."""
    settings = backtest.settings()
    outcomes = []
    for series in measured_series:
        if series.series is Series.LOAD:
            places = backtest.origins(series, 37)
            outcomes += [judge(series, places, settings) for judge in (backtest.ours, backtest.naive)]
    skills = Comparison(outcomes=tuple(outcomes)).skills(Series.LOAD)
    assert len(skills) == 10
    assert sum(skill > 0.05 for skill in skills.values()) >= 8, skills


def test_the_librarys_models_lose_no_less_on_a_measured_home(
    measured_series: tuple[MeasuredSeries, ...],
) -> None:
    try:
        library()
    except NoLibraryError as error:
        pytest.skip(str(error))
    series = measured_series[0]
    places = backtest.origins(series, 17)
    own = backtest.ours(series, places, backtest.settings())
    cheap = [peer for peer in peers() if peer.cheap]
    assert len(cheap) == 6
    for peer in cheap:
        comparison = Comparison(outcomes=(own, backtest.fitted(series, places, peer)))
        ratios = {line.model: line.loss_ratio for line in comparison.lines(Series.LOAD)}
        assert ratios[peer.name] > 1 / 1.1, "within a tenth of every one of them"


def test_homes_are_put_at_their_hours_in_utc(measured_series: tuple[MeasuredSeries, ...]) -> None:
    assert [series.name for series in measured_series[:3]] == [
        "home 1, load",
        "home 1, generation",
        "home 1, net",
    ]
    load, sun, net = measured_series[:3]
    assert all(
        n == used - made for n, used, made in zip(net.energy_j, load.energy_j, sun.energy_j, strict=True)
    )
    by_hour = [sum(sun.energy_j[slot::24]) for slot in range(24)]
    first_hour = sun.first_interval % 24
    # In Fontana, 117.4 degrees west, the sun is highest about ten minutes before eight in the evening, UTC.
    assert (first_hour + by_hour.index(max(by_hour))) % 24 in {19, 20}


def test_the_plant_generates_by_day_and_never_draws(measured_plant: MeasuredSeries) -> None:
    assert len(measured_plant.energy_j) == 10_000
    assert min(measured_plant.energy_j) == 0
    assert 4_500 * 900 < max(measured_plant.energy_j) < 6_000 * 900
    night = [
        e
        for place, e in enumerate(measured_plant.energy_j)
        if (measured_plant.first_interval + place) % 96 == 30
    ]
    assert max(night) == 0, "half past seven UTC is half past midnight in Colorado"
