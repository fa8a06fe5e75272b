"""Levelled service in columns: the twin of ``rules.market.levelling`` for all intervals of a uniform market.

The level is found in double precision and then confirmed in whole numbers; where the two might disagree the
rule itself decides.
"""

from __future__ import annotations

import numpy as np

from light_client.rules.market.levelling import Demand, level
from light_client.rules.market.shares import prefix_shares
from testbed.solver.arrays import Classes, Market
from testbed.solver.runs import Ints, Mask, increments, positions
from testbed.solver.shares import SAFE

_NEAR = 1e-9
"""Levels whose relative difference is below this are compared in whole numbers."""


def levelled_purchases(market: Market, single: Mask, sold: Ints, bought: Ints) -> Ints:
    """Energy per buyers' entry once classes left with one interval are levelled.

    Args:
        single: per class of buyers, whether it is left with one interval.
        sold, bought: per entry, J; what single classes buy in ``bought`` does not matter.
    """
    count_t, count_f = len(market.two_sided), len(market.feeders)
    derived = single[market.buys.entry_class]
    sold_at = _per_cell(market, market.sells, sold)
    taken_at = _per_cell(market, market.buys, np.where(derived, 0, bought))
    demand_at = _per_cell(
        market, market.buys, np.where(derived, market.buys.energy[market.buys.entry_class], 0)
    )
    surplus = (sold_at - taken_at).reshape(count_t, count_f)
    demand = demand_at.reshape(count_t, count_f)
    low = np.maximum(surplus - market.ext_j, 0)
    room = market.int_j - taken_at.reshape(count_t, count_f)
    high = np.minimum(np.minimum(demand, surplus + market.ext_j), room)
    needed = surplus.sum(axis=1)
    levels = np.zeros((count_t, count_f), np.int64)
    for t in positions(needed):
        levels[t] = level_interval(demand[t], low[t], high[t], int(needed[t]))
    result = bought.copy()
    entries = positions(derived)
    result[entries] = levels[
        market.buys.entry_t[entries], market.buys.feeder[market.buys.entry_class[entries]]
    ]
    return result


def _per_cell(market: Market, side: Classes, energy: Ints) -> Ints:
    some = positions(energy)
    cell = side.entry_t[some] * len(market.feeders) + side.feeder[side.entry_class[some]]
    return np.bincount(cell, energy[some], len(market.two_sided) * len(market.feeders)).astype(np.int64)


def level_interval(demand: Ints, low: Ints, high: Ints, needed: int) -> Ints:
    """Split ``needed`` joules over feeders, as ``rules.market.levelling.level`` does.

    Raises:
        RuleViolation: MKT-27, as the rule does.
    """
    if (low > high).any() or not int(low.sum()) <= needed <= int(high.sum()):
        return _by_rule(demand, low, high, needed)
    if needed == int(high.sum()):
        return high
    moving = positions(high > low)
    width, bottom, top = demand[moving], low[moving], high[moving]
    begin, end = bottom / width, top / width
    events = np.concatenate((begin, end))
    order = np.argsort(events)
    slope = np.cumsum(np.concatenate((width, -width))[order])
    ranked = events[order]
    total = int(low.sum()) + np.concatenate(([0.0], np.cumsum(slope[:-1] * np.diff(ranked))))
    stop = int(np.searchsorted(total, needed))
    if stop == len(ranked) or stop == 0:
        return _by_rule(demand, low, high, needed)
    margin = _NEAR * max(1.0, float(needed))
    if total[stop] - needed <= margin or needed - total[stop - 1] <= margin:
        return _by_rule(demand, low, high, needed)
    level_at = ranked[stop]
    near = np.abs(events - level_at) <= _NEAR * level_at
    if not _all_equal(np.concatenate((bottom, top))[near], np.concatenate((width, width))[near]):
        return _by_rule(demand, low, high, needed)
    result = low.copy()
    full = (end < level_at) & ~near[len(moving) :]
    result[moving[full]] = top[full]
    between = (begin < level_at) & ~near[: len(moving)] & ~full
    rest = needed - int(result.sum()) + int(result[moving[between]].sum())
    weights = width[between]
    if int(weights.sum()) * rest < SAFE:
        given = weights.cumsum() * rest // int(weights.sum())
        result[moving[between]] = increments(given)
    else:
        result[moving[between]] = prefix_shares(weights.tolist(), rest)
    return result


def _all_equal(above: Ints, below: Ints) -> bool:
    """Whether all fractions are one number, as far as 64 bits can tell."""
    if int(above.max()) * int(below.max()) >= SAFE:
        return len(above) == 1
    return bool((above * below[0] == above[0] * below).all())


def _by_rule(demand: Ints, low: Ints, high: Ints, needed: int) -> Ints:
    rows = zip(demand.tolist(), low.tolist(), high.tolist(), strict=True)
    demands = [Demand(feeder=f, demand=d, low=least, high=most) for f, (d, least, most) in enumerate(rows)]
    answer = level(demands, needed)
    return np.array([answer[f] for f in range(len(demands))], np.int64)
