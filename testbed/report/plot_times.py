"""How long things took: shares of trades and of checks done within a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, PercentFormatter

from testbed.report.drawing import BLUE, GREEN, INK, MUTED, PURPLE, VERMILLION, Size
from testbed.report.model import TradingDay
from testbed.report.plot import Floats, Plot, Table, render
from testbed.report.wording import grouped, milliseconds, quantile, seconds

_POINTS = 300
"""Steps drawn of a distribution; more would make the page heavy and no different."""
_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
_Dash = Literal["-", "--", "-.", ":"]
_LINES: tuple[tuple[str, _Dash], ...] = ((BLUE, "-"), (VERMILLION, "--"), (GREEN, "-."), (PURPLE, ":"))


def _steps(values: Sequence[float]) -> tuple[Floats, Floats]:
    """Times and shares (0..1) of an empirical distribution, thinned to what can be seen."""
    ordered = np.sort(np.asarray(values, np.float64))
    count = len(ordered)
    at = np.unique(np.linspace(0, count - 1, min(count, _POINTS)).round().astype(np.int64))
    return ordered[at], (at + 1) / count


def _percentiles(axes: Axes, values: Sequence[float], word: str, unit: str) -> None:
    """Mark the median and the 99th percentile and write them beside their marks."""
    for share, marker, label in ((0.5, "o", "half"), (0.99, "D", "99 %")):
        at = quantile(values, share)
        text = seconds(at) if unit == "s" else milliseconds(at)
        axes.plot([at], [share], marker, color=INK, markersize=5)
        axes.annotate(f"{label} {word} {text}", (at, share), xytext=(7, -11), textcoords="offset points", color=INK)


def _share_axis(axes: Axes, what: str) -> None:
    axes.set_ylim(0, 1.04)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel(what)


def _plain(value: float, _: object = None) -> str:
    return f"{value:g}"


def latency(day: TradingDay) -> Plot:
    """From posting an offer to its final trade."""
    values = day.latencies_s
    median, slow = quantile(values, 0.5), quantile(values, 0.99)
    finding = f"Half of the trades were final within {seconds(median)} of the offer, 99 % within {seconds(slow)}"

    def draw(figure: Figure, size: Size) -> None:
        axes = figure.subplots()
        times, shares = _steps(values)
        axes.step(times, shares, where="post", color=BLUE, linewidth=1.8)
        _percentiles(axes, values, "within", "s")
        axes.set_xlim(0, max(times[-1] * (1.35 if size.narrow else 1.2), 1e-9))
        axes.set_xlabel("from offer to final trade, s (simulated)")
        _share_axis(axes, "share of trades")

    rows = tuple((f"{100 * share:g} %", f"{quantile(values, share):.2f}") for share in _SHARES)
    return render(
        name="latency",
        finding=finding,
        caption=f"{grouped(len(values))} final trades, each from the posting of its offer. Offers wait for their interval to close.",
        description=f"Empirical distribution of the time from offer to final trade: median {seconds(median)}, "
        f"99th percentile {seconds(slow)}.",
        table=Table(headers=("share of trades", "final within, s"), rows=rows),
        draw=draw,
    )


def verification(day: TradingDay) -> Plot:
    """How long checks took, by verifier."""
    kinds = [kind for kind in day.verifications if kind.times_ms]
    every = [time for kind in kinds for time in kind.times_ms]
    slowest = max(kinds, key=lambda kind: quantile(kind.times_ms, 0.5))
    finding = (
        f"{slowest.verifier}: {milliseconds(quantile(slowest.times_ms, 0.5))} for half of the checks, "
        f"{milliseconds(max(slowest.times_ms))} at most"
    )

    def draw(figure: Figure, size: Size) -> None:
        axes = figure.subplots()
        lines = []
        for kind, (colour, dash) in zip(kinds, _LINES * (1 + len(kinds) // len(_LINES)), strict=False):
            times, shares = _steps(kind.times_ms)
            axes.step(times, shares, where="post", color=colour, linestyle=dash, linewidth=1.8)
            lines.append(Line2D([], [], color=colour, linestyle=dash, label=kind.verifier))
        _percentiles(axes, slowest.times_ms, "in", "ms")
        axes.set_xscale("log")
        low, high = min(every), max(every)
        if day.verification_budget_ms is not None:
            budget = day.verification_budget_ms
            axes.axvline(budget, color=MUTED, linestyle=(0, (6, 3)), linewidth=1.2)
            axes.annotate(f"budget {milliseconds(budget)}", (budget, 0.04), xytext=(-4, 0), ha="right", textcoords="offset points")
            high = max(high, budget)
        axes.set_xlim(max(low / 1.5, 1e-6), high * (4 if size.narrow else 2.5))
        axes.xaxis.set_major_formatter(FuncFormatter(_plain))
        axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
        axes.set_xlabel("ms, logarithmic (real time)")
        _share_axis(axes, "share of checks")
        figure.legend(handles=lines, loc="outside upper left", ncols=1 if size.narrow else 2, handlelength=2.6)

    rows = tuple(
        (kind.verifier, grouped(len(kind.times_ms)), *(f"{quantile(kind.times_ms, share):.3g}" for share in (0.5, 0.9, 0.99, 1.0)))
        for kind in kinds
    )
    return render(
        name="verification",
        finding=finding,
        caption="Time a meter's own code takes to check, measured on this machine.",
        description="Empirical distributions. " + "; ".join(
            f"{kind.verifier}: median {milliseconds(quantile(kind.times_ms, 0.5))}" for kind in kinds
        ),
        table=Table(headers=("verifier", "checks", "half, ms", "90 %, ms", "99 %, ms", "slowest, ms"), rows=rows),
        draw=draw,
    )
