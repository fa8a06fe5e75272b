"""One prosumer's day: what it generated, and what it sold to whom."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from testbed.report.drawing import BLUE, GREEN, INK, PAPER, PURPLE, VERMILION, Size
from testbed.report.model import ProsumerDay, TradingDay
from testbed.report.plot import Plot, Table, kwh_series, mean_power_axis, render, shown, time_axis
from testbed.report.wording import clock, kwh

Layers = list[tuple[str, list[int]]]
"""(buyer, energy per interval in J), from the bottom of the stack."""

_LOOKS = ((BLUE, PAPER, ""), (VERMILION, PAPER, "////"), (GREEN, PAPER, "||||"), (PURPLE, PAPER, "\\\\\\\\"))
"""Colour, line and hatch of the buyers that get a layer of their own."""
_OTHERS = (PAPER, INK, "xx")


def _layers(prosumer: ProsumerDay, intervals: int) -> Layers:
    """A layer for each of the largest buyers, and one for the others together."""
    by_buyer: dict[str, list[int]] = defaultdict(lambda: [0] * intervals)
    for trade in prosumer.trades:
        by_buyer[trade.buyer][trade.interval] += trade.energy_j
    ranked = sorted(by_buyer.items(), key=lambda item: (-sum(item[1]), item[0]))
    own, rest = ranked[: len(_LOOKS)], ranked[len(_LOOKS) :]
    if rest:
        together = [sum(column) for column in zip(*(energies for _, energies in rest), strict=True)]
        own.append((f"{len(rest)} {'other' if len(rest) == 1 else 'others'}", together))
    return own


def _draw(day: TradingDay, of: ProsumerDay, layers: Layers, figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    edges = np.arange(day.intervals + 1)
    below = np.zeros(day.intervals)
    key: list[Line2D | Patch] = [Line2D([], [], color=INK, label="generation")]
    for (buyer, energies), (colour, line, hatch) in zip(layers, (*_LOOKS, _OTHERS), strict=False):
        look: dict[str, Any] = {"facecolor": colour, "edgecolor": line, "hatch": hatch, "linewidth": 0.3}
        top = below + kwh_series(tuple(energies))
        axes.stairs(top, edges, baseline=below, fill=True, **look)
        key.append(Patch(label=buyer, **look))
        below = top
    axes.stairs(kwh_series(of.generation_j), edges, color=INK, linewidth=1.5, baseline=None)
    time_axis(axes, day, size)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("kWh per interval")
    mean_power_axis(axes, day)
    figure.legend(handles=key, loc="outside upper left", ncols=2 if size.narrow else 6, handlelength=1.8)


def prosumer(day: TradingDay, of: ProsumerDay) -> Plot:
    """Generation as a line and trades stacked by buyer. Source: Fig. 10 of the transactive-energy paper."""
    layers = _layers(of, day.intervals)
    sold, made = sum(sum(energies) for _, energies in layers), sum(of.generation_j)
    rows = tuple(
        (
            clock(day.first_interval + at, day.interval_s),
            shown(of.generation_j[at]),
            *(shown(energies[at]) for _, energies in layers),
        )
        for at in range(day.intervals)
        if of.generation_j[at] or any(energies[at] for _, energies in layers)
    )
    parts = ", ".join(f"{buyer} {kwh(sum(energies))} kWh" for buyer, energies in layers)
    return render(
        name="prosumer",
        finding=f"{of.prosumer} sold {kwh(sold)} of the {kwh(made)} kWh it generated",
        caption="Generation as a line, final trades stacked by buyer. "
        "What lies between was used at home, stored or not bought; what lies above came out of the battery.",
        description=f"Generation of {of.prosumer} over the day, and its trades: {parts or 'none'}.",
        table=Table(
            headers=("interval from", "generation, kWh", *(f"{name}, kWh" for name, _ in layers)), rows=rows
        ),
        draw=partial(_draw, day, of, layers),
    )
