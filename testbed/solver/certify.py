"""Turns dual prices into certificates. Whatever is rounded here can only loosen a bound, never forge one."""

from __future__ import annotations

import numpy as np

from testbed.solver.arrays import Market
from testbed.solver.bounds import Table
from testbed.solver.circulation import Prices
from testbed.solver.reduction import Reduced
from testbed.solver.runs import Ints, Mask, positions


def table_of(
    market: Market, reduced: Reduced, prices: Prices, weights: tuple[int, ...], best_weight: Ints
) -> Table:
    """The certificate whose schedules take the value of each node from its lowest seller upwards.

    Buyers who bid less than every seller must not gain, so the schedule starts low enough for them, at price
    0 so that it bounds sellers still to come; sellers who ask more than every buyer bids must not gain
    either, so it ends high enough.

    Args:
        weights: of the certificate.
        best_weight: per two-sided interval, at least what a joule of any seller weighs there.
    """
    t, price, value = _steps(reduced, prices, best_weight)
    count_f = len(market.feeders)
    restricted = positions(reduced.place_feeder >= 0)
    cell = reduced.place_t[restricted] * count_f + reduced.place_feeder[restricted]
    dense = []
    for part in (prices.net, prices.production, prices.consumption):
        full = np.zeros(len(market.two_sided) * count_f, np.int64)
        full[cell] = part[restricted]
        dense.append(full)
    return Table(
        weights=weights,
        step_t=t,
        step_price=price,
        step_value=value,
        net=dense[0],
        production=dense[1],
        consumption=dense[2],
    )


def _steps(reduced: Reduced, prices: Prices, best_weight: Ints) -> tuple[Ints, Ints, Ints]:
    count_t = len(best_weight)
    every_t = np.arange(count_t)
    if len(reduced.node_t) == count_t and not reduced.drops and (reduced.node_t == every_t).all():
        return every_t, np.zeros(count_t, np.int64), prices.level  # one level, at any price
    first = np.searchsorted(reduced.node_t, every_t)
    end = np.searchsorted(reduced.node_t, every_t, side="right")
    traded = end > first
    highest_net, lowest_net = np.zeros(count_t, np.int64), np.zeros(count_t, np.int64)
    np.maximum.at(highest_net, reduced.place_t, prices.net)
    np.minimum.at(lowest_net, reduced.place_t, prices.net)
    bottom, top = np.zeros(count_t, np.int64), np.zeros(count_t, np.int64)
    bottom[traded], top[traded] = prices.level[first[traded]], prices.level[end[traded] - 1]
    bottom = np.where(reduced.dropped_low, np.minimum(bottom, -highest_net), bottom)
    top = np.maximum(np.maximum(top, bottom), best_weight - lowest_net)
    above = positions(reduced.dropped_high >= 0)
    t = np.concatenate((every_t, reduced.node_t, above))
    price = np.concatenate((np.zeros(count_t, np.int64), reduced.node_price, reduced.dropped_high[above]))
    value = np.concatenate((bottom, prices.level, top[above]))
    order = np.argsort(t, kind="stable")
    t, price, value = t[order], price[order], value[order]
    kept = _needed(t, price, value)
    return t[kept], price[kept], value[kept]


def _needed(t: Ints, price: Ints, value: Ints) -> Mask:
    """Rows that change the value; of two rows at one price (the start, at 0) the later one counts."""
    kept = np.ones(len(t), np.bool_)
    kept[:-1] &= ~((t[1:] == t[:-1]) & (price[1:] == price[:-1]))
    rows = positions(kept)
    same = (t[rows][1:] == t[rows][:-1]) & (value[rows][1:] == value[rows][:-1])
    kept[rows[1:][same]] = False
    return kept
