"""Rolling forecasts over a measured year: every model sees the past alone and is judged on the day that followed.

The first weeks are learnt and not judged. From then on there is an origin every ``step`` intervals, and ``step`` shares
no factor with the day, so that origins fall on all hours. The device's forecaster is judged at all of them; models that
cost seconds at some, evenly spread, and always beside the device's forecaster at the very same ones.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Final

from firmware_app.forecast.forecaster import Forecaster
from firmware_app.forecast.score import pinball
from firmware_app.forecast.settings import ForecastSettings
from testbed.forecasting.measured import MeasuredSeries
from testbed.forecasting.models import LEVELS_PERMILLE, NAIVE, OURS, Peer, median, naive_rows

WARM_UP_DAYS: Final = 56
"""What the model with the longest past needs before its first origin."""
_SCALE_DAYS: Final = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One forecast of a day."""

    origin: int
    loss_j: float
    """Mean pinball loss over levels and intervals, J."""
    error_j: float
    """Mean absolute error of the median, J."""
    scale_j: float
    """Mean absolute change from one day to the next in the four weeks before: the denominator of MASE, J."""
    below: tuple[float, ...]
    """Per level, the share of the day's intervals at or below the quantile."""
    inside: float
    """Share within the outermost levels."""
    cpu_s: float
    """CPU time of this forecast, with the fit where the model is fitted anew, else with one interval's learning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one model did on one series."""

    series: MeasuredSeries
    model: str
    days: tuple[Judged, ...]
    fallbacks: int = 0
    """How many of them the naive forecast made."""


def origins(series: MeasuredSeries, step: int) -> list[int]:
    """Places of the last interval known, one for each forecast.

    Raises:
        ValueError: the step has a factor in common with the day, so that origins would miss hours.
    """
    if gcd(step, series.slots) != 1:
        raise ValueError(f"a step shares no factor with the {series.slots} intervals of a day, got {step}")
    return list(range(WARM_UP_DAYS * series.slots, len(series.energy_j) - series.slots, step))


def spread(places: Sequence[int], count: int) -> list[int]:
    """``count`` of them, evenly spread; all if there are no more."""
    if count >= len(places):
        return list(places)
    return [places[(2 * index + 1) * len(places) // (2 * count)] for index in range(count)]


def judge(series: MeasuredSeries, origin: int, rows: Sequence[tuple[int, ...]], cpu_s: float) -> Judged:
    """Compare a forecast with what came."""
    slots = series.slots
    actual = series.energy_j[origin + 1 : origin + 1 + slots]
    past = series.energy_j[: origin + 1]
    window = range(max(slots, len(past) - _SCALE_DAYS * slots), len(past))
    pairs = list(zip(actual, rows, strict=True))
    return Judged(
        origin=origin,
        loss_j=sum(pinball(energy, row, LEVELS_PERMILLE) for energy, row in pairs) / slots,
        error_j=sum(abs(energy - middle) for energy, middle in zip(actual, median(rows), strict=True))
        / slots,
        scale_j=sum(abs(past[place] - past[place - slots]) for place in window) / len(window),
        below=tuple(
            sum(energy <= row[level] for energy, row in pairs) / slots
            for level in range(len(LEVELS_PERMILLE))
        ),
        inside=sum(row[0] <= energy <= row[-1] for energy, row in pairs) / slots,
        cpu_s=cpu_s,
    )


def ours(series: MeasuredSeries, places: Sequence[int], settings: ForecastSettings) -> Outcome:
    """The device's forecaster, which learns the series interval by interval."""
    forecaster = Forecaster(settings, interval_s=series.interval_s, series=series.series)
    wanted, days, fallbacks = set(places), [], 0
    for place, energy_j in enumerate(series.energy_j):
        interval = series.first_interval + place
        begin = time.process_time()
        forecaster.learn(interval, energy_j)
        if place in wanted:
            told = forecaster.predict(interval + 1, series.slots)
            cpu_s = time.process_time() - begin
            fallbacks += told.is_fallback
            days.append(judge(series, place, told.energy_j, cpu_s))
    return Outcome(series=series, model=OURS, days=tuple(days), fallbacks=fallbacks)


def naive(series: MeasuredSeries, places: Sequence[int], settings: ForecastSettings) -> Outcome:
    """The naive forecast that the device falls back to."""
    days = []
    for place in places:
        begin = time.process_time()
        rows = naive_rows(series, place, settings.history_days)
        days.append(judge(series, place, rows, time.process_time() - begin))
    return Outcome(series=series, model=NAIVE, days=tuple(days))


def fitted(series: MeasuredSeries, places: Sequence[int], peer: Peer) -> Outcome:
    """A model of the library, fitted anew at every origin."""
    model = peer.build(series.slots)
    if places:
        peer.forecast(model, series, places[0])  # what is loaded at the first call is nobody's forecast
    days = []
    for place in places:
        begin = time.process_time()
        rows = peer.forecast(model, series, place)
        days.append(judge(series, place, rows, time.process_time() - begin))
    return Outcome(series=series, model=peer.name, days=tuple(days))


def settings() -> ForecastSettings:
    """The device's defaults, with the levels that all models are judged at."""
    return ForecastSettings(levels_permille=LEVELS_PERMILLE)


def same_days(outcome: Outcome, other: Outcome) -> Iterator[tuple[Judged, Judged]]:
    """Both models' forecasts of the days that both made."""
    days = {day.origin: day for day in other.days}
    return ((day, days[day.origin]) for day in outcome.days if day.origin in days)
