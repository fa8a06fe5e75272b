"""Markets that are networks: min-cost circulations in whole joules; their potentials are the certificates.

Flow runs as energy does: level -> seller -> P -> F -> bus -> F -> C -> buyer -> level, and from a dearer
level down to a cheaper one, since a buyer may be served by any seller of his level or below. P -> F and F ->
C carry the internal limits, F <-> bus the external one. Selling pays. Two kinds of market fit:

* every offer is left with one interval, whatever the prices: intervals are separate components;
* one price for all: then one level serves all intervals (the bus of each interval balances it) and a class
  with several intervals is a node between the level and its places.

Both are totally unimodular, so optimal flows and potentials are whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ortools.graph.python import min_cost_flow

from testbed.solver.errors import NotSolvedError, TooLargeError
from testbed.solver.reduction import Arcs, Reduced
from testbed.solver.runs import Ints, Mask, positions, run_starts

MAX_SCALED_COST = 1 << 60
"""OR-tools multiplies costs by the number of nodes, in 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The arcs of a circulation; those of the sellers first, then those of the buyers."""

    tail: Ints
    head: Ints
    cap: Ints
    sell_arcs: Ints
    """Sellers' arcs (of ``Reduced.sells``) that take part, in order; each pays its weight."""
    buy_arcs: Ints
    """Buyers' arcs (of ``Reduced.buys``) that take part, in order."""
    nodes: int
    level_of: Ints
    """Network node of each level (node of the reduced market)."""
    bus_of: Ints
    """Network node of each place's F."""
    production_of: Ints
    """Network node of each place's P: the same as F where no internal limit binds."""
    consumption_of: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Dual prices of a reduced market for one objective."""

    level: Ints
    """w, per node."""
    net: Ints
    """g, per place; 0 on a bus."""
    production: Ints
    """a, per place."""
    consumption: Ints
    """c, per place."""


def network_of(reduced: Reduced, intervals: Mask, *, one_level: bool) -> Network:
    """Lay out the circulation of the chosen intervals.

    Args:
        intervals: per two-sided interval, whether it takes part; with levels of their own, no class may then
        have several. one_level: all offers have one price.
    """
    sell_arcs, buy_arcs = (
        positions(intervals[reduced.sells.t]),
        positions(intervals[reduced.buys.t]),
    )
    inside = intervals[reduced.place_t]
    level_of = np.zeros(len(reduced.node_t), np.int64) if one_level else np.arange(len(reduced.node_t))
    count = 1 if one_level else len(reduced.node_t)
    bus_of = count + np.arange(len(reduced.place_t))
    count += len(reduced.place_t)
    production_of, consumption_of = bus_of.copy(), bus_of.copy()
    sold_limited, bought_limited = (
        positions(inside & (cap >= 0)) for cap in (reduced.sold_cap, reduced.bought_cap)
    )
    for node_of, where in ((production_of, sold_limited), (consumption_of, bought_limited)):
        node_of[where] = count + np.arange(len(where))
        count += len(where)
    sell_from, sell_hubs, count = _outer_ends(reduced.sells, sell_arcs, level_of, count)
    buy_to, buy_hubs, count = _outer_ends(reduced.buys, buy_arcs, level_of, count)
    restricted = positions(inside & (reduced.place_feeder >= 0))
    ext, feeder_node, hub = (
        reduced.place_ext[restricted],
        bus_of[restricted],
        bus_of[reduced.place_t[restricted]],
    )
    sell_cap, buy_cap = reduced.sells.cap[sell_arcs], reduced.buys.cap[buy_arcs]
    parts = [
        (sell_from, production_of[reduced.sells.place[sell_arcs]], sell_cap),
        (consumption_of[reduced.buys.place[buy_arcs]], buy_to, buy_cap),
        (production_of[sold_limited], bus_of[sold_limited], reduced.sold_cap[sold_limited]),
        (bus_of[bought_limited], consumption_of[bought_limited], reduced.bought_cap[bought_limited]),
        (feeder_node, hub, ext),
        (hub, feeder_node, ext),
        (level_of[sell_hubs.node], sell_hubs.network_node, sell_hubs.cap),
        (buy_hubs.network_node, level_of[buy_hubs.node], buy_hubs.cap),
    ]
    if not one_level:
        same = (reduced.node_t[1:] == reduced.node_t[:-1]) & intervals[reduced.node_t[1:]]
        upper = positions(same) + 1
        parts.append((upper, upper - 1, np.full(len(upper), int(sell_cap.sum()))))
    tail, head, cap = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Network(
        tail=tail,
        head=head,
        cap=cap,
        sell_arcs=sell_arcs,
        buy_arcs=buy_arcs,
        nodes=count,
        level_of=level_of,
        bus_of=bus_of,
        production_of=production_of,
        consumption_of=consumption_of,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hubs:
    """Network nodes of the classes with several intervals."""

    network_node: Ints
    node: Ints
    cap: Ints


def _outer_ends(arcs: Arcs, chosen: Ints, level_of: Ints, count: int) -> tuple[Ints, _Hubs, int]:
    """The network node at the outer end of each arc: its level, or a node of its own class."""
    outer = level_of[arcs.node[chosen]]
    flexible = positions(arcs.owner[chosen] >= 0)
    if not len(flexible):
        none = np.empty(0, np.int64)
        return outer, _Hubs(network_node=none, node=none, cap=none), count
    _, first, position = np.unique(arcs.owner[chosen[flexible]], return_index=True, return_inverse=True)
    outer[flexible] = count + position.reshape(-1)
    leader = chosen[flexible[first]]
    hubs = _Hubs(network_node=count + np.arange(len(leader)), node=arcs.node[leader], cap=arcs.cap[leader])
    return outer, hubs, count + len(leader)


def solve_flow(network: Network, weight: Ints) -> Ints:
    """Flow of every arc that maximises ``sum weight * sold``.

    Args:
        weight: per seller's arc, positive.

    Raises:
        TooLargeError: weights beyond what OR-tools computes exactly.
        NotSolvedError: OR-tools gave up.
    """
    if not len(network.tail):
        return np.zeros(0, np.int64)
    highest = int(weight.max(initial=0))
    if highest * (network.nodes + 1) >= MAX_SCALED_COST:
        raise TooLargeError(
            f"weights up to {highest} on {network.nodes} nodes are too large for the flow solver"
        )
    cost = np.zeros(len(network.tail), np.int64)
    cost[: len(network.sell_arcs)] = -weight
    solver = min_cost_flow.SimpleMinCostFlow()
    solver.add_arcs_with_capacity_and_unit_cost(network.tail, network.head, network.cap, cost)
    status = solver.solve()
    if status != solver.OPTIMAL:
        raise NotSolvedError(f"the flow solver answered {status.name} on {len(network.tail)} arcs")
    return np.asarray(solver.flows(np.arange(len(network.tail))), np.int64)


class Residual:
    """What an optimal flow leaves of a network: arcs that could take more, and arcs that could give back."""

    def __init__(self, network: Network, flow: Ints) -> None:
        """Gather the arcs by the node that they lead to."""
        forward, backward = positions(flow < network.cap), positions(flow > 0)
        tail = np.concatenate((network.tail[forward], network.head[backward]))
        head = np.concatenate((network.head[forward], network.tail[backward]))
        order = np.argsort(head, kind="stable")
        self._network = network
        self._tail, head = tail[order], head[order]
        self._arc = np.concatenate((forward, backward))[order]
        self._sign = np.where(order < len(forward), 1, -1)
        self._starts = run_starts(head)
        self._reached: Ints = head[self._starts]

    def potentials(self, weight: Ints) -> Ints | None:
        """Shortest distances, or None where a cycle could still gain: the flow is not optimal.

        Bellman-Ford from a virtual root at distance 0 to every node, all arcs of a round at once.

        Args:
            weight: what a joule of each seller's arc earns.
        """
        network, tail, starts, reached = self._network, self._tail, self._starts, self._reached
        distance = np.zeros(network.nodes, np.int64)
        if not len(tail):
            return distance
        cost = np.zeros(len(network.tail), np.int64)
        cost[: len(network.sell_arcs)] = -weight
        cost = cost[self._arc] * self._sign
        for _ in range(network.nodes + 1):
            better = np.minimum.reduceat(distance[tail] + cost, starts)
            before = distance[reached]
            if (better >= before).all():
                return distance
            distance[reached] = np.minimum(before, better)
        return None


def prices_of(reduced: Reduced, network: Network, distance: Ints) -> Prices:
    """Read the dual prices out of potentials."""
    bus = distance[network.bus_of]
    hub = bus[reduced.place_t]
    return Prices(
        level=distance[network.level_of] - bus[reduced.node_t],
        net=hub - bus,
        production=np.maximum(0, bus - distance[network.production_of]),
        consumption=np.maximum(0, distance[network.consumption_of] - bus),
    )
