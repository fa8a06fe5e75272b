"""The flow of every feeder against its limit, as a heat map."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from testbed.report.drawing import FAINT, INK, MUTED, Size
from testbed.report.model import FeederDay, TradingDay, loading
from testbed.report.plot import Floats, Plot, Table, render, time_axis
from testbed.report.wording import clock, grouped, kwh, percent, runs

_LIGHT, _DARK = "#ffffff", "#000000"
"""Marks lie on the colours of the map, which the dark page does not change."""


def _loads(day: TradingDay) -> Floats:
    """Net flow in percent of the limit, feeders by intervals; a limit of zero counts as 100 % when anything flows."""
    rows = []
    for feeder in day.feeders:
        limit = max(feeder.c_ext_w * day.interval_s, 1)
        rows.append(
            [np.nan if net is None else max(-100.0, min(100.0, 100 * net / limit)) for net in feeder.net_j]
        )
    return np.array(rows, np.float64).reshape(len(day.feeders), day.intervals)


def _binding(day: TradingDay, feeder: FeederDay, sign: int) -> list[int]:
    """Intervals in which the feeder is at or above its limit, outwards (+1) or inwards (-1)."""
    limit = feeder.c_ext_w * day.interval_s
    return [
        at
        for at, net in enumerate(feeder.net_j)
        if net is not None and net * sign > 0 and loading(net, limit) in ("at", "above")
    ]


def _times(day: TradingDay, at: list[int]) -> str:
    def edge(number: int, *, ends: bool) -> str:
        return clock(day.first_interval + number, day.interval_s, ends=ends)

    spans = [f"{edge(first, ends=False)} to {edge(last + 1, ends=True)}" for first, last in runs(at)]
    return ", ".join(spans) or "never"


def _finding(day: TradingDay) -> str:
    counts = day.feeder_intervals()
    known = counts["below"] + counts["at"] + counts["above"]
    share = percent(counts["at"] / known) if known else "none"
    over = "never above it" if not counts["above"] else f"ABOVE IT IN {counts['above']}"
    return f"Feeders at their limit in {counts['at']} of {grouped(known)} feeder-intervals ({share}), {over}"


def _mark_row(axes: Axes, day: TradingDay, row: int, feeder: FeederDay, size: Size) -> None:
    """Mark where one feeder's limit binds, and hatch what was not observed."""
    for sign, marker, colour in ((1, "^", _DARK), (-1, "v", _LIGHT)):
        at = [number + 0.5 for number in _binding(day, feeder, sign)]
        axes.plot(at, [row] * len(at), marker, color=colour, markersize=1.8 if size.narrow else 3)
    for first, last in runs([at for at, net in enumerate(feeder.net_j) if net is None]):
        place: dict[str, Any] = {"xy": (first, row - 0.5), "width": last + 1 - first, "height": 1}
        axes.add_patch(Rectangle(**place, facecolor=FAINT, edgecolor=MUTED, hatch="///", linewidth=0))


def _draw(day: TradingDay, figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    count = len(day.feeders)
    image = axes.imshow(
        _loads(day),
        cmap="cividis",
        vmin=-100,
        vmax=100,
        aspect="auto",
        interpolation="none",
        extent=(0, day.intervals, count - 0.5, -0.5),
    )
    for row, feeder in enumerate(day.feeders):
        _mark_row(axes, day, row, feeder, size)
    time_axis(axes, day, size)
    axes.set_yticks(range(count), [str(feeder.feeder) for feeder in day.feeders])
    axes.set_ylabel("feeder")
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)
    bar = figure.colorbar(image, ax=axes, ticks=[-100, -50, 0, 50, 100], aspect=30, pad=0.02)
    bar.ax.set_yticklabels(["100 % in", "50 %", "0", "50 %", "100 % out"])
    bar.outline.set_visible(False)
    key = [
        Line2D([], [], marker="^", linestyle="", color=INK, label="limit binds, energy leaves"),
        Line2D([], [], marker="v", linestyle="", color=INK, label="limit binds, energy enters"),
    ]
    figure.legend(handles=key, loc="outside upper left", ncols=1 if size.narrow else 2, handlelength=1)


def feeders(day: TradingDay) -> Plot:
    """Net flow of each feeder in percent of its limit; a mark where the limit binds."""
    at_limit = "; ".join(
        f"feeder {feeder.feeder} at its limit outwards {_times(day, _binding(day, feeder, 1))}, "
        f"inwards {_times(day, _binding(day, feeder, -1))}"
        for feeder in day.feeders
    )
    return render(
        name="feeders",
        finding=_finding(day),
        caption="Net flow of each feeder as a share of its limit. "
        "Yellow: energy leaves it; blue: energy enters it.",
        description=f"Heat map, feeders by time. {at_limit}",
        table=_table(day),
        draw=partial(_draw, day),
    )


def _table(day: TradingDay) -> Table:
    rows = []
    for feeder in day.feeders:
        known = [net for net in feeder.net_j if net is not None]
        rows.append(
            (
                str(feeder.feeder),
                f"{feeder.c_ext_w / 1000:g}",
                kwh(sum(net for net in known if net > 0)),
                kwh(-sum(net for net in known if net < 0)),
                f"{max(known, default=0) / day.interval_s / 1000:.1f}",
                f"{-min(known, default=0) / day.interval_s / 1000:.1f}",
                _times(day, _binding(day, feeder, 1)),
                _times(day, _binding(day, feeder, -1)),
            )
        )
    headers = (
        "feeder",
        "limit, kW",
        "out, kWh",
        "in, kWh",
        "peak out, kW",
        "peak in, kW",
        "limit binds outwards",
        "limit binds inwards",
    )
    return Table(headers=headers, rows=tuple(rows))
