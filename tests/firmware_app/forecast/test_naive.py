"""The naive forecast: yesterday, and how wrong yesterday was."""

from __future__ import annotations

from firmware_app.forecast.history import History
from firmware_app.forecast.naive import Naive
from firmware_app.forecast.settings import Series

_LEVELS = (100, 500, 900)


def _filled(*days: list[int | None]) -> History:
    history = History(2, 10)
    for place, energy_j in enumerate(value for day in days for value in day):
        history.record(place, energy_j)
    return history


def test_it_is_yesterday_and_the_changes_from_day_to_day() -> None:
    history = _filled([10, 100], [20, 100], [30, 100])
    naive = Naive(history, Series.LOAD, _LEVELS)
    assert (naive.point(6), naive.point(7)) == (30, 100)
    low, middle, high = naive.quantiles(7) or (0, 0, 0)
    assert (low, middle, high) == (100, 110, 110), (
        "the changes are 0, 0 here and 10, 10, 10 at the neighbours"
    )


def test_it_takes_the_last_day_that_was_measured() -> None:
    history = _filled([10, 100], [20, 100], [None, None], [None, 90])
    naive = Naive(history, Series.LOAD, _LEVELS)
    assert (naive.point(8), naive.point(9)) == (20, 90)
    assert naive.point(10) == 20, "two days ahead, of what is known today"


def test_after_more_than_a_week_all_that_is_remembered_speaks() -> None:
    history = _filled([10, 100], *([[None, 100]] * 8))
    naive = Naive(history, Series.LOAD, _LEVELS)
    assert naive.point(18) is None
    assert naive.quantiles(18) == (55, 100, 100), "of ten samples one is 10"
    assert _filled().last is None
    assert Naive(_filled(), Series.LOAD, _LEVELS).quantiles(1) is None
    assert Naive(_filled(), Series.LOAD, _LEVELS).point(1) is None


def test_only_a_net_series_may_be_negative() -> None:
    days: list[list[int | None]] = [[0, 50], [100, 50], [0, 50], [100, 50], [0, 50]]
    low = [Naive(_filled(*days), series, _LEVELS).quantiles(10) for series in (Series.LOAD, Series.NET)]
    assert low[0] is not None
    assert low[1] is not None
    assert low[0][0] == 0
    assert low[1][0] < 0


def test_one_day_alone_has_no_changes_yet() -> None:
    assert Naive(_filled([10, 20]), Series.LOAD, _LEVELS).quantiles(3) == (20, 20, 20)
