"""Plots of the privacy experiment: a row for each setting, a mark for each adversary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed.experiments.findings import Picture
from testbed.privacy.estimate import Estimate
from testbed.privacy.ladder import Ladder
from testbed.privacy.measure import Exposure
from testbed.privacy.views import COLLUDING, MINER, NOBODY_KNOWN, ONE_DAY, WEEKS, View
from testbed.report.drawing import BLUE, FAINT, GREEN, MUTED, PURPLE, VERMILION, Size

LOOKS: Final = (
    (NOBODY_KNOWN, MUTED, "v"),
    (ONE_DAY, GREEN, "s"),
    (MINER, PURPLE, "D"),
    (COLLUDING, BLUE, "^"),
    (WEEKS, VERMILION, "o"),
)
"""The adversaries that are drawn, with colour and mark."""
CARELESS: Final = "careless"
Value = Callable[[Exposure], Estimate]


def pictures(ladder: Ladder) -> tuple[Picture, ...]:
    """All of them."""
    return (
        Picture(
            name="choice",
            finding="Coarse prices hide a home at no cost; lots of one size cost much and hide no better",
            caption="A row for each setting. How many homes an address hides among for each adversary (2 to the "
            f"entropy of what it believes, of {ladder.homes} homes; three of them tell A3 all of theirs), the energy "
            "that is traded less than without any care, and what offers, grants and deposits weigh on the ledger.",
            draw=partial(_draw_choice, ladder),
        ),
        Picture(
            name="linking",
            finding="Who knows homes for weeks links fresh keys; with coarse prices hardly anybody links anything",
            caption="Linking advantage of each adversary for pairs of addresses of one day: 0 is guessing, 1 is "
            "certainty. Lines are the 95 % intervals of resampled days.",
            draw=partial(_draw_linking, ladder),
        ),
        Picture(
            name="worst",
            finding="The address that is hidden worst is what a setting has to be judged by",
            caption="Min-entropy, bits, of the twentieth of all addresses that each adversary is surest of; 0 is "
            "certainty, which may be mistaken.",
            draw=partial(_draw_worst, ladder),
        ),
        Picture(
            name="intersection",
            finding="What no single address tells, all of a home's addresses together do",
            caption="Share of homes that are named rightly by who has known all of them for weeks: from one address, "
            "and from all addresses that a home used within 96 and 672 intervals, if they can be tied together. Lines "
            "are 95 % intervals; 672 intervals fit in once, so that the last one rests on one bundle a home.",
            draw=partial(_draw_intersection, ladder),
        ),
    )


def lost_percent(ladder: Ladder, name: str) -> float:
    """Energy traded less than without any care, percent."""
    careless = ladder.named(CARELESS).traded_j
    return 100 * (1 - ladder.named(name).traded_j / careless) if careless else 0.0


def _draw_choice(ladder: Ladder, figure: Figure, size: Size) -> None:
    hides, lost, weighs = figure.subplots(1, 3, sharey=True, width_ratios=(5, 2, 2))
    _marks(hides, ladder, lambda seen: seen.hiding.effective_set)
    hides.set_xlim(0, 1.05 * ladder.homes)
    hides.set_xlabel("hides among, homes")
    names = [step.rung.name for step in ladder.steps]
    _bars(lost, [lost_percent(ladder, name) for name in names], VERMILION, "{:.0f}")
    lost.set_xlabel("energy lost, %")
    _bars(weighs, [step.ledger_bytes / 1e6 for step in ladder.steps], BLUE, "{:.1f}")
    weighs.set_xlabel("ledger, MB")
    _rows(hides, ladder)
    _legend(figure, size)


def _draw_linking(ladder: Ladder, figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    _marks(axes, ladder, lambda seen: seen.linking.advantage)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_xlim(-0.1, 1.05)
    axes.set_xlabel("linking advantage")
    _rows(axes, ladder)
    _legend(figure, size)


def _draw_worst(ladder: Ladder, figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    _marks(axes, ladder, lambda seen: _exactly(seen.hiding.worst_bits))
    axes.set_xlim(left=-0.1)
    axes.set_xlabel("min-entropy of the worst twentieth, bits")
    _rows(axes, ladder)
    _legend(figure, size)


def _draw_intersection(ladder: Ladder, figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    windows = sorted({window for step in ladder.steps for window in step.exposure.intersected})
    series: list[tuple[str, str, str, Callable[[Exposure], Estimate | None]]] = [
        ("one address", MUTED, "v", lambda seen: seen.hiding.named)
    ]
    for window, colour, marker in zip(windows, (BLUE, VERMILION), ("s", "o"), strict=False):
        series.append((f"{window} intervals", colour, marker, partial(_named_in, window)))
    for at, (label, colour, marker, value) in enumerate(series):
        estimates = [value(step.exposure) for step in ladder.steps]
        _series(axes, estimates, _shift(at, len(series)), (colour, marker, label))
    axes.axvline(1 / ladder.homes, color=FAINT)
    axes.set_xlim(0, 1.05)
    axes.set_xlabel(f"homes named rightly, of 1; the line is guessing one of {ladder.homes}")
    _rows(axes, ladder)
    figure.legend(loc="outside upper left", ncols=1 if size.narrow else 3)


def _named_in(window: int, seen: Exposure) -> Estimate | None:
    hiding = seen.intersected.get(window)
    return None if hiding is None else hiding.named


def _exactly(value: float) -> Estimate:
    return Estimate(value=value, low=value, high=value)


def _shift(at: int, count: int) -> float:
    """Where marks of one row lie beside each other."""
    return 0.14 * ((count - 1) / 2 - at)


def _marks(axes: Axes, ladder: Ladder, value: Value) -> None:
    for at, (view, colour, marker) in enumerate(LOOKS):
        estimates = [value(step.by[view.name]) for step in ladder.steps]
        _series(axes, estimates, _shift(at, len(LOOKS)), (colour, marker, _label(view)))


def _series(
    axes: Axes, estimates: Sequence[Estimate | None], shift: float, look: tuple[str, str, str]
) -> None:
    """A mark with its interval in each row that has one."""
    colour, marker, label = look
    there = [(place, one) for place, one in enumerate(reversed(estimates)) if one is not None]
    places = [place + shift for place, _ in there]
    axes.hlines(
        places, [one.low for _, one in there], [one.high for _, one in there], color=colour, linewidth=1
    )
    axes.plot(
        [one.value for _, one in there],
        places,
        color=colour,
        marker=marker,
        markersize=4,
        linestyle="none",
        label=label,
    )


def _label(view: View) -> str:
    return f"{view.name}: {view.words}"


def _bars(axes: Axes, values: Sequence[float], colour: str, form: str) -> None:
    shown = list(reversed(values))
    bars = axes.barh(range(len(shown)), shown, color=colour, height=0.6)
    axes.bar_label(bars, [form.format(abs(value)) for value in shown], padding=2)
    axes.set_xlim(0, 1.4 * max(*shown, 1.0))
    axes.grid(visible=False)


def _rows(axes: Axes, ladder: Ladder) -> None:
    axes.set_yticks(range(len(ladder.steps)), [step.rung.name for step in reversed(ladder.steps)])
    axes.set_ylim(-0.6, len(ladder.steps) - 0.4)
    axes.tick_params(axis="y", length=0)


def _legend(figure: Figure, size: Size) -> None:
    figure.legend(loc="outside upper left", ncols=1 if size.narrow else 2)
