"""Pictures of the study, as files that people look at in the documentation."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from testbed.report.drawing import BLUE, FAINT, GREEN, INK, MUTED, PURPLE, VERMILION, WIDE, style
from testbed.year.study import ValueStudy, Variant

DOTS_PER_INCH = 130
_LINES = (
    ("foresight", BLUE, "--", "load and sun known"),
    ("exact", PURPLE, "-.", "any size, posted late"),
    ("chance-500", GREEN, "-", "as shipped"),
    ("adaptive", VERMILION, ":", "adaptive prices"),
)


def save(figure: Figure, path: Path) -> None:
    """Write a figure on white paper."""
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=DOTS_PER_INCH, facecolor="white", metadata={"Software": None})


def draw_value(study: ValueStudy, path: Path) -> None:
    """Gain over the time, and gain against risk."""
    with mpl.rc_context(style(WIDE)):
        figure = Figure(figsize=(WIDE.width_in, 3.6), layout="constrained")
        over_time, over_risk = figure.subplots(1, 2, width_ratios=(3, 2))
        _draw_time(over_time, study)
        _draw_risk(over_risk, study)
        ours = study.named("chance-500")
        battery = (
            f"with {study.battery_wh / 1_000:g} kWh batteries" if study.battery_wh else "without batteries"
        )
        figure.suptitle(
            f"{len(study.homes)} homes {battery}: trading gains {ours.gain_uc / 1e6:,.0f} of at most "
            f"{study.bound_uc / 1e6:,.0f}",
            x=0.01,
            ha="left",
            color=INK,
        )
        save(figure, path)


def _draw_time(axes: Axes, study: ValueStudy) -> None:
    for name, colour, dash, words in _LINES:
        variant = study.named(name)
        values = np.array(variant.daily_gain_uc) / 1e6
        days = np.arange(len(values)) + study.days - len(values)
        axes.plot(days, values, color=colour, linestyle=dash, label=f"{words}: {values[-1]:,.0f}")
    axes.axhline(study.bound_uc / 1e6, color=MUTED, linewidth=1)
    axes.annotate(
        "no trading can gain more",
        (0, study.bound_uc / 1e6),
        xytext=(4, -11),
        textcoords="offset points",
        color=MUTED,
    )
    axes.set_xlim(0, study.days)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_xlabel("days since 1 August")
    axes.set_ylabel("gain over the grid alone, currency")
    axes.legend(loc="upper left", bbox_to_anchor=(0, 0.88))


def _draw_risk(axes: Axes, study: ValueStudy) -> None:
    curve = [one for one in study.variants if one.name.startswith("chance-")]
    shares = [(one.chance_permille or 0) / 10 for one in curve]
    axes.plot(shares, [one.gain_uc / 1e6 for one in curve], color=GREEN, marker="o")
    axes.axhline(0, color=FAINT)
    axes.set_xlabel("how sure the home wants to be, %")
    axes.set_ylabel("gain, currency", color=GREEN)
    traded = axes.twinx()
    traded.grid(visible=False)
    traded.plot(shares, _kwh(curve), color=VERMILION, linestyle=":", marker="^")
    traded.set_ylabel("traded, kWh", color=VERMILION)
    traded.set_ylim(bottom=0)


def _kwh(curve: list[Variant]) -> list[float]:
    return [one.traded_j / 3.6e6 for one in curve]
