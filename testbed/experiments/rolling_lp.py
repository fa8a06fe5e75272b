"""The published rolling market as linear programs of its own, with the tie-break as a switch.

Shares no code with the solver or the rules: HiGHS maximises traded energy, and whatever optimum it happens to find is
carried out. One price for all; energies in joules as floating point numbers.

Source: equations (3)-(8), (10)-(15) of the transactive-energy paper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

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


def rolling_energy(
    sells: Sequence[Row],
    buys: Sequence[Row],
    *,
    window: int,
    ext_j: float,
    int_j: float | None,
    tie_break: TieBreak,
    seed: int = 1,
    on_step: Callable[[], None] = lambda: None,
) -> float:
    """Energy traded in a day, J.

    Args:
        buys: each with a single interval, as in the published data.
        window: prediction window L: step tau sees offers with ``first <= tau + L - 2``.
    """
    left = [row.energy_j for row in sells]
    start, end = min(row.first for row in (*sells, *buys)), max(row.last for row in (*sells, *buys))
    demand: dict[tuple[int, int], float] = {}
    for row in buys:
        demand[row.feeder, row.first] = demand.get((row.feeder, row.first), 0.0) + row.energy_j
    traded, chance = 0.0, Random(seed)
    for now in range(start, end + 1):
        seen = now + window - 2
        visible = [
            number
            for number, row in enumerate(sells)
            if row.first <= seen and row.last >= now and left[number] > _TINY_J
        ]
        wanted = {cell: energy_j for cell, energy_j in demand.items() if now <= cell[1] <= seen}
        sold = _step([sells[number] for number in visible], [left[n] for n in visible], wanted, now, ext_j, int_j, tie_break, chance)
        for number, energy_j in zip(visible, sold, strict=True):
            left[number] -= energy_j
            traded += energy_j
        on_step()
    return traded


def _step(
    sells: Sequence[Row],
    left: Sequence[float],
    wanted: dict[tuple[int, int], float],
    now: int,
    ext_j: float,
    int_j: float | None,
    tie_break: TieBreak,
    chance: Random,
) -> list[float]:
    """Energy that each offer sells in the first interval."""
    if not sells or not wanted:
        return [0.0] * len(sells)
    times = sorted({t for _, t in wanted})
    columns = [(number, t) for number, row in enumerate(sells) for t in times if max(row.first, now) <= t <= row.last]
    cells = sorted({(sells[number].feeder, t) for number, t in columns} | wanted.keys())
    place = {cell: at for at, cell in enumerate(cells)}
    count, buyers = len(columns), len(cells)
    supply = coo_matrix(
        (np.ones(count), ([number for number, _ in columns], range(count))), shape=(len(sells), count + buyers)
    )
    at_cell = [place[sells[number].feeder, t] for number, t in columns]
    net = coo_matrix(
        (
            np.concatenate((np.ones(count), -np.ones(buyers))),
            (np.concatenate((at_cell, np.arange(buyers))), np.arange(count + buyers)),
        ),
        shape=(buyers, count + buyers),
    )
    rows, limits = [supply, net, -net], [np.array(left), np.full(buyers, ext_j), np.full(buyers, ext_j)]
    if int_j is not None:
        produced = coo_matrix((np.ones(count), (at_cell, range(count))), shape=(buyers, count + buyers))
        rows.append(produced)
        limits.append(np.full(buyers, int_j))
    at_time = {t: at for at, t in enumerate(times)}
    balance = coo_matrix(
        (
            np.concatenate((np.ones(count), -np.ones(buyers))),
            (
                [at_time.get(t, 0) for _, t in columns] + [at_time.get(t, 0) for _, t in cells],
                np.arange(count + buyers),
            ),
        ),
        shape=(len(times), count + buyers),
    )
    unit = max(max(left), 1.0)
    most = [None] * count + [min(wanted.get(cell, 0.0), np.inf if int_j is None else int_j) / unit for cell in cells]
    answer = linprog(
        [-_weight(sells[number], t, tie_break, now, chance) for number, t in columns] + [0.0] * buyers,
        A_ub=_stack(rows),
        b_ub=np.concatenate(limits) / unit,
        A_eq=balance.tocsr(),
        b_eq=np.zeros(len(times)),
        bounds=[(0, high) for high in most],
        method="highs-ds",
    )
    result = [0.0] * len(sells)
    for (number, t), value in zip(columns, answer.x, strict=False):
        if t == now:
            result[number] += float(value) * unit
    return result


def _weight(row: Row, t: int, tie_break: TieBreak, now: int, chance: Random) -> float:
    if tie_break is TieBreak.WASTEFUL:
        return 1 + 1e-4 * (row.last - now) / 100 + 1e-5 * (200 - (t - now)) / 200
    if tie_break is TieBreak.RANDOM:
        return 1 + 1e-4 * chance.random()
    if tie_break is TieBreak.PERISHABLE:
        return 1 + 1e-4 * (100 - (row.last - now)) / 100 + 1e-5 * (200 - (t - now)) / 200
    return 1.0


def _stack(blocks: Sequence[coo_matrix]) -> coo_matrix:
    from scipy.sparse import vstack

    return vstack(blocks, format="csr")
