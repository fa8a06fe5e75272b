"""The last resort where a vertex of the linear program is not whole: whole joules near it, and a proof of its own.

Prices and several intervals together are not totally unimodular, so the best whole plan may be short of the
linear optimum by a fraction. The first certificate absorbs that by rounding down; the second one needs prices *at*
the energy of the whole plan, which are those of the program with that energy fixed.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import vstack

from testbed.solver.program import (
    Floats,
    Program,
    arcs_of,
    optimum,
    program_of,
    rounded_prices,
    vertex_of,
)
from testbed.solver.runs import Ints
from testbed.solver.task import SCALES, Cleared, Duals, Task

REACH_J = 8
"""How far a whole plan is looked for from a vertex, joules per column."""
MAX_COLUMNS = 20_000
"""Larger programs are left as they are: their energies come in lots, and vertices of those are whole."""
TIME_LIMIT_S = 20.0


def clear_exactly(task: Task, mu: int) -> Cleared | None:
    """The best whole plan near the linear optimum; None where there is none, or looking for it would take too long."""
    reduced, market = task.reduced, task.market
    program = program_of(market, reduced, np.ones(len(market.two_sided), np.bool_))
    if len(program.upper) > MAX_COLUMNS:
        return None
    weight = task.weight(reduced.sells, mu)[program.sellers.arc]
    columns = _whole_columns(program, optimum(program, weight).columns * program.lot_j, weight)
    if columns is None:
        return None
    sold, bought = np.zeros(len(reduced.sells), np.int64), np.zeros(len(reduced.buys), np.int64)
    flows = arcs_of(program, columns)
    sold[program.sell_arcs], bought[program.buy_arcs] = (np.rint(flow).astype(np.int64) for flow in flows)
    first = vertex_of(reduced, program, optimum(program, np.ones(len(weight), np.int64)))
    cost = task.lowest - reduced.sells.kappa[program.sellers.arc]
    fixed = optimum(program, cost, energy_j=int(sold.sum()))
    second = vertex_of(reduced, program, fixed)
    found = []
    for scale in SCALES:
        duals = Duals(
            first=rounded_prices(reduced, first, 1 / scale),
            first_scale=scale,
            second=rounded_prices(reduced, second, 1 / scale),
            second_scale=scale,
            mu=round(-fixed.energy * scale),
        )
        found.append(task.judged(sold, bought, duals))
    return min(found, key=lambda cleared: cleared.gaps)


def _whole_columns(program: Program, vertex_j: Floats, weight: Ints) -> Floats | None:
    """Whole columns, J, the best of those near the vertex: integer programming on what the limits leave."""
    base = np.floor(vertex_j + 1e-3)
    lower = np.maximum(program.lower * program.lot_j - base, -REACH_J)
    upper = np.minimum(program.upper * program.lot_j - base, REACH_J)
    gain = np.zeros(len(base))
    gain[: len(weight)] = -weight / weight.max(initial=1)
    matrix = vstack((program.equal, program.at_most), format="csr")
    room = (
        np.concatenate((np.zeros(program.equal.shape[0]), np.rint(program.limit * program.lot_j)))
        - matrix @ base
    )
    least = np.full(len(room), -np.inf)
    least[: program.equal.shape[0]] = room[: program.equal.shape[0]]
    answer = milp(
        gain,
        constraints=LinearConstraint(matrix, least, room),
        bounds=Bounds(lower, upper),
        integrality=np.ones(len(base)),
        options={"mip_rel_gap": 0.0, "time_limit": TIME_LIMIT_S},
    )
    return None if answer.x is None else base + np.rint(answer.x)
