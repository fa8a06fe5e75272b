"""What is left of a market once all is merged or dropped that cannot matter; exact in both objectives.

* *Nodes*: of an interval's prices only those count at which a buyer stops: a buyer's level is the highest
  seller price at or below his own, and a seller belongs to the first level from his price upwards that some
  buyer has. Offers without a possible partner are dropped.
* *Places*: a feeder whose limits cannot bind in an interval, whatever trades, is part of that interval's bus.
* *Arcs*: offers left with one interval that share place, node and expiry are one arc; its flow is handed back
  to the classes, the cheapest seller and the highest bidder first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from testbed.solver.arrays import Classes, Market, one_price
from testbed.solver.runs import Ints, Mask, fresh, positions, run_starts, upto_each


@dataclass(frozen=True, slots=True, kw_only=True)
class Arcs:
    """Merged offers of one side."""

    t: Ints
    """Interval (position in ``two_sided``)."""
    place: Ints
    node: Ints
    cap: Ints
    """J."""
    kappa: Ints
    """Tie-break cost of a joule sold, relative to the first interval; 0 for buyers."""
    owner: Ints
    """Class, where it has several intervals to trade in; else -1."""
    entry: Ints
    """Entries that have a possible partner, ordered by arc, then by who is served first."""
    entry_arc: Ints
    """Arc of each of these entries."""

    def __len__(self) -> int:
        return len(self.t)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduced:
    """The reduced market. Places 0..T-1 are the buses of the T two-sided intervals, the others restricted feeders."""

    one_price: bool
    """Whether all offers have the same price."""
    node_t: Ints
    """Interval of each node; nodes are ordered by interval, then price."""
    node_price: Ints
    """Lowest price of the sellers that belong to a node."""
    place_t: Ints
    place_feeder: Ints
    """Position in the grid; -1 for a bus."""
    place_ext: Ints
    """External limit, J; 0 for a bus, which has none and needs none."""
    sold_cap: Ints
    """Internal limit on sales, J; -1 where it cannot bind."""
    bought_cap: Ints
    """Internal limit on purchases, J; -1 where it cannot bind."""
    sells: Arcs
    buys: Arcs
    dropped_low: Mask
    """Per interval: whether some buyer bids less than every seller asks."""
    dropped_high: Ints
    """Per interval: the lowest price of a seller who asks more than every buyer bids; -1 where there is none."""

    @property
    def drops(self) -> bool:
        """Whether anybody was dropped for his price."""
        return bool(self.dropped_low.any() or (self.dropped_high >= 0).any())


def reduce(market: Market) -> Reduced:
    """Merge and drop, see the module's description."""
    sells, buys = market.sells, market.buys
    count_t, count_f = len(market.two_sided), len(market.feeders)
    uniform = one_price(market)
    nodes = _one_node(market) if uniform else _nodes(market)
    sell_node, buy_node, node_t, node_price, dropped_low, dropped_high = nodes
    kept = positions(sell_node >= 0), positions(buy_node >= 0)
    cells = tuple(
        side.entry_t[entries] * count_f + side.feeder[side.entry_class[entries]]
        for side, entries in zip((sells, buys), kept, strict=True)
    )
    supply, demand = (
        np.bincount(cell, side.energy[side.entry_class[entries]], count_t * count_f).astype(np.int64)
        for cell, side, entries in zip(cells, (sells, buys), kept, strict=True)
    )
    ext, internal = (
        np.concatenate([limit] * count_t or [limit[:0]]) for limit in (market.ext_j, market.int_j)
    )
    sold_binds = np.minimum(supply, demand + ext) > internal
    bought_binds = np.minimum(demand, supply + ext) > internal
    cell = positions((supply > ext) | (demand > ext) | sold_binds | bought_binds)
    place_of = np.repeat(np.arange(count_t), count_f)
    place_of[cell] = count_t + np.arange(len(cell))
    none = np.full(count_t, -1, np.int64)
    return Reduced(
        one_price=uniform,
        node_t=node_t,
        node_price=node_price,
        place_t=np.concatenate((np.arange(count_t), cell // max(count_f, 1))),
        place_feeder=np.concatenate((none, cell % max(count_f, 1))),
        place_ext=np.concatenate((np.zeros(count_t, np.int64), ext[cell])),
        sold_cap=np.concatenate((none, np.where(sold_binds, internal, -1)[cell])),
        bought_cap=np.concatenate((none, np.where(bought_binds, internal, -1)[cell])),
        sells=_arcs(sells, kept[0], place_of[cells[0]], sell_node[kept[0]], market, selling=True),
        buys=_arcs(buys, kept[1], place_of[cells[1]], buy_node[kept[1]], market, selling=False),
        dropped_low=dropped_low,
        dropped_high=dropped_high,
    )


_Nodes: TypeAlias = tuple[Ints, Ints, Ints, Ints, Mask, Ints]
"""Node of each entry of either side (-1: nobody to trade with), interval and lowest price per node, who is dropped."""


def _one_node(market: Market) -> _Nodes:
    """At one price everybody can trade with everybody of the interval."""
    sells, buys, count_t = market.sells, market.buys, len(market.two_sided)
    price = np.repeat(sells.price[:1], count_t)
    none = np.full(count_t, -1, np.int64)
    return sells.entry_t, buys.entry_t, np.arange(count_t), price, np.zeros(count_t, np.bool_), none


def _nodes(market: Market) -> _Nodes:
    """Nodes by price."""
    sells, buys, count_t = market.sells, market.buys, len(market.two_sided)
    highest = max((int(side.price.max()) for side in (sells, buys) if len(side)), default=0)
    shift = highest.bit_length()
    level_key, level_of = np.unique(
        (sells.entry_t << shift) | sells.price[sells.entry_class], return_inverse=True
    )
    level_t = level_key >> shift
    buy_level = (
        np.searchsorted(level_key, (buys.entry_t << shift) | buys.price[buys.entry_class], side="right") - 1
    )
    served = (
        (buy_level >= 0) & (level_t[buy_level] == buys.entry_t) if len(level_key) else np.zeros(0, np.bool_)
    )
    used = np.zeros(len(level_key), np.bool_)
    used[buy_level[served]] = True
    before: Ints = used.cumsum() - used
    buy_node = np.full(len(buy_level), -1, np.int64)
    buy_node[served] = before[buy_level[served]]
    node_t = level_t[used]
    fits: Mask = before < len(node_t)
    fits[fits] = node_t[before[fits]] == level_t[fits]
    level_node = np.where(fits, before, -1)
    fitting = positions(fits)
    node_first = fitting[np.searchsorted(level_node[fitting], np.arange(len(node_t)))]
    node_price = level_key[node_first] & ((1 << shift) - 1)
    dropped_low = np.zeros(count_t, np.bool_)
    dropped_low[buys.entry_t[~served]] = True
    dropped_high = np.full(count_t, -1, np.int64)
    above = positions(~fits)[::-1]
    dropped_high[level_t[above]] = level_key[above] & ((1 << shift) - 1)
    return level_node[level_of.reshape(-1)], buy_node, node_t, node_price, dropped_low, dropped_high


def _arcs(side: Classes, entries: Ints, place: Ints, node: Ints, market: Market, *, selling: bool) -> Arcs:
    owner_of = side.entry_class[entries]
    visible = np.bincount(owner_of, minlength=len(side))[owner_of]
    owner = np.where(visible > 1, owner_of, -1)
    last = side.last[owner_of] if selling else np.zeros(len(entries), np.int64)
    price = side.price[owner_of]
    order = np.lexsort((price if selling else -price, owner, last, node, place))
    place, node, last, owner = place[order], node[order], last[order], owner[order]
    opens = fresh(place, node, last, owner)
    leader = positions(opens)
    energy = side.energy[owner_of[order]]
    t = side.entry_t[entries[order[leader]]]
    kappa = market.params.expiry_weight * last[leader] + market.two_sided[t] if selling else last[leader]
    return Arcs(
        t=t,
        place=place[leader],
        node=node[leader],
        cap=np.add.reduceat(energy, leader) if len(leader) else energy,
        kappa=kappa,
        owner=owner[leader],
        entry=entries[order],
        entry_arc=opens.cumsum() - 1,
    )


def hand_back(energy_of: Ints, arcs: Arcs, flow: Ints) -> Ints:
    """Energy of each entry, J, out of the flow of its arcs: first come first served within an arc.

    Args:
        energy_of: most energy of each entry, also of those that are on no arc and get nothing.
    """
    result = np.zeros(len(energy_of), np.int64)
    if len(arcs.entry) == len(arcs):  # every arc is one entry
        result[arcs.entry] = flow
    elif len(arcs.entry):
        energy = energy_of[arcs.entry]
        before = upto_each(energy, run_starts(arcs.entry_arc)) - energy
        result[arcs.entry] = np.minimum(np.maximum(flow[arcs.entry_arc] - before, 0), energy)
    return result
