"""The curve of privacy against energy, as a file for the documentation."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from light_client.rules.units import JOULES_PER_KWH
from testbed.privacy.ladder import Ladder
from testbed.report.drawing import BLUE, GREEN, INK, VERMILION, WIDE, style
from testbed.year.picture import save


def draw_ladder(ladder: Ladder, path: Path) -> None:
    """Left: how well addresses are linked on each rung; right: what that costs."""
    with mpl.rc_context(style(WIDE)):
        figure = Figure(figsize=(WIDE.width_in, 3.9), layout="constrained")
        linked, hides, cost = figure.subplots(1, 3, sharey=True, width_ratios=(3, 3, 4))
        places = np.arange(len(ladder.steps))[::-1]
        linked.set_yticks(places, [step.rung.name for step in ladder.steps])
        _bars(
            linked,
            places,
            [step.exposure.linking.advantage.value for step in ladder.steps],
            VERMILION,
            "{:.2f}",
        )
        linked.set_xlim(0, 1.2)
        linked.set_xlabel("linking advantage (1: certain)")
        _bars(
            hides, places, [step.exposure.hiding.effective_set.value for step in ladder.steps], BLUE, "{:.1f}"
        )
        hides.set_xlim(0, 1.3 * ladder.homes)
        hides.set_xlabel(f"hides among, of {ladder.homes} homes")
        energy = [step.traded_j / JOULES_PER_KWH for step in ladder.steps]
        bars = cost.barh(places, energy, color=GREEN, height=0.6)
        labels = [
            f"{one:,.0f} kWh, {step.ledger_bytes / 1e6:,.1f} MB"
            for one, step in zip(energy, ladder.steps, strict=True)
        ]
        cost.bar_label(bars, labels, padding=3)
        cost.set_xlim(0, 1.75 * max(energy))
        cost.set_xlabel("energy traded, bytes on the ledger")
        for axes in (linked, hides, cost):
            axes.tick_params(axis="y", length=0)
            axes.grid(visible=False)
            axes.spines["left"].set_visible(False)
        careless, shipped = ladder.steps[0], ladder.named("as shipped")
        lost = 1 - shipped.traded_j / careless.traded_j if careless.traded_j else 0
        hidden = shipped.exposure.hiding.effective_set.value
        title = f"As shipped, an address hides among {hidden:.0f} of {ladder.homes} homes, "
        figure.suptitle(f"{title}for {100 * lost:.0f} % less energy traded", x=0.01, ha="left", color=INK)
        save(figure, path)


def _bars(axes: Axes, places: np.ndarray, values: list[float], colour: str, form: str) -> None:
    bars = axes.barh(places, values, color=colour, height=0.6)
    axes.bar_label(bars, [form.format(value) for value in values], padding=3)
