"""The rollout as a picture: what the meters were doing over time, by their own account."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed.report.drawing import BLUE, GREEN, INK, PURPLE, VERMILION, WIDE, style
from testbed.rollout.real import FATE as REAL
from testbed.rollout.rehearsal import Play
from testbed.year.picture import save

_STATES: Final = (
    ("new", GREEN, "", "on the new version"),
    ("rolled back", VERMILION, "xx", "rolled back"),
    ("on trial", BLUE, "//", "on trial"),
    ("going back", PURPLE, "\\\\", "going back"),
    ("without power", INK, "", "without power"),
    ("old", "#d9d9d9", "", "on the old version"),
    ("away", "#f4f4f4", "..", "away"),
)


def draw_rollout(play: Play, path: Path) -> None:
    """Meters by state, one on top of the other, and the connections as a line."""
    with mpl.rc_context(style(WIDE)):
        figure = Figure(figsize=(WIDE.width_in, 4.4), layout="constrained")
        axes = figure.subplots()
        times = [sample.at_s for sample in play.samples]
        rows = [[sample.counts.get(state, 0) for sample in play.samples] for state, *_ in _STATES]
        colours = [colour for _, colour, _, _ in _STATES]
        areas = axes.stackplot(
            times, rows, colors=colours, step="post", labels=[words for *_, words in _STATES]
        )
        for area, (_, _, hatch, _) in zip(areas, _STATES, strict=True):
            area.set_hatch(hatch)
        axes.step(
            times, [sample.connected for sample in play.samples], where="post", color=INK, lw=1.2, ls="--"
        )
        axes.plot([], [], color=INK, lw=1.2, ls="--", label="connected")
        _mark(axes, play.killed_at_s, "broker killed and started again", play.script.agents)
        _mark(axes, play.back_at_s, "those away come back", play.script.agents)
        axes.set_xlim(0, max(times, default=1.0))
        axes.set_ylim(0, play.script.agents)
        axes.set_xlabel("seconds since the push")
        axes.set_ylabel("meters")
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
        drawn = [truth for truth in play.truths if truth["fate"] != REAL]
        count = sum(truth["hash"] == play.bundle for truth in drawn)
        title = f"{count:,} of {play.script.agents:,} meters took the new version over, "
        ended = sum(truth["failed"] == play.bundle for truth in drawn)
        figure.suptitle(f"{title}{ended:,} went back by themselves", x=0.01, ha="left", color=INK)
        save(figure, path)


def _mark(axes: Axes, at_s: float | None, words: str, top: int) -> None:
    if at_s is None:
        return
    axes.axvline(at_s, color=INK, lw=1.0, ls=":")
    axes.annotate(
        words,
        (at_s, 0.97 * top),
        xytext=(4, 0),
        textcoords="offset points",
        rotation=90,
        va="top",
        color=INK,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
    )
