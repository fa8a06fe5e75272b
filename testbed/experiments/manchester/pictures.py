"""The plots of the dispatch."""

from __future__ import annotations

from functools import partial

import numpy as np
from matplotlib.figure import Figure

from light_client.rules.verdict import Accepted
from testbed.experiments.findings import Picture
from testbed.experiments.manchester.cases import Cases, sums
from testbed.experiments.manchester.certificate import DELTA
from testbed.report.drawing import BLUE, GREEN, INK, MUTED, PURPLE, VERMILION, Size, plain_logarithms


def pictures(case: Cases) -> tuple[Picture, ...]:
    """Sources by hour, distances from the bound, energy of the plants."""
    ours = case.judged["ours"]
    return (
        Picture(
            name="sources",
            finding="Bulk power fills the cheap hours up to what its lines carry; in the two dearest none is bought",
            caption="Where the electricity of each hour comes from in our dispatch; the line is the load.",
            draw=partial(_draw_sources, case),
        ),
        Picture(
            name="gaps",
            finding=f"No dispatch is over {100 * ours.gap:.3f} % cheaper than ours; the dishonest ones are refused",
            caption="Distance of each dispatch from the two proven bounds, on a logarithmic axis.",
            draw=partial(_draw_gaps, case),
        ),
        Picture(
            name="plants",
            finding="Ours and the recorded plants give the same energy, honest and distorted",
            caption="Energy of each CHP plant over the day; hubs 4, 5, 7 and 8 give none.",
            draw=partial(_draw_plants, case),
        ),
    )


def _draw_sources(case: Cases, figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    system, dispatch = case.system, case.run.own.dispatch
    hours = np.arange(1, system.hours + 1)
    chp, keep = np.array(dispatch.chp), system.battery.efficiency
    parts = (
        ("bulk power", np.array(dispatch.grid), MUTED),
        ("hub 1", chp[:, 0], BLUE),
        ("hub 2", chp[:, 1], GREEN),
        ("other hubs", chp[:, 2:].sum(axis=1), VERMILION),
        ("batteries", keep * np.array(dispatch.discharged).sum(axis=1), PURPLE),
    )
    below = np.zeros(system.hours)
    for label, values, colour in parts:
        axes.bar(hours, values, bottom=below, color=colour, label=label, width=0.85)
        below = below + values
    axes.step(
        hours,
        np.array(system.factors) * sum(system.loads),
        where="mid",
        color=INK,
        label="load",
        linewidth=1.2,
    )
    axes.set_xlim(0.3, system.hours + 0.7)
    axes.set_xticks(range(3, system.hours + 1, 3))
    axes.set_xlabel("hour; what is above the load charges batteries or is lost")
    axes.set_ylabel("kW")
    figure.legend(loc="outside upper left", ncols=3 if size.narrow else 6)


def _draw_gaps(case: Cases, figure: Figure, size: Size) -> None:
    del size
    axes = figure.subplots()
    names = list(case.judged)[::-1]
    for place, name in enumerate(names):
        item = case.judged[name]
        tight = 100 * item.gap
        loose = 100 * (item.cost - case.run.bare_bound) / item.cost
        colour = GREEN if isinstance(item.verdict, Accepted) else VERMILION
        axes.plot([tight, loose], [place, place], color=colour, linewidth=1)
        axes.plot([loose], [place], "o", color=colour, fillstyle="none")
        axes.plot([tight], [place], "o", color=colour)
        axes.annotate(
            f"{item.cost:.2f} $", (tight, place), xytext=(0, 7), textcoords="offset points", ha="center"
        )
    axes.axvline(100 * DELTA, color=MUTED, linestyle="--")
    axes.annotate(
        f"passes up to {100 * DELTA:.1f} %",
        (100 * DELTA, len(names) - 0.5),
        xytext=(5, 0),
        textcoords="offset points",
        color=MUTED,
    )
    axes.set_xscale("log")
    axes.set_xlim(0.01, 50)
    plain_logarithms(axes.xaxis)
    axes.set_ylim(-0.5, len(names) - 0.3)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("% above the bound: filled with provable heat losses, open without")


def _draw_plants(case: Cases, figure: Figure, size: Size) -> None:
    del size
    axes = figure.subplots()
    shown = (0, 1, 2, 5)
    rows = (
        ("ours", case.run.own.dispatch, GREEN),
        ("recorded", case.records["optimal"], BLUE),
        ("distorted, ours", case.lie.dispatch, VERMILION),
        ("distorted, recorded", case.records["non-optimal"], PURPLE),
    )
    for number, (label, dispatch, colour) in enumerate(rows):
        values = sums(dispatch)[0]
        places = [place + 0.2 * (number - 1.5) for place in range(len(shown))]
        axes.bar(places, [values[hub] / 1e3 for hub in shown], width=0.18, color=colour, label=label)
    axes.set_xticks(range(len(shown)), [f"hub {hub + 1}" for hub in shown])
    axes.set_ylabel("MWh over the day")
    figure.legend(loc="outside upper left", ncols=4)
