"""Plots of energy over the day: the market, and its distance from the optimum."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from testbed.report.drawing import BLUE, GREEN, MUTED, PAPER, PURPLE, VERMILION, Size
from testbed.report.model import Series, TradingDay
from testbed.report.plot import (
    Floats,
    Plot,
    Table,
    kwh_series,
    mark_gaps,
    mean_power_axis,
    render,
    shown,
    time_axis,
)
from testbed.report.wording import clock, kwh, percent

_MARK_EVERY_H = 2
_WIDTH = 1.7


class _Line(NamedTuple):
    """How one series looks: told by its dash, its marker and its name as well as by its colour."""

    name: str
    colour: str
    dash: Literal["--", ":", "-"]
    marker: str
    name_centred: bool


_WANTED = _Line("wanted", BLUE, "--", "s", name_centred=False)
_FOR_SALE = _Line("for sale", VERMILION, ":", "^", name_centred=False)
_TRADED = _Line("traded", GREEN, "-", "o", name_centred=True)


def _steps(axes: Axes, day: TradingDay, series: Series, line: _Line) -> None:
    """Draw a series as steps, with a marker every two hours and its name at its highest point."""
    values = kwh_series(series)
    axes.stairs(
        values,
        np.arange(day.intervals + 1),
        color=line.colour,
        linestyle=line.dash,
        baseline=None,
        linewidth=_WIDTH,
    )
    step = max(_MARK_EVERY_H * 3600 // day.interval_s, 1)
    at = np.arange(step // 2, day.intervals, step)
    look: dict[str, Any] = {
        "color": line.colour,
        "markersize": 4.5,
        "markeredgecolor": PAPER,
        "markeredgewidth": 0.5,
    }
    axes.plot(at + 0.5, values[at], line.marker, **look)
    _name(axes, values, line)


def _name(axes: Axes, values: Floats, line: _Line) -> None:
    """Write a series' name at its highest point; where its energy is centred, if that is how the line asks for it."""
    known = np.nan_to_num(values)
    if not known.any():
        return
    at = (
        round(float(np.average(np.arange(len(known)), weights=known)))
        if line.name_centred
        else int(known.argmax())
    )
    # Inside the area if it is high enough there for the word, else above its edge.
    inside = line.name_centred and known[at] > axes.get_ylim()[1] / 5
    axes.annotate(
        line.name,
        (at + 0.5, known[at]),
        xytext=(0, -15 if inside else 5),
        textcoords="offset points",
        ha="center",
        color=line.colour,
        weight="bold",
    )


def _sum(series: Series) -> int:
    return sum(value for value in series if value is not None)


def _draw_energy(day: TradingDay, figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    axes.stairs(
        kwh_series(day.traded_j),
        np.arange(day.intervals + 1),
        fill=True,
        color=GREEN,
        alpha=0.25,
        linewidth=0,
    )
    lines = {_WANTED: day.wanted_j, _FOR_SALE: day.offered_sell_j, _TRADED: day.traded_j}
    for line, series in lines.items():
        _steps(axes, day, series, line)
    mark_gaps(axes, *lines.values())
    time_axis(axes, day, size)
    axes.margins(y=0.1)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("kWh per interval")
    mean_power_axis(axes, day)
    key = [
        Line2D(
            [],
            [],
            color=line.colour,
            linestyle=line.dash,
            marker=line.marker,
            markersize=4.5,
            label=line.name,
        )
        for line in lines
    ]
    figure.legend(handles=key, loc="outside upper left", ncols=3, handlelength=2.6)


def energy(day: TradingDay) -> Plot:
    """Supply, demand and trade per interval."""
    every = (day.offered_sell_j, day.wanted_j, day.traded_j)
    for_sale, wanted, traded = (_sum(series) for series in every)
    share = percent(traded / for_sale if for_sale else None)
    rows = tuple(
        (clock(day.first_interval + at, day.interval_s), *(shown(series[at]) for series in every))
        for at in range(day.intervals)
    )
    return render(
        name="energy",
        finding=f"{kwh(traded)} kWh found a buyer: {share} of what was for sale",
        caption="Energy newly for sale, wanted and traded in each interval. "
        "A battery's offer counts where it opens.",
        description=f"Steps over the day: {kwh(for_sale)} kWh for sale, {kwh(wanted)} kWh wanted, "
        f"{kwh(traded)} kWh traded.",
        table=Table(headers=("interval from", "for sale, kWh", "wanted, kWh", "traded, kWh"), rows=rows),
        draw=partial(_draw_energy, day),
    )


def _running(series: Series) -> Series:
    """Running total; unknown from the first unknown value on."""
    total: int | None = 0
    sums: list[int | None] = []
    for value in series:
        total = None if total is None or value is None else total + value
        sums.append(total)
    return tuple(sums)


def _draw_optimality(day: TradingDay, figure: Figure, size: Size) -> None:
    axes, behind = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    traded, bound = _running(day.traded_j), day.bound_cumulative_j
    ours, best = kwh_series(traded), kwh_series(bound)
    edges = np.arange(day.intervals + 1)
    axes.stairs(best, edges, color=BLUE, linestyle="--", baseline=None, linewidth=_WIDTH)
    axes.stairs(ours, edges, color=GREEN, baseline=None, linewidth=_WIDTH)
    behind.stairs(best - ours, edges, fill=True, facecolor=PURPLE, alpha=0.5, linewidth=0)
    behind.stairs(best - ours, edges, color=PURPLE, baseline=None, linewidth=_WIDTH)
    behind.axhline(0, color=MUTED, linewidth=0.8)
    for part in (axes, behind):
        mark_gaps(part, traded, bound)
    time_axis(behind, day, size)
    axes.tick_params(labelbottom=False, length=0)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("kWh since midnight")
    behind.set_ylabel("behind, kWh")
    if not np.nanmax(np.abs(best - ours), initial=0) > 0:
        behind.set_ylim(0, 1)
    key = [
        Line2D([], [], color=BLUE, linestyle="--", label=f"offline optimum {kwh(day.summary.bound_j)} kWh"),
        Line2D([], [], color=GREEN, label=f"traded {kwh(day.summary.traded_j)} kWh"),
        Patch(color=PURPLE, alpha=0.5, label=f"behind at the end {kwh(day.summary.gap_j)} kWh"),
    ]
    figure.legend(handles=key, loc="outside upper left", ncols=1 if size.narrow else 3, handlelength=2.6)


def optimality(day: TradingDay) -> Plot:
    """Traded energy against what an offline optimum trades."""
    traded, bound = _running(day.traded_j), day.bound_cumulative_j
    per_hour = max(3600 // day.interval_s, 1)
    rows = tuple(
        (
            clock(day.first_interval + at + 1, day.interval_s, ends=True),
            shown(traded[at], 1),
            shown(bound[at], 1),
        )
        for at in range(per_hour - 1, day.intervals, per_hour)
    )
    best, gap = kwh(day.summary.bound_j), kwh(day.summary.gap_j)
    share = percent(day.summary.optimum_share)
    finding = f"{share} of the offline optimum: {gap} kWh short of {best} kWh"
    if not day.summary.gap_j:
        finding = f"All of the {best} kWh that an offline optimum trades"
    return render(
        name="optimality",
        finding=finding,
        caption="Traded energy since midnight, and below how far it is behind the optimum, "
        "which knows the whole day beforehand.",
        description=f"Two rising steps: traded reaches {kwh(day.summary.traded_j)} kWh, "
        f"the offline optimum {best} kWh.",
        table=Table(headers=("by", "traded, kWh", "offline optimum, kWh"), rows=rows),
        draw=partial(_draw_optimality, day),
    )
