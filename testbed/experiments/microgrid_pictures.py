"""What the microgrid experiment draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import mean, median
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from light_client.rules.units import Side
from testbed.experiments.findings import Picture
from testbed.experiments.microgrid_live import Live
from testbed.report.drawing import BLUE, GREEN, MUTED, PURPLE, VERMILION, Size
from testbed.scenarios.model import Scenario
from testbed.solver.rolling import Day

UNIT_J: Final = 900_000
"""One kW over one interval: the unit of the published figures, which call it kWh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Energy of a day with one prediction window, in published units, by tie-break."""

    length: int
    ours: float
    """With the stated one, proven at each step."""
    soonest: float
    longest: float
    arbitrary: float
    """Whatever the solver finds."""
    random: tuple[float, ...]

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "random_mean": mean(self.random)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A day interval by interval, in published units."""

    on_sale: tuple[float, ...]
    """Offers over several intervals count where they begin."""
    lasting: tuple[float, ...]
    """Of it: offers over several intervals, a battery's."""
    wanted: tuple[float, ...]
    traded: tuple[float, ...]
    home_made: tuple[float, ...]
    """What one home generates, its battery included."""
    home_stored: tuple[float, ...]
    home_sold: tuple[float, ...]


def shown_of(scenario: Scenario, day: Day, home_id: int) -> Shown:
    """What is to be drawn of a day."""
    lasting, made, stored = (np.zeros(scenario.intervals) for _ in range(3))
    for offer in scenario.offers:
        if offer.side == Side.SELL:
            at, energy = offer.first_interval - scenario.first_interval, offer.energy_j / UNIT_J
            single = offer.first_interval == offer.last_interval
            lasting[at] += 0.0 if single else energy
            if offer.home_id == home_id:
                made[at] += energy
                stored[at] += 0.0 if single else energy
    on_sale, wanted = (
        tuple(value / UNIT_J for value in scenario.offered_per_interval_j(side))
        for side in (Side.SELL, Side.BUY)
    )
    return Shown(
        on_sale=on_sale,
        lasting=_floats(lasting),
        wanted=wanted,
        traded=tuple(_per_interval(scenario, day)),
        home_made=_floats(made),
        home_stored=_floats(stored),
        home_sold=tuple(_per_interval(scenario, day, home_id)),
    )


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _per_interval(scenario: Scenario, day: Day, home_id: int | None = None) -> list[float]:
    """Energy sold in each interval."""
    sold = np.zeros(scenario.intervals)
    for trade in day.trades:
        if trade.side == Side.SELL and home_id in (None, scenario.offers[trade.offer_id].home_id):
            sold[trade.interval - scenario.first_interval] += trade.energy_j / UNIT_J
    return [float(value) for value in sold]


def pictures(
    windows: dict[str, list[Window]], days: dict[str, Shown], live: Live, home_id: int
) -> tuple[Picture, ...]:
    """Figures 9, 6, 7, 10 and 11 of the paper."""
    return (
        Picture(
            name="windows",
            finding="The tie-break decides what the prediction window was said to decide",
            caption="Energy traded in the day against the prediction window, as Figure 9 of the paper; the band is "
            "what plans with equally much energy at every step may end with.",
            draw=partial(_draw_windows, windows),
        ),
        Picture(
            name="day-nobattery",
            finding="What is on sale, wanted and traded in each interval",
            caption="noBattery, window 2, 20 kW a feeder, all homes together, as Figure 6 of the paper.",
            draw=partial(_draw_day, days["noBattery"]),
        ),
        Picture(
            name="day-withbattery",
            finding="With batteries, what is on sale, wanted and traded in each interval",
            caption="withBattery, window 2, 20 kW a feeder, all homes together, as Figure 7 of the paper; offers over "
            "several intervals count where they begin, and what batteries offer is drawn by itself.",
            draw=partial(_draw_day, days["withBattery"]),
        ),
        Picture(
            name=f"prosumer-{home_id}",
            finding="One prosumer sells its surplus at once and its battery until late",
            caption=f"Home {home_id} of withBattery: what it generates (and stores) against what it sells, as "
            "Figure 10.",
            draw=partial(_draw_prosumer, days["withBattery"]),
            private=True,
        ),
        Picture(
            name="latency",
            finding="Every trade is final within its interval and the moment that clearing takes",
            caption=f"From sending an offer to having verified its final trade, {len(live.latencies_ms)} offers of "
            f"{live.homes} homes, {live.light_clients} light clients and 4 miners as processes, {live.speed} times "
            "faster than real time; as Figure 11 of the paper.",
            draw=partial(_draw_latency, live),
        ),
    )


def _draw_windows(windows: dict[str, list[Window]], figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    found = windows["withBattery"]
    at = [window.length for window in found]
    low, high = [window.longest for window in found], [window.soonest for window in found]
    axes.fill_between(at, low, high, color=MUTED, alpha=0.18, linewidth=0, label="any tie-break")
    chance = [mean(window.random) for window in found]
    axes.plot(at, chance, color=VERMILION, marker="s", label="random tie-break, mean")
    arbitrary = [window.arbitrary for window in found]
    axes.plot(at, arbitrary, color=PURPLE, marker="x", linestyle=":", label="whatever the solver finds")
    ours = [window.ours for window in found]
    axes.plot(at, ours, color=BLUE, marker="o", label="stated tie-break, proven (ours)")
    without = [window.ours for window in windows["noBattery"]]
    axes.plot(at, without, color=GREEN, marker="^", linestyle="--", label="without batteries")
    axes.set_xlabel("prediction window, intervals")
    axes.set_ylabel("energy traded in the day,\nkW x interval")
    axes.set_ylim(3_200, 3_480)
    figure.legend(loc="outside upper left", ncols=1 if size.narrow else 3)


def _draw_day(day: Shown, figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    edges = list(range(1, len(day.traded) + 2))
    axes.stairs(day.on_sale, edges, color=GREEN, label="on sale", linewidth=1.6)
    axes.stairs(day.wanted, edges, color=VERMILION, linestyle="--", label="wanted", linewidth=1.6)
    if any(day.lasting):
        axes.stairs(
            day.lasting, edges, color=PURPLE, linestyle=":", label="of it by batteries", linewidth=1.4
        )
    axes.stairs(day.traded, edges, color=BLUE, fill=True, alpha=0.35, label="traded")
    _by_interval(figure, size, len(day.traded))


def _draw_prosumer(day: Shown, figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    edges = list(range(1, len(day.home_made) + 2))
    axes.stairs(day.home_made, edges, color=PURPLE, linestyle="--", label="generated", linewidth=1.6)
    axes.stairs(day.home_stored, edges, color=MUTED, label="of it into the battery", linewidth=1.2)
    axes.stairs(day.home_sold, edges, color=BLUE, fill=True, alpha=0.4, label="sold")
    _by_interval(figure, size, len(day.home_made))


def _by_interval(figure: Figure, size: Size, intervals: int) -> None:
    axes = figure.axes[0]
    axes.set_xlabel("interval of the day")
    axes.set_ylabel("mean power, kW")
    axes.set_xlim(1, intervals + 1)
    figure.legend(loc="outside upper left", ncols=2 if size.narrow else 4)


def _draw_latency(live: Live, figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    values: Sequence[float] = live.in_intervals
    axes.hist(values, bins=24, color=BLUE, alpha=0.6, label="offers that traded")
    if values:
        axes.axvline(median(values), color=VERMILION, linestyle="--", label=f"median {median(values):.2f}")
        axes.axvline(values[-1], color=MUTED, linestyle=":", label=f"slowest {values[-1]:.2f}")
    axes.set_xlabel("from sending an offer to its verified final trade, intervals")
    axes.set_ylabel("offers")
    axes.set_xlim(left=0)
    figure.legend(loc="outside upper left", ncols=1 if size.narrow else 3)
