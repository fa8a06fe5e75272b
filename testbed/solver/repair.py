"""From a vertex of the linear program to whole joules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from testbed.solver.circulation import network_of, solve_flow
from testbed.solver.program import Floats, Program, Vertex
from testbed.solver.reduction import Arcs, Reduced
from testbed.solver.runs import Ints, Mask, positions, run_lengths, run_starts


def whole_plan(reduced: Reduced, program: Program, vertex: Vertex) -> tuple[Ints, Ints] | None:
    """The vertex in whole joules per arc of the program, or None where rounding it would break a limit."""
    sold, bought = (
        np.rint(vertex.sold).astype(np.int64),
        np.rint(vertex.bought).astype(np.int64),
    )
    sells, buys = reduced.sells, reduced.buys
    places = len(reduced.place_t)
    per_node = _sums(sells.node[program.sell_arcs], sold, len(reduced.node_t))
    per_node -= _sums(buys.node[program.buy_arcs], bought, len(reduced.node_t))
    surplus = per_node.cumsum()
    last_of_t = positions(np.diff(reduced.node_t, append=-1))
    sold_at = _sums(sells.place[program.sell_arcs], sold, places)
    bought_at = _sums(buys.place[program.buy_arcs], bought, places)
    restricted = reduced.place_feeder >= 0
    sound = (
        (surplus >= 0).all()
        and not surplus[last_of_t].any()
        and (np.abs(sold_at - bought_at)[restricted] <= reduced.place_ext[restricted]).all()
        and _within(sold_at, reduced.sold_cap)
        and _within(bought_at, reduced.bought_cap)
        and _within_energy(sells, program.sell_arcs, sold)
        and _within_energy(buys, program.buy_arcs, bought)
    )
    return (sold, bought) if sound else None


def _sums(where: Ints, values: Ints, size: int) -> Ints:
    result = np.zeros(size, np.int64)
    np.add.at(result, where, values)
    return result


def _within(values: Ints, cap: Ints) -> bool:
    return bool((values <= cap)[cap >= 0].all())


def _within_energy(arcs: Arcs, chosen: Ints, flow: Ints) -> bool:
    cap, owner = arcs.cap[chosen], arcs.owner[chosen]
    if (flow < 0).any() or (flow > cap).any():
        return False
    flexible = owner >= 0
    if not flexible.any():
        return True
    used = _sums(owner[flexible], flow[flexible], int(owner.max()) + 1)
    return bool((used[owner[flexible]] <= cap[flexible]).all())


def with_whole_splits(
    reduced: Reduced, program: Program, vertex: Vertex, intervals: Mask, weight: Ints
) -> tuple[Ints, Ints]:
    """Round how each class divides its energy over its intervals to whole joules, then solve each interval exactly.

    Always feasible: what is fixed are upper limits, and intervals do not touch each other any more.

    Returns:
        Flow per arc of the program.
    """
    sells = _split(reduced.sells, program.sell_arcs, vertex.sold)
    buys = _split(reduced.buys, program.buy_arcs, vertex.bought)
    fixed = replace(reduced, sells=sells, buys=buys)
    network = network_of(fixed, intervals, one_level=False)
    flow = solve_flow(network, weight[network.sell_arcs])
    sellers, buyers = len(network.sell_arcs), len(network.buy_arcs)
    return flow[:sellers], flow[sellers : sellers + buyers]


def _split(arcs: Arcs, chosen: Ints, values: Floats) -> Arcs:
    """Caps for the arcs of classes with several intervals: floors, then one more where the fraction is largest."""
    flexible = arcs.owner[chosen] >= 0
    owner, exact = arcs.owner[chosen[flexible]], values[flexible]
    exact = np.where(np.abs(exact - np.rint(exact)) < 1e-3, np.rint(exact), exact)
    floors = np.floor(exact).astype(np.int64)
    fraction = exact - floors
    order = np.lexsort((-fraction, owner))
    totals = np.zeros(int(owner.max(initial=0)) + 1)
    np.add.at(totals, owner, fraction)
    starts = run_starts(owner[order])
    rank = np.arange(len(order)) - np.repeat(starts, run_lengths(starts, len(order)))
    extra = np.zeros(len(order), np.int64)
    extra[order] = rank < np.floor(totals[owner[order]] + 1e-3)
    cap = arcs.cap.copy()
    cap[chosen[flexible]] = np.minimum(floors + extra, cap[chosen[flexible]])
    released = arcs.owner.copy()
    released[chosen] = -1
    return replace(arcs, cap=cap, owner=released)
