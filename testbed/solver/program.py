"""Prices and offers over several intervals together: one linear program, by HiGHS' dual simplex.

Not totally unimodular, so a vertex may be fractional; at the scaling used here fractions seen are halves. It
is solved in lots (the greatest common divisor of energies and limits), so where a lot is an even number of
joules halves are whole joules.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, vstack

from testbed.solver.arrays import Market
from testbed.solver.circulation import Prices
from testbed.solver.errors import NotSolvedError
from testbed.solver.pools import Pools, pool, spread
from testbed.solver.reduction import Reduced
from testbed.solver.runs import Ints, Mask, positions

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """``max weight * sold`` as matrices: columns are sellers, buyers, steps up the price chain, net flows."""

    sell_arcs: Ints
    """Arcs that take part."""
    buy_arcs: Ints
    sellers: Pools
    """The columns of the sellers."""
    buyers: Pools
    upper: Floats
    """Largest value of each column, lots."""
    lower: Floats
    equal: csr_matrix
    """Rows: levels (sold less bought less passed on), then restricted places (sold less bought less net)."""
    at_most: csr_matrix
    """Rows: internal limits on sales, then on purchases, then energies of sellers' and buyers' pools."""
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


def program_of(market: Market, reduced: Reduced, intervals: Mask) -> Program:
    """Lay out the program of the chosen intervals."""
    sells, buys = reduced.sells, reduced.buys
    sell_arcs, buy_arcs = positions(intervals[sells.t]), positions(intervals[buys.t])
    sellers, buyers = pool(sells, sell_arcs, market.sells), pool(buys, buy_arcs, market.buys)
    inside = intervals[reduced.place_t]
    places = positions(inside & (reduced.place_feeder >= 0))
    sold_places, bought_places = (
        positions(inside & (cap >= 0)) for cap in (reduced.sold_cap, reduced.bought_cap)
    )
    limits = [sells.cap[sell_arcs], buys.cap[buy_arcs], reduced.place_ext[places]]
    limits += [reduced.sold_cap[sold_places], reduced.bought_cap[bought_places]]
    lot_j = gcd(*(int(np.gcd.reduce(part)) for part in limits if len(part)))
    levels = positions(intervals[reduced.node_t])
    chained = levels[:-1][reduced.node_t[levels[1:]] == reduced.node_t[levels[:-1]]]
    at_buy = len(sellers.arc)
    at_chain = at_buy + len(buyers.arc)
    at_net = at_chain + len(chained)
    width = at_net + len(places)
    upper = np.full(width, np.inf)
    upper[:at_buy], upper[at_buy:at_chain] = sellers.cap / lot_j, buyers.cap / lot_j
    upper[at_net:] = reduced.place_ext[places] / lot_j
    lower = np.zeros(width)
    lower[at_net:] = -upper[at_net:]
    sold_limit, bought_limit = reduced.sold_cap[sold_places], reduced.bought_cap[bought_places]
    layout = _Layout(at_buy=at_buy, at_chain=at_chain, at_net=at_net, width=width, chained=chained)
    return Program(
        sell_arcs=sell_arcs,
        buy_arcs=buy_arcs,
        sellers=sellers,
        buyers=buyers,
        upper=upper,
        lower=lower,
        equal=_balances(reduced, sellers, buyers, levels, places, layout),
        at_most=_limits(reduced, sellers, buyers, sold_places, bought_places, layout),
        limit=np.concatenate((sold_limit, bought_limit, sellers.limit, buyers.limit)) / lot_j,
        levels=levels,
        places=places,
        sold_places=sold_places,
        bought_places=bought_places,
        lot_j=lot_j,
    )


class _Layout(NamedTuple):
    """Where the columns of each kind begin (those of the sellers at 0), and what they are about."""

    at_buy: int
    at_chain: int
    at_net: int
    width: int
    chained: Ints
    """Levels that have another one above them in their interval."""


def _balances(
    reduced: Reduced, sellers: Pools, buyers: Pools, levels: Ints, places: Ints, layout: _Layout
) -> csr_matrix:
    row_of_level = _numbering(len(reduced.node_t), levels)
    row_of_place = _numbering(len(reduced.place_t), places)
    entries = _Triplets()
    entries.add(row_of_level[reduced.sells.node[sellers.arc]], 0, 1.0)
    entries.add(row_of_level[reduced.buys.node[buyers.arc]], layout.at_buy, -1.0)
    entries.add(row_of_level[layout.chained], layout.at_chain, -1.0)
    entries.add(row_of_level[layout.chained] + 1, layout.at_chain, 1.0)
    shift = len(levels)
    entries.add(row_of_place[reduced.sells.place[sellers.arc]], 0, 1.0, shift=shift)
    entries.add(row_of_place[reduced.buys.place[buyers.arc]], layout.at_buy, -1.0, shift=shift)
    entries.add(np.arange(len(places)), layout.at_net, -1.0, shift=shift)
    return entries.matrix(len(levels) + len(places), layout.width)


def _limits(
    reduced: Reduced, sellers: Pools, buyers: Pools, sold_places: Ints, bought_places: Ints, layout: _Layout
) -> csr_matrix:
    count = len(reduced.place_t)
    entries = _Triplets()
    entries.add(_numbering(count, sold_places)[reduced.sells.place[sellers.arc]], 0, 1.0)
    shift = len(sold_places)
    bought_row = _numbering(count, bought_places)[reduced.buys.place[buyers.arc]]
    entries.add(bought_row, layout.at_buy, 1.0, shift=shift)
    shift += len(bought_places)
    entries.put(sellers.row + shift, sellers.row_column, 1.0)
    shift += len(sellers.limit)
    entries.put(buyers.row + shift, buyers.row_column + layout.at_buy, 1.0)
    return entries.matrix(shift + len(buyers.limit), layout.width)


class _Triplets:
    """Collects matrix entries; columns of one call are consecutive, rows below 0 are left out."""

    def __init__(self) -> None:
        self._parts: list[tuple[Ints, Ints, Floats]] = []

    def add(self, rows: Ints, first_column: int, value: float, *, shift: int = 0) -> None:
        kept = positions(rows >= 0)
        self._parts.append((rows[kept] + shift, first_column + kept, np.full(len(kept), value)))

    def put(self, rows: Ints, columns: Ints, value: float) -> None:
        self._parts.append((rows, columns, np.full(len(rows), value)))

    def matrix(self, height: int, width: int) -> csr_matrix:
        rows, columns, values = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        return csr_matrix((values, (rows, columns)), shape=(height, width))


def _numbering(size: int, chosen: Ints) -> Ints:
    numbers = np.full(size, -1, np.int64)
    numbers[chosen] = np.arange(len(chosen))
    return numbers


def solve_program(reduced: Reduced, program: Program, weight: Ints) -> Vertex:
    """An optimal vertex.

    Args:
        weight: per seller's arc of the reduced market, positive.

    Raises:
        NotSolvedError: HiGHS gave up.
    """
    return vertex_of(reduced, program, optimum(program, weight[program.sellers.arc]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """What the linear program answers, in lots."""

    columns: Floats
    equal: Floats
    """Duals of the balances."""
    at_most: Floats
    """Duals of the limits, not negative."""
    energy: float
    """What one more joule sold is worth, where the energy is fixed."""


def optimum(program: Program, gain: Ints, *, energy_j: int | None = None) -> Optimum:
    """Maximise ``gain * sold``.

    Args:
        gain: per column of the sellers; scaled to about 1 for the tolerances of HiGHS.
        energy_j: how much is sold in all, where that is fixed.

    Raises:
        NotSolvedError: HiGHS gave up.
    """
    scale = float(np.abs(gain).max(initial=1))
    cost = np.zeros(len(program.upper))
    cost[: len(gain)] = -gain / scale
    equal, balance = program.equal, np.zeros(program.equal.shape[0])
    if energy_j is not None:
        sold = np.zeros(len(cost))
        sold[: len(gain)] = 1.0
        equal, balance = vstack((equal, csr_matrix(sold))), np.append(balance, energy_j / program.lot_j)
    limited = program.at_most.shape[0] > 0
    answer = linprog(
        cost,
        A_ub=program.at_most if limited else None,
        b_ub=program.limit if limited else None,
        A_eq=equal,
        b_eq=balance,
        bounds=np.column_stack((program.lower, program.upper)),
        method="highs-ds",
    )
    if answer.status != 0:
        raise NotSolvedError(f"the linear program of {len(cost)} columns was not solved: {answer.message}")
    duals = -scale * answer.eqlin.marginals
    return Optimum(
        columns=answer.x,
        equal=duals[: program.equal.shape[0]],
        at_most=-scale * answer.ineqlin.marginals if limited else np.zeros(0),
        energy=float(duals[-1]) if energy_j is not None else 0.0,
    )


def vertex_of(reduced: Reduced, program: Program, found: Optimum) -> Vertex:
    """The answer in terms of the reduced market."""
    places, sold_rows, levels = len(reduced.place_t), len(program.sold_places), len(program.levels)
    bought_rows = sold_rows + len(program.bought_places)
    sold, bought = arcs_of(program, found.columns * program.lot_j)
    return Vertex(
        sold=sold,
        bought=bought,
        level=_spread(len(reduced.node_t), program.levels, found.equal[:levels]),
        net=_spread(places, program.places, found.equal[levels:]),
        production=_spread(places, program.sold_places, found.at_most[:sold_rows]),
        consumption=_spread(places, program.bought_places, found.at_most[sold_rows:bought_rows]),
    )


def arcs_of(program: Program, columns_j: Floats) -> tuple[Floats, Floats]:
    """Flow of the arcs that take part, J, out of the columns of sellers and buyers, J."""
    middle, end = len(program.sellers.arc), len(program.sellers.arc) + len(program.buyers.arc)
    sold = spread(program.sellers, program.sell_arcs, columns_j[:middle])
    return sold, spread(program.buyers, program.buy_arcs, columns_j[middle:end])


def _spread(size: int, chosen: Ints, values: Floats) -> Floats:
    result = np.zeros(size)
    result[chosen] = values
    return result


def rounded_prices(reduced: Reduced, vertex: Vertex, divisor: float) -> Prices:
    """Whole, well-formed prices near ``duals / divisor``: levels do not fall, internal ones are not negative."""
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
