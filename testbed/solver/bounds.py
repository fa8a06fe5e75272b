"""Certificates as columns, and the bound of the rules' theorem over columns: the twin of ``rules.market.certificate.bound``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from light_client.rules.errors import RuleViolation
from light_client.rules.market.certificate import Certificate, Sparse, Steps
from light_client.rules.market.params import Objective
from testbed.solver.arrays import Classes, Ints, Market

SAFE = 1 << 62
"""Products and sums below this are exact in int64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A certificate as columns; intervals are positions in ``Market.two_sided``."""

    weights: tuple[int, ...]
    step_t: Ints
    """Rows of all price schedules, ordered by interval, then price."""
    step_price: Ints
    step_value: Ints
    net: Ints
    """g per (interval, feeder), dense: position ``t * feeders + feeder``."""
    production: Ints
    consumption: Ints


def certificate_of(market: Market, table: Table) -> Certificate:
    """The certificate of the rules, with absolute intervals and feeder numbers."""
    absolute = [market.base + t for t in market.two_sided.tolist()]
    ends = np.searchsorted(table.step_t, np.arange(len(absolute) + 1)).tolist()
    prices, values = table.step_price.tolist(), table.step_value.tolist()
    schedules: dict[int, Steps] = {
        t: (tuple(prices[low:high]), tuple(values[low:high]))
        for t, low, high in zip(absolute, ends[:-1], ends[1:], strict=True)
    }
    return Certificate(
        weights=table.weights,
        schedules=schedules,
        net=_sparse(market, table.net),
        production=_sparse(market, table.production),
        consumption=_sparse(market, table.consumption),
    )


def _sparse(market: Market, dense: Ints) -> Sparse:
    part: Sparse = {}
    cells = np.flatnonzero(dense)
    t, feeder = np.divmod(cells, max(len(market.feeders), 1))
    rows = zip((market.base + market.two_sided[t]).tolist(), market.feeders[feeder].tolist(), dense[cells].tolist(), strict=True)
    for interval, number, value in rows:
        part.setdefault(interval, {})[number] = value
    return part


def bound_of(market: Market, table: Table) -> int:
    """The bound of the theorem for a well-formed table.

    Computed in int64 where no product or sum can leave it, else in Python's integers.

    Raises:
        RuleViolation: MKT-25 when a schedule is minus infinity at the price of a seller.
    """
    weight_of = dict(zip(market.params.objectives, table.weights, strict=False))
    energy = weight_of.get(Objective.ENERGY, 0)
    expiry = weight_of.get(Objective.EXPIRY, 0)
    welfare = weight_of.get(Objective.WELFARE, 0)
    if not _is_safe(market, table, energy, expiry, welfare):
        return _exact_bound(market, table, energy, expiry, welfare)
    sells, buys = market.sells, market.buys
    absolute = market.base + market.two_sided
    owner = sells.entry_class
    kappa = market.params.expiry_weight * (market.base + sells.last[owner]) + absolute[sells.entry_t]
    known, value, cell = _step_values(market, table, sells)
    if not known.all():
        raise _below(market, sells, int(np.flatnonzero(~known)[0]))
    gain = energy - expiry * kappa - welfare * sells.price[owner] - value - table.net[cell] - table.production[cell]
    total = _weighted_best(sells, gain)
    known, value, cell = _step_values(market, table, buys)
    gain = value + welfare * buys.price[buys.entry_class] + table.net[cell] - table.consumption[cell]
    total += _weighted_best(buys, np.where(known, gain, 0))
    return total + _limits(market, table)


def _step_values(market: Market, table: Table, side: Classes) -> tuple[np.ndarray, Ints, Ints]:
    """Per entry: whether the schedule is finite there, its value, and the position of (interval, feeder)."""
    price = side.price[side.entry_class]
    highest = max(int(price.max(initial=0)), int(table.step_price.max(initial=0)))
    shift = highest.bit_length()
    step = np.searchsorted((table.step_t << shift) | table.step_price, (side.entry_t << shift) | price, side="right") - 1
    known = (step >= 0) & (table.step_t[step] == side.entry_t) if len(step) else np.zeros(0, np.bool_)
    return known, table.step_value[step], side.entry_t * len(market.feeders) + side.feeder[side.entry_class]


def _weighted_best(side: Classes, gain: Ints) -> int:
    if not len(gain):
        return 0
    starts = np.flatnonzero(np.diff(side.entry_class, prepend=-1))
    best = np.maximum(np.maximum.reduceat(gain, starts), 0)
    return int(side.energy[side.entry_class[starts]] @ best)


def _limits(market: Market, table: Table) -> int:
    count_t = len(market.two_sided)
    external = np.abs(table.net).reshape(count_t, -1).sum(axis=0)
    internal = (table.production + table.consumption).reshape(count_t, -1).sum(axis=0)
    return int(external @ market.ext_j) + int(internal @ market.int_j)


def _is_safe(market: Market, table: Table, energy: int, expiry: int, welfare: int) -> bool:
    """Whether every product and sum stays below 2^62."""
    multipliers = [int(np.abs(part).max(initial=0)) for part in (table.step_value, table.net, table.production, table.consumption)]
    top = market.base + max(int(market.sells.last.max(initial=0)), int(market.two_sided.max(initial=0)))
    price = max(int(side.price.max(initial=0)) for side in (market.sells, market.buys))
    weight = abs(energy) + abs(expiry) * (market.params.expiry_weight + 1) * top + abs(welfare) * price
    offers = int(market.sells.energy.sum()) + int(market.buys.energy.sum())
    used = (np.abs(table.net) + table.production + table.consumption).reshape(-1, max(len(market.feeders), 1)).any(axis=0)
    limits = int((market.ext_j + market.int_j)[used].sum()) * len(market.two_sided)
    return (offers + limits) * (weight + sum(multipliers)) < SAFE


def _exact_bound(market: Market, table: Table, energy: int, expiry: int, welfare: int) -> int:
    """The same in Python's integers."""
    absolute = [market.base + t for t in market.two_sided.tolist()]
    net, production, consumption = table.net.tolist(), table.production.tolist(), table.consumption.tolist()
    total = 0
    for selling, side in ((True, market.sells), (False, market.buys)):
        known, value, cell = _step_values(market, table, side)
        best = [0] * len(side)
        price, last = side.price.tolist(), side.last.tolist()
        rows = zip(known.tolist(), value.tolist(), cell.tolist(), side.entry_class.tolist(), side.entry_t.tolist(), strict=True)
        for number, (finite, level, at, owner, t) in enumerate(rows):
            if selling and not finite:
                raise _below(market, side, number)
            if not finite:
                continue
            gain = level + net[at] - consumption[at] + welfare * price[owner]
            if selling:
                kappa = market.params.expiry_weight * (market.base + last[owner]) + absolute[t]
                gain = energy - expiry * kappa - welfare * price[owner] - level - net[at] - production[at]
            best[owner] = max(best[owner], gain)
        total += sum(joules * gain for joules, gain in zip(side.energy.tolist(), best, strict=True))
    ext, internal, count = market.ext_j.tolist(), market.int_j.tolist(), len(market.feeders)
    total += sum(ext[at % count] * abs(value) for at, value in enumerate(net) if value)
    total += sum(internal[at % count] * value for part in (production, consumption) for at, value in enumerate(part) if value)
    return int(total)


def _below(market: Market, side: Classes, entry: int) -> RuleViolation:
    t = market.base + int(market.two_sided[side.entry_t[entry]])
    price = int(side.price[side.entry_class[entry]])
    return RuleViolation("MKT-25", f"the schedule of interval {t} starts above a seller", got=price, expected="its first price or more")
