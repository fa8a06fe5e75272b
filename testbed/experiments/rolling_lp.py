"""The published rolling market as linear programs of its own, with the tie-break as a switch.

Shares no code with the solver or the rules: HiGHS maximises traded energy, and whatever optimum it happens to find is
carried out. One price for all; energies in joules as floating point numbers.

Source: equations (3)-(8), (10)-(15) of the transactive-energy paper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from random import Random

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, vstack

_TINY_J = 1.0


class TieBreak(Enum):
    """Which of the plans with the most energy is taken."""

    ARBITRARY = "arbitrary"
    """Whatever the solver finds: the paper states nothing."""
    RANDOM = "random"
    """A random nudge of up to 1e-4 for each offer and interval: what a solver that knows no better may find."""
    WASTEFUL = "longest-lasting first"
    """A nudge of 1e-4 towards offers that could have waited."""
    PERISHABLE = "soonest-expiring first"
    """A nudge of 1e-4 towards offers that end soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One offer."""

    feeder: int
    first: int
    last: int
    energy_j: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling:
    """One way to run the day.

    Attributes:
        window: prediction window L: step tau sees offers with ``first <= tau + L - 2``.
        ext_j: external limit of each feeder, J an interval.
        tie_break: which optimum is taken.
        seed: of a random tie-break.
    """

    window: int
    ext_j: float
    tie_break: TieBreak
    seed: int = 1


def rolling_energy(sells: Sequence[Row], buys: Sequence[Row], rolling: Rolling) -> float:
    """Energy traded in a day, J.

    Args:
        sells: any number of intervals each.
        buys: each with a single interval, as in the published data.
        rolling: how the day is run.
    """
    left = [row.energy_j for row in sells]
    start, end = min(row.first for row in (*sells, *buys)), max(row.last for row in (*sells, *buys))
    demand: dict[tuple[int, int], float] = {}
    for row in buys:
        demand[row.feeder, row.first] = demand.get((row.feeder, row.first), 0.0) + row.energy_j
    traded, chance = 0.0, Random(rolling.seed)  # noqa: S311 - a tie-break
    for now in range(start, end + 1):
        seen = now + rolling.window - 2
        visible = [
            number
            for number, row in enumerate(sells)
            if row.first <= seen and row.last >= now and left[number] > _TINY_J
        ]
        wanted = {cell: energy_j for cell, energy_j in demand.items() if now <= cell[1] <= seen}
        if not visible or not wanted:
            continue
        offers = [replace(sells[number], energy_j=left[number]) for number in visible]
        nudge = partial(_nudge, tie_break=rolling.tie_break, now=now, chance=chance)
        sold = _step(offers, wanted, now, rolling.ext_j, nudge)
        for number, energy_j in zip(visible, sold, strict=True):
            left[number] -= energy_j
            traded += energy_j
    return traded


def _step(
    sells: Sequence[Row],
    wanted: dict[tuple[int, int], float],
    now: int,
    ext_j: float,
    nudge: Callable[[Row, int], float],
) -> list[float]:
    """Energy that each offer sells in interval ``now`` of a plan with the most energy over all that is seen."""
    times = sorted({t for _, t in wanted})
    columns = [
        (number, t) for number, row in enumerate(sells) for t in times if max(row.first, now) <= t <= row.last
    ]
    cells = sorted({(sells[number].feeder, t) for number, t in columns} | wanted.keys())
    place, moment = ({key: at for at, key in enumerate(keys)} for keys in (cells, times))
    selling, buying = len(columns), len(cells)
    everything = np.arange(selling + buying)
    signs = np.concatenate((np.ones(selling), -np.ones(buying)))
    at_cell = [place[sells[number].feeder, t] for number, t in columns] + list(range(buying))
    at_time = [moment[t] for _, t in columns] + [moment[t] for _, t in cells]
    supply = csr_matrix(
        (np.ones(selling), ([number for number, _ in columns], everything[:selling])),
        shape=(len(sells), selling + buying),
    )
    net = csr_matrix((signs, (at_cell, everything)), shape=(buying, selling + buying))
    balance = csr_matrix((signs, (at_time, everything)), shape=(len(times), selling + buying))
    unit = max(row.energy_j for row in sells)
    most = [None] * selling + [wanted.get(cell, 0.0) / unit for cell in cells]
    answer = linprog(
        [-1 - nudge(sells[number], t) for number, t in columns] + [0.0] * buying,
        A_ub=vstack((supply, net, -net), format="csr"),
        b_ub=np.concatenate(([row.energy_j for row in sells], np.full(2 * buying, ext_j))) / unit,
        A_eq=balance,
        b_eq=np.zeros(len(times)),
        bounds=[(0, high) for high in most],
        method="highs-ds",
    )
    result = [0.0] * len(sells)
    for (number, t), value in zip(columns, answer.x, strict=False):
        if t == now:
            result[number] += float(value) * unit
    return result


def _nudge(row: Row, t: int, *, tie_break: TieBreak, now: int, chance: Random) -> float:
    """How much more than 1 a joule counts: too little to cost any energy."""
    if tie_break is TieBreak.ARBITRARY:
        return 0.0
    if tie_break is TieBreak.RANDOM:
        return 1e-4 * chance.random()
    waits = row.last - now
    return 1e-6 * (waits if tie_break is TieBreak.WASTEFUL else 100 - waits) + 5e-8 * (200 - (t - now))
