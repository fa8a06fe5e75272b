"""Who forecasts: the device's own forecaster, the naive ones, and models of ``statsforecast`` where it is installed.

A model is asked at an origin for the quantiles 0.1 to 0.9 of the next day, and is given what was measured up to there,
nothing else. The device's forecaster learns interval by interval, as on the board; the others get the stretch of the
past that they are fitted to, anew at every origin.

Models of the library give Gaussian or conformal intervals of 20, 40, 60 and 80 %; their ends and the mean are the nine
quantiles. What cannot be negative is cut off at 0 for every model alike.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from firmware_app.forecast.history import History
from firmware_app.forecast.naive import Naive
from firmware_app.forecast.settings import Series
from light_client.rules.units import JOULES_PER_KWH
from testbed.forecasting.measured import MeasuredSeries

LEVELS_PERMILLE: Final = tuple(range(100, 1_000, 100))
OURS: Final = "gridlight"
NAIVE: Final = "naive"
_BANDS: Final = (20, 40, 60, 80)
_KEYS: Final = ("lo-80", "lo-60", "lo-40", "lo-20", "mean", "hi-20", "hi-40", "hi-60", "hi-80")
_CONFORMAL_DAYS: Final = 20
_WEEKS: Final = 4

Rows = list[tuple[int, ...]]


class NoLibraryError(Exception):
    """The statistics library is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One model that is fitted anew at every origin."""

    name: str
    days: int
    """Of the past that it is given."""
    cheap: bool
    """Whether it costs milliseconds, so that every origin can be asked."""
    build: Callable[[int], Any]
    """Makes the library's model for a number of intervals a day."""

    def forecast(self, model: Any, series: MeasuredSeries, origin: int) -> Rows:
        """Nine quantiles of the day after ``origin`` (the place of the last interval known), J."""
        import numpy as np  # noqa: PLC0415 only where models are compared

        slots = series.slots
        past = np.asarray(series.energy_j[origin + 1 - self.days * slots : origin + 1], np.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a fit that did not converge is judged by its forecast
            told = model.forecast(y=past / JOULES_PER_KWH, h=slots, level=list(_BANDS))
        table = np.stack([told[key] for key in _KEYS], axis=1) * JOULES_PER_KWH
        if series.series is not Series.NET:
            table = np.maximum(table, 0)
        # A band of the library may cross its mean by a rounding error.
        return [tuple(sorted(round(value) for value in row)) for row in table.tolist()]


def library() -> Any:
    """The module ``statsforecast.models``.

    Raises:
        NoLibraryError: it is not installed.
    """
    try:
        from statsforecast import models  # noqa: PLC0415 an extra
    except ImportError as error:
        raise NoLibraryError(
            "statsforecast is not installed: pip install 'gridlight[experiments]'"
        ) from error
    return models


def peers() -> tuple[Peer, ...]:
    """Every model of the library that is compared, the cheap ones first.

    Raises:
        NoLibraryError: it is not installed.
    """
    models = library()
    from statsforecast.utils import ConformalIntervals  # noqa: PLC0415 an extra

    def conformal(slots: int) -> Any:
        return ConformalIntervals(h=slots, n_windows=_CONFORMAL_DAYS)

    month = _WEEKS * 7
    return (
        Peer(name="SeasonalNaive", days=month, cheap=True, build=models.SeasonalNaive),
        Peer(
            name="SeasonalNaive-week", days=2 * month, cheap=True, build=lambda s: models.SeasonalNaive(7 * s)
        ),
        Peer(
            name="SeasonalNaive-conformal",
            days=month,
            cheap=True,
            build=lambda s: models.SeasonalNaive(s, prediction_intervals=conformal(s)),
        ),
        Peer(
            name="WindowAverage-conformal",
            days=month,
            cheap=True,
            build=lambda s: models.SeasonalWindowAverage(s, 7, prediction_intervals=conformal(s)),
        ),
        Peer(
            name="SeasonalES-conformal",
            days=month,
            cheap=True,
            build=lambda s: models.SeasonalExponentialSmoothing(s, 0.2, prediction_intervals=conformal(s)),
        ),
        Peer(
            name="ConformalSeasonalPool",
            days=month,
            cheap=True,
            build=lambda s: models.ConformalSeasonalPool(season_length=s),
        ),
        Peer(name="AutoTheta", days=month, cheap=False, build=lambda s: models.AutoTheta(season_length=s)),
        Peer(name="AutoCES", days=month, cheap=False, build=lambda s: models.AutoCES(season_length=s)),
        Peer(name="AutoETS", days=month, cheap=False, build=lambda s: models.AutoETS(season_length=s)),
        Peer(name="MSTL", days=2 * month, cheap=False, build=lambda s: models.MSTL(season_length=[s, 7 * s])),
        Peer(name="AutoARIMA", days=month, cheap=False, build=lambda s: models.AutoARIMA(season_length=s)),
    )


def naive_rows(series: MeasuredSeries, origin: int, days: int) -> Rows:
    """The device's own fallback at an origin: yesterday, and how wrong yesterday was on the days before."""
    history = History(series.slots, days)
    begin = max(0, origin + 1 - days * series.slots)
    for place in range(begin, origin + 1):
        history.record(series.first_interval + place, series.energy_j[place])
    naive = Naive(history, series.series, LEVELS_PERMILLE)
    first = series.first_interval + origin + 1
    rows = [naive.quantiles(interval) for interval in range(first, first + series.slots)]
    return [row for row in rows if row is not None]


def median(rows: Sequence[tuple[int, ...]]) -> list[int]:
    """The middle column."""
    return [row[len(LEVELS_PERMILLE) // 2] for row in rows]
