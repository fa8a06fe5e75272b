"""The picture of a week of mishaps: what went wrong, what was read, how intervals were counted, what was traded."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from light_client.rules.units import JOULES_PER_KWH, Side
from meter_io.span import Basis
from testbed.report.drawing import BLUE, FAINT, GREEN, INK, MUTED, PURPLE, VERMILION, WIDE, style
from testbed.week.playing import Lived
from testbed.week.promises import Week
from testbed.year.picture import save

PICTURE: Final = "week.png"
DOCUMENT: Final = "week.json"
_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_SHORT_DAYS: Final = 2
"""What is shorter is shown in hours."""
_SHORTEST_MS: Final = 900_000
"""Width of what is over at once."""
_BASES: Final = {Basis.MEASURED: GREEN, Basis.ESTIMATED: VERMILION, Basis.UNKNOWN: MUTED}


def write_report(lived: Lived, folder: Path, document: Mapping[str, object]) -> Path:
    """Write picture and document into a folder; returns the picture's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DOCUMENT).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    draw(lived, folder / PICTURE)
    return folder / PICTURE


def draw(lived: Lived, path: Path) -> None:
    """Draw the timeline."""
    week = lived.week
    with mpl.rc_context(style(WIDE)):
        figure = Figure(figsize=(11, 7.6), layout="constrained")
        mishaps, readings, counted, memory, energy = figure.subplots(
            5, 1, sharex=True, height_ratios=(3.2, 1, 0.8, 1.2, 3)
        )
        _draw_mishaps(mishaps, week)
        _draw_readings(readings, lived)
        _draw_intervals(counted, lived)
        _draw_memory(memory, lived)
        _draw_energy(energy, lived)
        energy.set_xlim(0, _whole_ms(week) / _unit_ms(week))
        energy.set_xlabel("days" if _unit_ms(week) == _DAY_MS else "hours")
        broken = f"{lived.broken} broken promises" if lived.broken else "every promise kept"
        title = f"{len(week.mishaps)} mishaps, {lived.lives} lives, {len(lived.left.trades)} final trades: {broken}"
        figure.suptitle(title, x=0.01, ha="left", color=INK)
        save(figure, path)


def _whole_ms(week: Week) -> int:
    return (week.last + 1 - week.first) * week.length_ms


def _unit_ms(week: Week) -> int:
    """Of the time axis: a day, or an hour."""
    return _DAY_MS if _whole_ms(week) >= _SHORT_DAYS * _DAY_MS else _HOUR_MS


def _place(week: Week) -> Callable[[int], float]:
    """From UTC ms to the time axis, which begins with the run's first interval."""
    return lambda at_ms: (at_ms - week.first * week.length_ms) / _unit_ms(week)


def _draw_mishaps(axes: Axes, week: Week) -> None:
    place = _place(week)
    kinds = sorted({played.mishap.kind for played in week.mishaps}, key=lambda kind: kind.value)
    for row, kind in enumerate(kinds):
        of_kind = [played for played in week.mishaps if played.mishap.kind is kind]
        bars = [
            (place(one.begun_ms), max(one.ended_ms - one.begun_ms, _SHORTEST_MS) / _unit_ms(week))
            for one in of_kind
        ]
        axes.broken_barh(bars, (row - 0.35, 0.7), facecolors=VERMILION)
    axes.set_yticks(range(len(kinds)), [kind.value for kind in kinds])
    axes.set_ylim(len(kinds) - 0.4, -0.6)
    axes.set_title("what went wrong", loc="left")


def _draw_readings(axes: Axes, lived: Lived) -> None:
    week = lived.week
    counts = Counter(at_ms // week.length_ms for at_ms in lived.left.readings_ms)
    intervals = range(week.first, week.last + 1)
    begins = [(interval - week.first) * week.length_ms / _unit_ms(week) for interval in intervals]
    axes.fill_between(
        begins, [counts[interval] for interval in intervals], step="post", color=BLUE, linewidth=0
    )
    axes.set_ylim(bottom=0)
    axes.set_title("readings kept, each interval", loc="left")


def _draw_intervals(axes: Axes, lived: Lived) -> None:
    week, width = lived.week, lived.week.length_ms / _unit_ms(lived.week)
    for basis, colour in _BASES.items():
        of_basis = [row.interval for row in lived.left.intervals if row.basis is basis]
        bars = [((interval - week.first) * width, width) for interval in of_basis]
        axes.broken_barh(bars, (0, 1), facecolors=colour, linewidth=0)
        axes.plot([], [], color=colour, linewidth=6, label=f"{len(of_basis)} {basis.value}")
    axes.set_yticks([])
    axes.set_ylim(0, 1)
    axes.set_title("how intervals were counted", loc="left")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.95), ncols=3)


def _draw_memory(axes: Axes, lived: Lived) -> None:
    place = _place(lived.week)
    axes.plot(
        [place(at_ms) for at_ms, _ in lived.board.weighed],
        [held_kib * 1_024 / 1e6 for _, held_kib in lived.board.weighed],
        color=BLUE,
        linewidth=1,
    )
    axes.set_ylim(bottom=0)
    axes.set_ylabel("MB")
    axes.set_title("memory in use", loc="left")


def _draw_energy(axes: Axes, lived: Lived) -> None:
    week, width = lived.week, lived.week.length_ms / _unit_ms(lived.week)
    flows = [(interval, -import_j + export_j) for interval, (import_j, export_j) in lived.left.flows.items()]
    begins = [(interval - week.first) * width for interval, _ in flows]
    flowed = [energy_j / JOULES_PER_KWH for _, energy_j in flows]
    axes.plot(begins, flowed, color=MUTED, drawstyle="steps-post", linewidth=1, label="flowed")
    offered = ((one.ranges[0][0], one.side, one.remaining_j) for _, one in lived.left.posted)
    traded = ((one.interval, Side(one.side), one.energy_j) for one in lived.left.trades)
    for rows, colour, label in ((offered, FAINT, "offered"), (traded, PURPLE, "traded")):
        for factor, sums in _by_side(rows):
            at = [(interval - week.first) * width for interval in sums]
            heights = [factor * energy_j / JOULES_PER_KWH for energy_j in sums.values()]
            axes.bar(at, heights, width, align="edge", color=colour, label=label if factor > 0 else None)
    axes.set_ylabel("kWh, out of the home")
    axes.set_title("what flowed, was offered and was traded for each interval", loc="left")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.97), ncols=3)


def _by_side(rows: Iterable[tuple[int, Side, int]]) -> list[tuple[int, Counter[int]]]:
    """Sums for each interval, of sales and of purchases."""
    sums: dict[Side, Counter[int]] = {Side.SELL: Counter(), Side.BUY: Counter()}
    for interval, side, energy_j in rows:
        sums[side][interval] += energy_j
    return [(1, sums[Side.SELL]), (-1, sums[Side.BUY])]
