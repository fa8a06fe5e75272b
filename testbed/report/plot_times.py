"""How long things took: shares of trades and of checks done within a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import cycle
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

from testbed.report.drawing import BLUE, GREEN, INK, MUTED, PAPER, PURPLE, VERMILION, Size
from testbed.report.model import TradingDay, VerificationTimes
from testbed.report.plot import Floats, Plot, Table, render
from testbed.report.wording import grouped, milliseconds, quantile, seconds

_POINTS = 300
"""Steps drawn of a distribution; more would make the page heavy and no different."""
_MINUTES_FROM_S = 600
_UNDER_TEXT = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.85, "pad": 1.0}
_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
_Dash = Literal["-", "--", "-.", ":"]
_LINES: tuple[tuple[str, _Dash], ...] = ((BLUE, "-"), (VERMILION, "--"), (GREEN, "-."), (PURPLE, ":"))


def _steps(values: Sequence[float]) -> tuple[Floats, Floats]:
    """Times and shares (0..1) of an empirical distribution, thinned to what can be seen."""
    ordered = np.sort(np.asarray(values, np.float64))
    count = len(ordered)
    at = np.unique(np.linspace(0, count - 1, min(count, _POINTS)).round().astype(np.int64))
    return ordered[at], (at + 1) / count


def _percentiles(axes: Axes, marks: Sequence[tuple[float, str]], word: str) -> None:
    """Mark the median and the 99th percentile, given as (place, text), and write them beside their marks."""
    for (at, text), share, marker, label in zip(
        marks, (0.5, 0.99), ("o", "D"), ("half", "99 %"), strict=True
    ):
        axes.plot([at], [share], marker, color=INK, markersize=5)
        axes.annotate(
            f"{label} {word} {text}",
            (at, share),
            xytext=(8, -11),
            textcoords="offset points",
            color=INK,
            bbox=_UNDER_TEXT,
        )


def _share_axis(axes: Axes, what: str) -> None:
    axes.set_ylim(0, 1.04)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel(what)


def _draw_latency(day: TradingDay, figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    times, shares = _steps(day.latencies_s)
    marks = [quantile(day.latencies_s, share) for share in (0.5, 0.99)]
    scale, unit = (60.0, "min") if marks[0] >= _MINUTES_FROM_S else (1.0, "s")
    axes.step(times / scale, shares, where="post", color=BLUE, linewidth=1.8)
    _percentiles(axes, [(at / scale, seconds(at)) for at in marks], "within")
    axes.set_xlim(0, max(times[-1] / scale * (1.4 if size.narrow else 1.2), 1e-9))
    axes.set_xlabel(f"from offer to final trade, {unit} (simulated)")
    _share_axis(axes, "share of trades")


def latency(day: TradingDay) -> Plot:
    """From posting an offer to its final trade."""
    values = day.latencies_s
    median, slow = quantile(values, 0.5), quantile(values, 0.99)
    rows = tuple((f"{100 * share:g} %", f"{quantile(values, share):.2f}") for share in _SHARES)
    return render(
        name="latency",
        finding=f"Half of the trades were final within {seconds(median)} of the offer, 99 % within {seconds(slow)}",
        caption=f"{grouped(len(values))} final trades, each from the posting of its offer. "
        "Offers wait for their interval to close.",
        description=f"Empirical distribution of the time from offer to final trade: median {seconds(median)}, "
        f"99th percentile {seconds(slow)}.",
        table=Table(headers=("share of trades", "final within, s"), rows=rows),
        draw=partial(_draw_latency, day),
    )


def _budget(axes: Axes, budget_ms: float) -> None:
    """A line that no check should cross."""
    axes.axvline(budget_ms, color=MUTED, linestyle=(0, (6, 3)), linewidth=1.2)
    place: dict[str, Any] = {"xytext": (-4, 0), "textcoords": "offset points", "ha": "right"}
    axes.annotate(f"budget {milliseconds(budget_ms)}", (budget_ms, 0.04), **place)


def _draw_verification(
    kinds: Sequence[VerificationTimes],
    slowest: VerificationTimes,
    budget_ms: float | None,
    figure: Figure,
    size: Size,
) -> None:
    axes = figure.subplots()
    key = []
    for kind, (colour, dash) in zip(kinds, cycle(_LINES), strict=False):
        times, shares = _steps(kind.times_ms)
        axes.step(times, shares, where="post", color=colour, linestyle=dash, linewidth=1.8)
        key.append(Line2D([], [], color=colour, linestyle=dash, label=kind.verifier))
    if budget_ms is not None:
        _budget(axes, budget_ms)
    marks = [quantile(slowest.times_ms, share) for share in (0.5, 0.99)]
    _percentiles(axes, [(at, milliseconds(at)) for at in marks], "in")
    every = [time for kind in kinds for time in kind.times_ms]
    axes.set_xscale("log")
    axes.set_xlim(max(min(every) / 1.5, 1e-6), max(*every, budget_ms or 0) * (4 if size.narrow else 2.5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("ms, logarithmic (real time)")
    _share_axis(axes, "share of checks")
    figure.legend(handles=key, loc="outside upper left", ncols=1 if size.narrow else 3, handlelength=2.6)


def verification(day: TradingDay) -> Plot:
    """How long checks took, by verifier."""
    kinds = [kind for kind in day.verifications if kind.times_ms]
    half = {kind.verifier: milliseconds(quantile(kind.times_ms, 0.5)) for kind in kinds}
    slowest = max(kinds, key=lambda kind: quantile(kind.times_ms, 0.5))
    rows = tuple(
        (
            kind.verifier,
            grouped(len(kind.times_ms)),
            *(f"{quantile(kind.times_ms, share):.3g}" for share in (0.5, 0.9, 0.99, 1.0)),
        )
        for kind in kinds
    )
    most = milliseconds(max(slowest.times_ms))
    return render(
        name="verification",
        finding=f"{slowest.verifier}: {half[slowest.verifier]} for half of the checks, {most} at most",
        caption="Time a meter's own code takes to check, measured on this machine.",
        description="Empirical distributions. "
        + "; ".join(f"{name}: median {time}" for name, time in half.items()),
        table=Table(
            headers=("verifier", "checks", "half, ms", "90 %, ms", "99 %, ms", "slowest, ms"), rows=rows
        ),
        draw=partial(_draw_verification, kinds, slowest, day.verification_budget_ms),
    )
