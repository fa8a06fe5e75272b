"""Heat that is lost whatever the operators do: a proof, evaluated in closed form and by one pass over the tree.

Write warmth for degrees above the ground, ``s`` for the warmth at the sources, ``c`` for water's heat capacity, and for
a pipe of conductance ``k`` let ``a = k / c``. A flow ``m`` of warmth ``T`` loses ``c T g(m)`` there,
``g(m) = m (1 - exp(-a/m))``; ``g`` grows with ``m`` and stays below ``a``. Supply and return flow are equal.

1. No pipe loses more than ``c s a``. On a tree the pipes upstream of a node ``n`` share no water, so by induction along
   the flow its warmth is at least ``s (1 - A/M)``: ``A`` the sum of ``a`` upstream, ``M`` the flow through the node.
2. What a load returns is colder than that by its heat over ``c`` times its draw. What a return pipe takes in is a
   mixture of such water from downstream, cooled on its way: at least the coldest of it less ``s A'/M``, ``A'`` the
   sum of ``a`` downstream. No load returns water colder than the ground (checked), so no pipe gains heat.
3. So a pipe that carries at least ``m`` loses at least ``l(m)``: 1 and 2, at ``M = m``, times ``c g(m)``. Both factors
   grow with ``m``.
4. Let ``e`` be a load's draw over the number of sources, and ``S`` the pipes that carry at least ``e``. Every load is
   reached through ``S`` from a source: otherwise, of the nodes ``U`` from which it is reached through ``S``, none is a
   source; what flows into ``U`` comes through pipes outside ``S``, one for each side of the tree, and on each side is
   another source, so it is less than the draw. That cannot be, since the load draws it.
5. A pipe that is the only way to ``r`` loads carries at least their draws, and belongs to ``S``.

The heat lost is at least the least sum of ``l`` over any set of pipes that connects every load: found by dynamic
programming from the leaves, since the network is a tree.
"""

from __future__ import annotations

from math import exp, inf
from typing import NamedTuple

from testbed.experiments.manchester.model import Branch, System


def least_heat(system: System) -> tuple[float, ...]:
    """What the hubs together have to give in each hour, kW: all loads, and what is lost at least."""
    return tuple(sum(system.heat_loads) * factor + least_loss(system, factor) for factor in system.factors)


def lossless_heat(system: System) -> tuple[float, ...]:
    """All loads of each hour, kW: the relaxation without heat losses."""
    return tuple(sum(system.heat_loads) * factor for factor in system.factors)


def least_loss(system: System, factor: float) -> float:
    """What is lost at least, kW, at some load factor; 0 where the proof does not apply."""
    if any(_returned(system, node, factor) < 0 for node in _loads(system)):
        return 0.0
    weights = [least_loss_of(system, number, factor) for number in range(len(system.pipes))]
    root = _cheapest(system, weights, 0, None)
    return min(root.inside, root.dry)


def least_loss_of(system: System, number: int, factor: float) -> float:
    """What a pipe loses at least, kW, supply and return together, if it carries what point 4 or 5 says."""
    pipe, capacity = system.pipes[number], system.heat_capacity
    sources = {hub.heat for hub in system.hubs}
    only = _loads(system) - _reached(system, sources, without=number)
    flow = max(system.draw / len(sources), system.draw * len(only))
    warmth = system.supply - system.ambient
    before = _reached(system, {pipe.start}, against=True)
    after = _reached(system, {pipe.end})
    supply = warmth * max(0.0, 1 - _sum_a(system, before) / flow)
    coldest = min((_returned(system, node, factor) for node in after & _loads(system)), default=0.0)
    back = max(0.0, coldest - warmth * _sum_a(system, after, start=True) / flow)
    a = pipe.first / (1_000 * capacity)
    return capacity * (supply + back) * flow * (1 - exp(-a / flow))


def _returned(system: System, node: int, factor: float) -> float:
    """Least warmth of the water that a load returns."""
    cooled = _sum_a(system, _reached(system, {node}, against=True)) / system.draw
    taken = system.heat_loads[node] * factor / (system.heat_capacity * system.draw)
    return (system.supply - system.ambient) * (1 - cooled) - taken


def _loads(system: System) -> set[int]:
    return {node for node, load in enumerate(system.heat_loads) if load > 0}


def _reached(
    system: System, start: set[int], *, against: bool = False, without: int | None = None
) -> set[int]:
    """Nodes that water comes to from some nodes, or from which it comes to them; they are among them."""
    found, new = set(start), True
    while new:
        new = False
        for number, pipe in enumerate(system.pipes):
            here, there = (pipe.end, pipe.start) if against else (pipe.start, pipe.end)
            if number != without and here in found and there not in found:
                found.add(there)
                new = True
    return found


def _sum_a(system: System, nodes: set[int], *, start: bool = False) -> float:
    """Sum of ``a`` over the pipes that end, or begin, at some nodes, kg/s."""
    of = [pipe for pipe in system.pipes if (pipe.start if start else pipe.end) in nodes]
    return sum(pipe.first for pipe in of) / (1_000 * system.heat_capacity)


class _Least(NamedTuple):
    """Least sum over a part of the tree, by how its topmost node gets water."""

    inside: float
    """From a source in this part."""
    above: float
    """Through the pipe from above, which is not counted here."""
    dry: float
    """Not at all, which a load does not bear."""


def _cheapest(system: System, weights: list[float], node: int, parent: int | None) -> _Least:
    above, from_below = 0.0, inf
    dry = inf if system.heat_loads[node] > 0 else 0.0
    for number, pipe in enumerate(system.pipes):
        child = _other_end(pipe, node)
        if child is None or child == parent:
            continue
        part = _cheapest(system, weights, child, node)
        alone = min(part.inside, part.dry)
        dry += alone
        if pipe.start == node:
            above += min(alone, weights[number] + part.above)
        else:
            above += alone
            from_below = min(from_below, weights[number] + part.inside - alone)
    source = any(hub.heat == node for hub in system.hubs)
    return _Least(above if source else above + from_below, above, dry)


def _other_end(pipe: Branch, node: int) -> int | None:
    if node not in (pipe.start, pipe.end):
        return None
    return pipe.end if node == pipe.start else pipe.start
