"""Plots of energy over the day: the market, the gap to the optimum, one prosumer."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from testbed.report.drawing import BLUE, GREEN, INK, PAPER, PURPLE, VERMILLION, Size
from testbed.report.model import ProsumerDay, Series, TradingDay
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
_STACK = ((BLUE, ""), (VERMILLION, "////"), (GREEN, "||||"), (PURPLE, "\\\\\\\\"))
"""Colour and hatch of the buyers that get a layer of their own; the rest share one."""


def _steps(axes: Axes, day: TradingDay, values: Floats, colour: str, dash: str, marker: str) -> None:
    """A step line with a marker every two hours, so that it is told by more than its colour."""
    axes.stairs(values, np.arange(day.intervals + 1), color=colour, linestyle=dash, baseline=None, linewidth=1.6)
    step = max(_MARK_EVERY_H * 3600 // day.interval_s, 1)
    at = np.arange(step // 2, day.intervals, step)
    axes.plot(at + 0.5, values[at], marker, color=colour, markersize=4.5, markeredgecolor=PAPER, markeredgewidth=0.5)


def _sum(series: Series) -> int:
    return sum(value for value in series if value is not None)


def energy(day: TradingDay) -> Plot:
    """Supply, demand and trade per interval."""
    sold, wanted, traded = day.offered_sell_j, day.wanted_j, day.traded_j
    share = percent(day.summary.traded_j / _sum(sold) if _sum(sold) else None)
    finding = f"{kwh(day.summary.traded_j)} kWh found a buyer: {share} of what was for sale"

    def draw(figure: Figure, size: Size) -> None:
        axes = figure.subplots()
        edges = np.arange(day.intervals + 1)
        axes.stairs(kwh_series(traded), edges, fill=True, color=GREEN, alpha=0.25, linewidth=0)
        _steps(axes, day, kwh_series(wanted), BLUE, "--", "s")
        _steps(axes, day, kwh_series(sold), VERMILLION, ":", "^")
        _steps(axes, day, kwh_series(traded), GREEN, "-", "o")
        mark_gaps(axes, sold, wanted, traded)
        time_axis(axes, day, size)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("kWh per interval")
        mean_power_axis(axes, day)
        lines = [
            Line2D([], [], color=BLUE, linestyle="--", marker="s", markersize=4.5, label="wanted"),
            Line2D([], [], color=VERMILLION, linestyle=":", marker="^", markersize=4.5, label="for sale"),
            Line2D([], [], color=GREEN, linestyle="-", marker="o", markersize=4.5, label="traded"),
        ]
        figure.legend(handles=lines, loc="outside upper left", ncols=3, handlelength=2.6)

    rows = tuple(
        (clock(day.first_interval + at, day.interval_s), *(shown(series[at]) for series in (sold, wanted, traded)))
        for at in range(day.intervals)
    )
    return render(
        name="energy",
        finding=finding,
        caption="Energy newly for sale, wanted and traded in each interval. A battery's offer counts where it opens.",
        description=f"Steps over the day: {kwh(_sum(sold))} kWh for sale, {kwh(_sum(wanted))} kWh wanted, "
        f"{kwh(_sum(traded))} kWh traded.",
        table=Table(headers=("interval from", "for sale, kWh", "wanted, kWh", "traded, kWh"), rows=rows),
        draw=draw,
    )


def _running(series: Series) -> Series:
    """Running total; unknown from the first unknown value on."""
    total: int | None = 0
    sums: list[int | None] = []
    for value in series:
        total = None if total is None or value is None else total + value
        sums.append(total)
    return tuple(sums)


def optimality(day: TradingDay) -> Plot:
    """Traded energy against what an offline optimum trades."""
    traded, bound = _running(day.traded_j), day.bound_cumulative_j
    gap = kwh(day.summary.gap_j)
    finding = f"{percent(day.summary.optimum_share)} of the offline optimum: {gap} kWh short of {kwh(day.summary.bound_j)}"

    def draw(figure: Figure, size: Size) -> None:
        axes = figure.subplots()
        ours, best = kwh_series(traded), kwh_series(bound)
        middle = np.arange(day.intervals) + 1.0
        axes.fill_between(middle, ours, best, step="pre", color=PURPLE, alpha=0.45, linewidth=0)
        axes.step(middle, best, where="pre", color=BLUE, linestyle="--", linewidth=1.6)
        axes.step(middle, ours, where="pre", color=GREEN, linewidth=1.8)
        mark_gaps(axes, traded, bound)
        time_axis(axes, day, size)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("kWh since midnight")
        lines = [
            Line2D([], [], color=BLUE, linestyle="--", label=f"offline optimum {kwh(day.summary.bound_j)}"),
            Line2D([], [], color=GREEN, label=f"traded {kwh(day.summary.traded_j)}"),
            Patch(color=PURPLE, alpha=0.45, label=f"gap {gap} kWh"),
        ]
        figure.legend(handles=lines, loc="outside upper left", ncols=2 if size.narrow else 3, handlelength=2.6)

    hours = range(3600 // day.interval_s - 1, day.intervals, max(3600 // day.interval_s, 1))
    rows = tuple(
        (clock(day.first_interval + at + 1, day.interval_s), shown(traded[at], 1), shown(bound[at], 1)) for at in hours
    )
    return render(
        name="optimality",
        finding=finding,
        caption="Traded energy since midnight. The optimum knows the whole day beforehand; the market learns it as it goes.",
        description=f"Two rising steps: traded reaches {kwh(day.summary.traded_j)} kWh, the offline optimum "
        f"{kwh(day.summary.bound_j)} kWh.",
        table=Table(headers=("by", "traded, kWh", "offline optimum, kWh"), rows=rows),
        draw=draw,
    )


def _layers(prosumer: ProsumerDay, intervals: int) -> list[tuple[str, list[int]]]:
    """Energy per interval for each of the largest buyers, and for the others together."""
    by_buyer: dict[str, list[int]] = defaultdict(lambda: [0] * intervals)
    for trade in prosumer.trades:
        by_buyer[trade.buyer][trade.interval] += trade.energy_j
    ranked = sorted(by_buyer.items(), key=lambda item: (-sum(item[1]), item[0]))
    shown_ones, rest = ranked[: len(_STACK)], ranked[len(_STACK) :]
    if rest:
        together = [sum(column) for column in zip(*(energies for _, energies in rest), strict=True)]
        shown_ones.append((f"{len(rest)} others", together))
    return shown_ones


def prosumer(day: TradingDay, of: ProsumerDay) -> Plot:
    """One prosumer's generation and what it sold, to whom."""
    layers = _layers(of, day.intervals)
    sold, made = sum(sum(energies) for _, energies in layers), sum(of.generation_j)
    buyers = len({trade.buyer for trade in of.trades})
    finding = f"{of.prosumer} sold {kwh(sold)} of {kwh(made)} kWh to {buyers} {'buyer' if buyers == 1 else 'buyers'}"

    def draw(figure: Figure, size: Size) -> None:
        axes = figure.subplots()
        edges = np.arange(day.intervals + 1)
        below = np.zeros(day.intervals)
        handles: list[Line2D | Patch] = []
        for (buyer, energies), (colour, hatch) in zip(layers, (*_STACK, (PAPER, "xx")), strict=False):
            top = below + kwh_series(tuple(energies))
            axes.stairs(
                top, edges, baseline=below, fill=True, facecolor=colour, edgecolor=PAPER if colour != PAPER else INK,
                hatch=hatch, linewidth=0.3,
            )
            handles.append(Patch(facecolor=colour, edgecolor=PAPER if colour != PAPER else INK, hatch=hatch, label=buyer))
            below = top
        axes.stairs(kwh_series(of.generation_j), edges, color=INK, linewidth=1.5, baseline=None)
        handles.insert(0, Line2D([], [], color=INK, label="generation"))
        time_axis(axes, day, size)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("kWh per interval")
        mean_power_axis(axes, day)
        figure.legend(handles=handles, loc="outside upper left", ncols=2 if size.narrow else 6, handlelength=1.8)

    rows = tuple(
        (
            clock(day.first_interval + at, day.interval_s),
            shown(of.generation_j[at]),
            *(shown(energies[at]) for _, energies in layers),
        )
        for at in range(day.intervals)
        if of.generation_j[at] or any(energies[at] for _, energies in layers)
    )
    return render(
        name="prosumer",
        finding=finding,
        caption="Generation as a line, final trades stacked by buyer. What lies between was used at home, stored, or found no buyer.",
        description=f"Generation of {of.prosumer} over the day, and its trades: "
        + ", ".join(f"{buyer} {kwh(sum(energies))} kWh" for buyer, energies in layers)
        + ".",
        table=Table(
            headers=("interval from", "generation, kWh", *(f"{buyer}, kWh" for buyer, _ in layers)), rows=rows
        ),
        draw=draw,
    )
