"""What a comparison looks like: skill at each home, coverage, one week as a fan, cost against loss."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from firmware_app.forecast.forecaster import Forecaster
from firmware_app.forecast.settings import Series
from testbed.forecasting.backtest import settings
from testbed.forecasting.measured import MeasuredSeries, kwh
from testbed.forecasting.models import LEVELS_PERMILLE, NAIVE, OURS
from testbed.forecasting.summary import Comparison, Line
from testbed.report.drawing import BLUE, GREEN, INK, MUTED, VERMILION, WIDE, new_figure, style

_DOTS_PER_INCH: Final = 160
_COLOURS: Final = {Series.LOAD: BLUE, Series.GENERATION: VERMILION, Series.NET: GREEN}
_MARKERS: Final = {Series.LOAD: "o", Series.GENERATION: "s", Series.NET: "D"}
_WEEK: Final = (180, 187)
"""First and last day of the fan, of the measured year: the end of January and February, when skies change."""
_LEGEND: Final[dict[str, Any]] = {
    "frameon": True,
    "facecolor": "white",
    "edgecolor": "none",
    "framealpha": 0.9,
}


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write every figure that there are numbers for, and the numbers themselves; return what was written.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawings: dict[str, Callable[[Comparison, Figure], bool]] = {
        "skill": _skill,
        "coverage": _coverage,
        "week": _week,
        "cost": _cost,
    }
    written = []
    for name, draw in drawings.items():
        with mpl.rc_context({**style(WIDE), "savefig.facecolor": "white"}):
            figure = new_figure(WIDE)
            if draw(comparison, figure):
                path = folder / f"forecast-{name}.png"
                figure.savefig(path, dpi=_DOTS_PER_INCH, metadata={"Software": None})
                written.append(path)
    numbers = folder / "forecast.json"
    lines = [
        {**line.document(), "plant": plant}
        for plant in (False, True)
        for series in Series
        for line in comparison.lines(series, plant=plant)
    ]
    numbers.write_text(json.dumps({"schema": "gridlight.forecast/1", "models": lines}, indent=1) + "\n")
    return [*written, numbers]


def _skill(comparison: Comparison, figure: Figure) -> bool:
    """How much smaller than the naive one's our loss is, at every home."""
    skills = {series: comparison.skills(series) for series in Series}
    places = list(dict.fromkeys(place for found in skills.values() for place in found))
    if not places:
        return False
    axes = figure.subplots()
    for series, found in skills.items():
        at = [places.index(place) + 0.26 * (series - 1) for place in found]
        axes.bar(at, list(found.values()), 0.24, color=_COLOURS[series], label=series.name.lower())
    axes.set_xticks(range(len(places)), [place.removeprefix("home ") for place in places])
    axes.set_xlabel("home")
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set_ylabel("pinball loss below naive")
    axes.grid(visible=False, axis="x")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * 1.18)
    axes.legend(ncols=3, loc="upper right", **_LEGEND)
    values = [skill for found in skills.values() for skill in found.values()]
    axes.set_title(
        f"A day ahead, at all hours of a year: {100 * min(values):.0f} % to {100 * max(values):.0f} %"
        " less loss than the naive forecast",
        loc="left",
    )
    return True


def _coverage(comparison: Comparison, figure: Figure) -> bool:
    """By how much the share of intervals below each quantile differs from what the quantile says."""
    axes = figure.subplots()
    nominal = [level / 1_000 for level in LEVELS_PERMILLE]
    axes.axhline(0, color=INK, linewidth=0.8)
    drawn = False
    for model, dash in zip((OURS, *_best(comparison)), ("-", "--", "-."), strict=False):
        for series in (Series.LOAD, Series.NET):
            days = [day for outcome in comparison.of(model, series) for day in outcome.days]
            if days:
                off = [fmean(day.below[level] for day in days) - share for level, share in enumerate(nominal)]
                axes.plot(
                    nominal,
                    [100 * value for value in off],
                    dash,
                    marker=_MARKERS[series],
                    markersize=4,
                    color=_COLOURS[series],
                    label=f"{series.name.lower()}, {model}",
                )
                drawn = True
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set_xticks(nominal)
    axes.set_xlabel("quantile")
    axes.set_ylabel("hours at or below it,\npoints too many or few")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -5), max(high, 5) + 0.5 * (max(high, 5) - min(low, -5)))
    axes.legend(ncols=3, loc="upper center", **_LEGEND)
    axes.set_title("How far each quantile is from what it says, per cent points; 0 is right", loc="left")
    return drawn


def _best(comparison: Comparison) -> list[str]:
    """The two models that lose least, the device's own aside."""
    return [
        model for model, _, _ in sorted(_averaged(comparison), key=lambda point: point[2]) if model != OURS
    ][:2]


def _nights(series: MeasuredSeries) -> list[tuple[int, tuple[tuple[int, ...], ...]]]:
    """Forecasts of whole days of the week shown, each made at its local midnight: (place of the first, quantiles)."""
    forecaster = Forecaster(settings(), interval_s=series.interval_s, series=series.series)
    found = []
    for place, energy_j in enumerate(series.energy_j[: _WEEK[1] * series.slots]):
        day, slot = divmod(place, series.slots)  # the measured days begin at local midnight
        if slot == 0 and _WEEK[0] <= day < _WEEK[1]:
            told = forecaster.predict(series.first_interval + place, series.slots)
            found.append((place, told.energy_j))
        forecaster.learn(series.first_interval + place, energy_j)
    return found


def _week(comparison: Comparison, figure: Figure) -> bool:
    """One week of the first home's net energy: what was told at midnight, and what came."""
    outcomes = comparison.of(OURS, Series.NET)
    if not outcomes or len(outcomes[0].series.energy_j) < _WEEK[1] * outcomes[0].series.slots:
        return False
    series = outcomes[0].series
    days: list[float] = []
    rows: list[tuple[float, ...]] = []
    actual: list[float] = []
    for place, told in _nights(series):
        for step, row in enumerate(told):
            days.append((place + step) / series.slots)
            rows.append(tuple(map(kwh, row)))
            actual.append(kwh(series.energy_j[place + step]))
    axes = figure.subplots()
    columns = list(zip(*rows, strict=True))
    for below, above, alpha in ((0, 8, 0.18), (1, 7, 0.2), (2, 6, 0.22), (3, 5, 0.25)):
        band = axes.fill_between(
            days, columns[below], columns[above], step="post", color=BLUE, alpha=alpha, linewidth=0
        )
        if below == 0:
            band.set_label("10 % to 90 %")
    axes.step(days, columns[4], where="post", color=BLUE, linewidth=1.2, label="median")
    axes.step(days, actual, where="post", color=INK, linewidth=1.0, label="metered")
    axes.axhline(0, color=MUTED, linewidth=0.8)
    midnights = range(*_WEEK)
    first = datetime.fromtimestamp(series.first_interval * series.interval_s, UTC)
    axes.set_xticks(midnights, [f"{first + timedelta(day):%a %d %b}" for day in midnights])
    axes.set_xlim(_WEEK[0], _WEEK[1])
    axes.set_ylabel("kWh in the hour, below 0 exported")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.22 * (high - low))
    axes.legend(ncols=3, loc="upper left", **_LEGEND)
    inside = fmean(row[0] <= value <= row[-1] for row, value in zip(rows, actual, strict=True))
    axes.set_title(
        f"{series.place}, net, told at each midnight: {100 * inside:.0f} % of the hours lie in the band of 80 %",
        loc="left",
    )
    return True


def _cost(comparison: Comparison, figure: Figure) -> bool:
    """CPU time of a forecast against its loss."""
    points = _averaged(comparison)
    if len(points) < 3:
        return False
    axes = figure.subplots()
    for model, cost_ms, loss in points:
        own = model in (OURS, NAIVE)
        axes.plot([cost_ms], [loss], "D" if own else "o", color=VERMILION if own else BLUE, markersize=6)
    costs, losses = [cost for _, cost, _ in points], [loss for *_, loss in points]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(min(costs) / 12, max(costs) * 6)
    axes.set_ylim(0.93, max(losses) * 1.15)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_locator(FixedLocator([1, 1.2, 1.5, 2, 3, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    figure.draw_without_rendering()
    _label(axes, points)
    axes.set_xlabel("CPU time of one forecast of a day, ms, with the fit where there is one")
    axes.set_ylabel("pinball loss, ours = 1")
    axes.set_title(
        "Cost and loss of each model, mean over homes and series; left and low is good", loc="left"
    )
    return True


def _averaged(comparison: Comparison) -> list[tuple[str, float, float]]:
    """(model, ms, loss over ours) of the models that forecast every kind of series, mean over the kinds."""
    found: dict[str, list[Line]] = {}
    for series in Series:
        for line in comparison.lines(series):
            found.setdefault(line.model, []).append(line)
    most = max((len(lines) for lines in found.values()), default=0)
    return [
        (model, fmean(line.cpu_ms for line in lines), fmean(line.loss_ratio for line in lines))
        for model, lines in found.items()
        if len(lines) == most
    ]


def _label(axes: Axes, points: Sequence[tuple[str, float, float]]) -> None:
    """Write each name beside its point, where it covers neither a point nor a name already written."""
    height, gap, wide = 8.0, 7.0, 4.4  # points of print; a letter's mean width last
    scale = 72 / axes.figure.dpi
    edge = scale * axes.bbox.x0
    places = [
        tuple(scale * value for value in axes.transData.transform((cost, loss))) for _, cost, loss in points
    ]
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in places]
    for (model, cost, loss), (x, y) in sorted(
        zip(points, places, strict=True), key=lambda entry: entry[1][1]
    ):
        width = wide * len(model)
        tries = [
            (side, rise)
            for rise in (0, 7, -7, 14, -14, 21, 28)
            for side in ((x + gap, x + gap + width), (x - gap - width, x - gap))
        ]
        boxes = [(left, y + rise - height / 2, right, y + rise + height / 2) for (left, right), rise in tries]
        inside = [box for box in boxes if box[0] > edge]
        box = next((box for box in inside if not any(_overlap(box, other) for other in taken)), boxes[0])
        taken.append(box)
        axes.annotate(
            model,
            (cost, loss),
            xytext=(box[0] - x, box[1] + height / 2 - y),
            textcoords="offset points",
            va="center",
            color=INK,
            fontsize=7.5,
        )


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
