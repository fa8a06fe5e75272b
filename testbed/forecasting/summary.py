"""The numbers of a comparison: per series and model, and over all homes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

from firmware_app.forecast.settings import Series
from testbed.forecasting.backtest import Judged, Outcome, same_days
from testbed.forecasting.models import NAIVE, OURS

PLANT: Final = "plant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One model on one kind of series, over all places that have it."""

    series: Series
    model: str
    places: int
    forecasts: int
    """Days forecast, over all places."""
    loss_ratio: float
    """Its pinball loss over that of the device's forecaster on the same days; each place counts alike."""
    worst_ratio: float
    """The same at the place where it is smallest: where it comes nearest to the device's forecaster, or beats it."""
    relative_loss: float
    """Its pinball loss over the mean absolute energy of the days judged; each place counts alike."""
    mase: float
    inside: float
    """Share of intervals within the outermost levels; 0.8 would be right."""
    cpu_ms: float
    """Median CPU time of one forecast of a day."""

    def document(self) -> dict[str, object]:
        """For JSON; ratios per mille, times in microseconds."""
        return {
            "series": self.series.name.lower(),
            "model": self.model,
            "places": self.places,
            "forecasts": self.forecasts,
            "loss_ratio_permille": round(1_000 * self.loss_ratio),
            "smallest_loss_ratio_permille": round(1_000 * self.worst_ratio),
            "relative_loss_permille": round(1_000 * self.relative_loss),
            "mase_permille": round(1_000 * self.mase),
            "inside_permille": round(1_000 * self.inside),
            "cpu_us": round(1_000 * self.cpu_ms),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that was measured in one run."""

    outcomes: tuple[Outcome, ...]

    def of(self, model: str, series: Series, *, plant: bool = False) -> list[Outcome]:
        """One model's outcomes on one kind of series: of the homes, or of the plant."""
        return [
            outcome
            for outcome in self.outcomes
            if outcome.model == model
            and outcome.series.series is series
            and (outcome.series.place == PLANT) == plant
        ]

    @property
    def models(self) -> list[str]:
        """In the order in which they were run."""
        return list(dict.fromkeys(outcome.model for outcome in self.outcomes))

    def skills(self, series: Series, *, plant: bool = False) -> dict[str, float]:
        """Per place, how much smaller the device's loss is than the naive one's: 0.2 is a fifth."""
        naive = {outcome.series.place: outcome for outcome in self.of(NAIVE, series, plant=plant)}
        return {
            outcome.series.place: 1 - _ratio(outcome, naive[outcome.series.place])
            for outcome in self.of(OURS, series, plant=plant)
            if outcome.series.place in naive
        }

    def lines(self, series: Series, *, plant: bool = False) -> list[Line]:
        """Every model on one kind of series, the smallest loss first."""
        found = [
            line
            for model in self.models
            if (line := self._line(model, series, self.of(model, series, plant=plant), plant=plant))
        ]
        return sorted(found, key=lambda line: line.loss_ratio)

    def _line(self, model: str, series: Series, outcomes: Sequence[Outcome], *, plant: bool) -> Line | None:
        own = {outcome.series.place: outcome for outcome in self.of(OURS, series, plant=plant)}
        outcomes = [outcome for outcome in outcomes if outcome.days and outcome.series.place in own]
        if not outcomes:
            return None
        ratios = [_ratio(outcome, own[outcome.series.place]) for outcome in outcomes]
        days = [day for outcome in outcomes for day in outcome.days]
        return Line(
            series=series,
            model=model,
            places=len(outcomes),
            forecasts=len(days),
            loss_ratio=fmean(ratios),
            worst_ratio=min(ratios),
            relative_loss=fmean(_relative_loss(outcome) for outcome in outcomes),
            mase=_mase(days),
            inside=fmean(day.inside for day in days),
            cpu_ms=1_000 * median(day.cpu_s for day in days),
        )


def _ratio(outcome: Outcome, other: Outcome) -> float:
    pairs = list(same_days(outcome, other))
    return _sum(day.loss_j for day, _ in pairs) / _sum(day.loss_j for _, day in pairs)


def _mase(days: Sequence[Judged]) -> float:
    """Mean over the days whose past changed at all; 0 if none did."""
    found = [day.error_j / day.scale_j for day in days if day.scale_j]
    return fmean(found) if found else 0.0


def _relative_loss(outcome: Outcome) -> float:
    series = outcome.series
    energy = _sum(
        fmean(map(abs, series.energy_j[day.origin + 1 : day.origin + 1 + series.slots]))
        for day in outcome.days
    )
    return _sum(day.loss_j for day in outcome.days) / energy


def _sum(values: Iterable[float]) -> float:
    """A sum that something can be divided by: a stretch without any energy has no ratio."""
    return sum(values) or 1.0


def table(lines: Sequence[Line]) -> list[str]:
    """For people: one row a model."""
    if not lines:
        return []
    width = max(len(line.model) for line in lines)
    rows = [
        f"{'':{width}}  loss of ours  MASE   in 80 %  ms a day  days",
    ]
    rows += [
        f"{line.model:{width}}  {line.loss_ratio:11.3f} x  {line.mase:5.3f}  {100 * line.inside:5.1f} %"
        f"  {line.cpu_ms:8.2f}  {line.forecasts:4d}"
        for line in lines
    ]
    return rows
