"""What every plot of the report has, and the axes they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from light_client.rules.units import JOULES_PER_KWH
from testbed.report.drawing import FAINT, MUTED, NARROW, WIDE, Size, new_figure, style, to_svg
from testbed.report.model import Series, TradingDay
from testbed.report.wording import THIN_SPACE, capitalised, clock, runs

Floats = npt.NDArray[np.float64]
Draw = Callable[[Figure, Size], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The numbers behind a plot, as text."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One plot: its finding, its drawings for a wide and a narrow page, and its numbers."""

    name: str
    finding: str
    caption: str
    drawings: tuple[str, ...]
    table: Table


def render(*, name: str, finding: str, caption: str, description: str, table: Table, draw: Draw) -> Plot:
    """Draw a plot in both sizes."""
    finding = capitalised(finding).replace(" kWh", f"{THIN_SPACE}kWh")
    drawings = []
    for size in (WIDE, NARROW):
        with mpl.rc_context(style(size)):
            figure = new_figure(size)
            draw(figure, size)
        drawings.append(to_svg(figure, size, name=name, title=finding, description=description))
    return Plot(name=name, finding=finding, caption=caption, drawings=tuple(drawings), table=table)


def kwh_series(series: Series) -> Floats:
    """A series in kWh, with gaps where nothing was observed."""
    return np.array([np.nan if value is None else value / JOULES_PER_KWH for value in series], np.float64)


def time_axis(axes: Axes, day: TradingDay, size: Size) -> None:
    """Label the intervals of the day (edges 0..n) with the time of day."""
    hours = 6 if size.narrow else 3
    step = max(hours * 3600 // day.interval_s, 1)
    ticks = range(0, day.intervals + 1, step)
    axes.set_xticks(
        list(ticks), [clock(day.first_interval + at, day.interval_s, ends=at > 0) for at in ticks]
    )
    axes.set_xlim(0, day.intervals)
    axes.tick_params(length=3, width=0.8)


def mark_gaps(axes: Axes, *series: Series) -> None:
    """Grey out the intervals for which one of ``series`` has no value."""
    unknown = sorted({at for values in series for at, value in enumerate(values) if value is None})
    for first, last in runs(unknown):
        axes.axvspan(
            first, last + 1, facecolor=FAINT, edgecolor=MUTED, hatch="///", linewidth=0, alpha=0.6, zorder=0
        )


def mean_power_axis(axes: Axes, day: TradingDay) -> None:
    """Add mean kW on the right of an axis in kWh per interval."""
    per_hour = 3600 / day.interval_s
    right = axes.secondary_yaxis(
        "right", functions=(lambda x: np.multiply(x, per_hour), lambda x: np.divide(x, per_hour))
    )
    right.set_ylabel("mean power, kW")
    right.spines["right"].set_visible(False)
    right.tick_params(length=0)


def shown(value: int | None, digits: int = 2) -> str:
    """One value of a series in kWh for a table."""
    return "not observed" if value is None else f"{value / JOULES_PER_KWH:.{digits}f}"
