"""Prices and offers over several intervals together: one linear program over the reduced market, by HiGHS' dual simplex.

Not totally unimodular, so a vertex may be fractional; at the scaling used here fractions seen are halves. It is solved in lots
(the greatest common divisor of energies and limits), so where a lot is an even number of joules halves are whole joules.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import csr_matrix

from testbed.solver.arrays import Ints, Mask
from testbed.solver.circulation import Prices
from testbed.solver.errors import NotSolvedError
from testbed.solver.reduction import Arcs, Reduced

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """``max weight * sold`` as matrices: columns are sellers' arcs, buyers' arcs, steps down the price chain, net flows."""

    sell_arcs: Ints
    buy_arcs: Ints
    upper: Floats
    """Largest value of each column, lots."""
    lower: Floats
    equal: csr_matrix
    """Rows: levels (sold less bought less passed on), then restricted places (sold less bought less net)."""
    at_most: csr_matrix
    """Rows: internal limits on sales, then on purchases, then energies of classes with several intervals."""
    limit: Floats
    levels: Ints
    places: Ints
    sold_places: Ints
    bought_places: Ints
    lot_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Vertex:
    """An optimal vertex and its duals, in joules and weight units."""

    sold: Floats
    """Per seller's arc of the program, J, perhaps not whole."""
    bought: Floats
    level: Floats
    net: Floats
    production: Floats
    consumption: Floats
    """Duals per node or place of the reduced market, 0 outside the program."""
    value: float


def program_of(reduced: Reduced, intervals: Mask) -> Program:
    """Lay out the program of the chosen intervals."""
    sells, buys = reduced.sells, reduced.buys
    sell_arcs, buy_arcs = np.flatnonzero(intervals[sells.t]), np.flatnonzero(intervals[buys.t])
    levels = np.flatnonzero(intervals[reduced.node_t])
    inside = intervals[reduced.place_t]
    places = np.flatnonzero(inside & (reduced.place_feeder >= 0))
    sold_places, bought_places = (
        np.flatnonzero(inside & (cap >= 0)) for cap in (reduced.sold_cap, reduced.bought_cap)
    )
    lower_levels = levels[:-1][reduced.node_t[levels[1:]] == reduced.node_t[levels[:-1]]]
    limits = [sells.cap[sell_arcs], buys.cap[buy_arcs], reduced.place_ext[places]]
    limits += [reduced.sold_cap[sold_places], reduced.bought_cap[bought_places]]
    lot_j = gcd(*(int(np.gcd.reduce(part)) for part in limits if len(part)))
    at_sell = 0
    at_buy = len(sell_arcs)
    at_chain = at_buy + len(buy_arcs)
    at_net = at_chain + len(lower_levels)
    width = at_net + len(places)
    row_of_level, row_of_place = (
        _numbering(len(reduced.node_t), levels),
        _numbering(len(reduced.place_t), places),
    )
    entries = _Triplets()
    entries.add(row_of_level[sells.node[sell_arcs]], at_sell, 1.0)
    entries.add(row_of_level[buys.node[buy_arcs]], at_buy, -1.0)
    entries.add(row_of_level[lower_levels], at_chain, -1.0)
    entries.add(row_of_level[lower_levels] + 1, at_chain, 1.0)
    shift = len(levels)
    entries.add(row_of_place[sells.place[sell_arcs]], at_sell, 1.0, shift=shift)
    entries.add(row_of_place[buys.place[buy_arcs]], at_buy, -1.0, shift=shift)
    entries.add(np.arange(len(places)), at_net, -1.0, shift=shift)
    equal = entries.matrix(len(levels) + len(places), width)
    entries = _Triplets()
    entries.add(_numbering(len(reduced.place_t), sold_places)[sells.place[sell_arcs]], at_sell, 1.0)
    shift = len(sold_places)
    entries.add(
        _numbering(len(reduced.place_t), bought_places)[buys.place[buy_arcs]], at_buy, 1.0, shift=shift
    )
    shift += len(bought_places)
    sell_row, sell_energy = _budgets(sells, sell_arcs)
    entries.add(sell_row, at_sell, 1.0, shift=shift)
    shift += len(sell_energy)
    buy_row, buy_energy = _budgets(buys, buy_arcs)
    entries.add(buy_row, at_buy, 1.0, shift=shift)
    at_most = entries.matrix(shift + len(buy_energy), width)
    ext = reduced.place_ext[places]
    limit = np.concatenate(
        (reduced.sold_cap[sold_places], reduced.bought_cap[bought_places], sell_energy, buy_energy)
    )
    top = (
        np.concatenate((sells.cap[sell_arcs], buys.cap[buy_arcs], np.zeros(len(lower_levels), np.int64), ext))
        / lot_j
    )
    top[at_chain:at_net] = np.inf
    bottom = np.zeros(width)
    bottom[at_net:] = -ext / lot_j
    return Program(
        sell_arcs=sell_arcs,
        buy_arcs=buy_arcs,
        upper=top,
        lower=bottom,
        equal=equal,
        at_most=at_most,
        limit=limit / lot_j,
        levels=levels,
        places=places,
        sold_places=sold_places,
        bought_places=bought_places,
        lot_j=lot_j,
    )


class _Triplets:
    """Collects matrix entries; columns of one call are consecutive, rows below 0 are left out."""

    def __init__(self) -> None:
        self._parts: list[tuple[Ints, Ints, Floats]] = []

    def add(self, rows: Ints, first_column: int, value: float, *, shift: int = 0) -> None:
        kept = np.flatnonzero(rows >= 0)
        self._parts.append((rows[kept] + shift, first_column + kept, np.full(len(kept), value)))

    def matrix(self, height: int, width: int) -> csr_matrix:
        rows, columns, values = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        return csr_matrix((values, (rows, columns)), shape=(height, width))


def _numbering(size: int, chosen: Ints) -> Ints:
    numbers = np.full(size, -1, np.int64)
    numbers[chosen] = np.arange(len(chosen))
    return numbers


def _budgets(arcs: Arcs, chosen: Ints) -> tuple[Ints, Ints]:
    """Row of each arc among the classes with several intervals (-1: none), and the energies of these classes."""
    owner = arcs.owner[chosen]
    rows = np.full(len(chosen), -1, np.int64)
    flexible = np.flatnonzero(owner >= 0)
    _, first, position = np.unique(owner[flexible], return_index=True, return_inverse=True)
    rows[flexible] = position.reshape(-1)
    return rows, arcs.cap[chosen[flexible[first]]]


def solve_program(reduced: Reduced, program: Program, weight: Ints) -> Vertex:
    """An optimal vertex.

    Args:
        weight: per seller's arc of the reduced market, positive; scaled to about 1 for the solver's tolerances.

    Raises:
        NotSolvedError: HiGHS gave up.
    """
    chosen = weight[program.sell_arcs]
    scale = float(chosen.max(initial=1))
    cost = np.zeros(len(program.upper))
    cost[: len(chosen)] = -chosen / scale
    answer = linprog(
        cost,
        A_ub=program.at_most if program.at_most.shape[0] else None,
        b_ub=program.limit if program.at_most.shape[0] else None,
        A_eq=program.equal,
        b_eq=np.zeros(program.equal.shape[0]),
        bounds=np.column_stack((program.lower, program.upper)),
        method="highs-ds",
    )
    if answer.status != 0:
        raise NotSolvedError(f"the linear program of {len(cost)} columns was not solved: {answer.message}")
    equal = -scale * answer.eqlin.marginals
    inside = -scale * answer.ineqlin.marginals if program.at_most.shape[0] else np.zeros(0)
    sold_rows = len(program.sold_places)
    sellers, buyers = len(program.sell_arcs), len(program.buy_arcs)
    return Vertex(
        sold=answer.x[:sellers] * program.lot_j,
        bought=answer.x[sellers : sellers + buyers] * program.lot_j,
        level=_spread(len(reduced.node_t), program.levels, equal[: len(program.levels)]),
        net=_spread(len(reduced.place_t), program.places, equal[len(program.levels) :]),
        production=_spread(len(reduced.place_t), program.sold_places, inside[:sold_rows]),
        consumption=_spread(
            len(reduced.place_t),
            program.bought_places,
            inside[sold_rows : sold_rows + len(program.bought_places)],
        ),
        value=-answer.fun * scale * program.lot_j,
    )


def _spread(size: int, chosen: Ints, values: Floats) -> Floats:
    result = np.zeros(size)
    result[chosen] = values
    return result


def rounded_prices(reduced: Reduced, vertex: Vertex, divisor: float) -> Prices:
    """Whole dual prices near ``duals / divisor`` that are well-formed: levels do not fall, internal prices are not negative."""
    level = np.rint(vertex.level / divisor).astype(np.int64)
    return Prices(
        level=not_falling(level, reduced.node_t),
        net=np.rint(vertex.net / divisor).astype(np.int64),
        production=np.maximum(0, np.rint(vertex.production / divisor)).astype(np.int64),
        consumption=np.maximum(0, np.rint(vertex.consumption / divisor)).astype(np.int64),
    )


def not_falling(values: Ints, group: Ints) -> Ints:
    """Running maxima within groups (which are ascending)."""
    if not len(values):
        return values
    span = int(values.max() - values.min()) + 1
    raised = values + group * span
    return np.asarray(np.maximum.accumulate(raised) - group * span, np.int64)
