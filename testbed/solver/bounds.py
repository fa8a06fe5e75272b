"""Certificates as columns, and the bound of the rules' theorem over columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from light_client.rules.errors import RuleViolation
from light_client.rules.market.certificate import Certificate, Sparse, Steps
from light_client.rules.market.params import Objective
from testbed.solver.arrays import Classes, Market
from testbed.solver.runs import Ints, Mask, positions, run_starts

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
    cells = positions(dense)
    t, feeder = np.divmod(cells, max(len(market.feeders), 1))
    rows = zip(
        (market.base + market.two_sided[t]).tolist(),
        market.feeders[feeder].tolist(),
        dense[cells].tolist(),
        strict=True,
    )
    for interval, number, value in rows:
        part.setdefault(interval, {})[number] = value
    return part


class Bounds:
    """The bound of the theorem for the certificates of one market, whose columns are gathered once for all of them."""

    def __init__(self, market: Market) -> None:
        """Gather what every certificate is held against."""
        self.market = market
        self._sells, self._buys = _Entries(market, market.sells), _Entries(market, market.buys)
        sells = market.sells
        self.kappa: Ints = (
            market.params.expiry_weight * sells.last[sells.entry_class] + market.two_sided[sells.entry_t]
        )
        """Tie-break cost of a joule of each sellers' entry, relative to the first interval."""

    def bound(self, table: Table) -> int:
        """The bound for a well-formed table.

        Raises:
            RuleViolation: MKT-25 when a schedule is minus infinity at the price of a seller.
        """
        return limits_part(self.market, table) + self.offers_part(table)

    def offers_part(self, table: Table) -> int:
        """What the offers contribute to the bound: the first two sums of the theorem.

        Intervals are taken relative to the first one, which moves a constant into the weight of energy. Computed
        in int64 where no product or sum can leave it, else in Python's integers.

        Raises:
            RuleViolation: MKT-25 when a schedule is minus infinity at the price of a seller.
        """
        market = self.market
        weight_of = dict(zip(market.params.objectives, table.weights, strict=False))
        energy = weight_of.get(Objective.ENERGY, 0)
        expiry = weight_of.get(Objective.EXPIRY, 0)
        welfare = weight_of.get(Objective.WELFARE, 0)
        energy -= expiry * (market.params.expiry_weight + 1) * market.base
        if not self._is_safe(table, energy, expiry, welfare):
            return _exact_bound(market, table, energy, expiry, welfare)
        sells, buys = self._sells, self._buys
        known, value = sells.step_values(table)
        if not known.all():
            raise _below(market, market.sells, int(positions(~known)[0]))
        gain = energy - expiry * self.kappa - value - table.net[sells.cell] - table.production[sells.cell]
        if welfare:
            gain -= welfare * sells.price
        total = sells.weighted_best(gain)
        known, value = buys.step_values(table)
        gain = value + table.net[buys.cell] - table.consumption[buys.cell]
        if welfare:
            gain += welfare * buys.price
        return total + buys.weighted_best(np.where(known, gain, 0))

    def _is_safe(self, table: Table, energy: int, expiry: int, welfare: int) -> bool:
        """Whether every product and sum stays below 2^62."""
        limits = _largest(np.concatenate((table.net, table.production, table.consumption)))
        multipliers = _largest(table.step_value) + 3 * limits
        sells, buys = self._sells, self._buys
        kappa = int(self.kappa.max(initial=0))
        weight = abs(energy) + abs(expiry) * kappa + abs(welfare) * max(sells.highest, buys.highest)
        return (sells.total_j + buys.total_j) * (weight + multipliers) < SAFE


class _Entries:
    """The entries of one side as the bound needs them."""

    def __init__(self, market: Market, side: Classes) -> None:
        self.price: Ints = side.price[side.entry_class]
        self.cell: Ints = side.entry_t * len(market.feeders) + side.feeder[side.entry_class]
        self.highest = int(side.price.max(initial=0))
        self.total_j = int(side.energy.sum())
        self._t = side.entry_t
        self._every_t = np.arange(len(market.two_sided))
        self._all: Mask = np.ones(len(side.entry_t), np.bool_)
        self._starts = run_starts(side.entry_class)
        self._energy: Ints = side.energy[side.entry_class[self._starts]]

    def step_values(self, table: Table) -> tuple[Mask, Ints]:
        """Per entry: whether the schedule is finite there, and its value."""
        if self._is_flat(table):
            return self._all, table.step_value[self._t]
        shift = max(self.highest, int(table.step_price.max(initial=0))).bit_length()
        steps = (table.step_t << shift) | table.step_price
        step = np.searchsorted(steps, (self._t << shift) | self.price, side="right") - 1
        known = (step >= 0) & (table.step_t[step] == self._t) if len(step) else np.zeros(0, np.bool_)
        return known, table.step_value[step]

    def _is_flat(self, table: Table) -> bool:
        """Whether each interval has one value, at any price."""
        every_t = self._every_t
        if len(table.step_t) != len(every_t) or table.step_price.any():
            return False
        return bool((table.step_t == every_t).all())

    def weighted_best(self, gain: Ints) -> int:
        """Sum over the classes of energy times the best gain of their entries, where that is positive."""
        if not len(gain):
            return 0
        best = np.maximum(np.maximum.reduceat(gain, self._starts), 0)
        return int(self._energy @ best)


def _largest(values: Ints) -> int:
    """The largest magnitude."""
    return max(int(values.max()), -int(values.min())) if len(values) else 0


def limits_part(market: Market, table: Table) -> int:
    """What the limits contribute to the bound: the last sum of the theorem."""
    count, total = max(len(market.feeders), 1), 0
    for part, limit in (
        (table.net, market.ext_j),
        (table.production, market.int_j),
        (table.consumption, market.int_j),
    ):
        cells = positions(part)
        for most, value in zip(limit[cells % count].tolist(), part[cells].tolist(), strict=True):
            total += most * abs(value)
    return int(total)


def _exact_bound(market: Market, table: Table, energy: int, expiry: int, welfare: int) -> int:
    """The same in Python's integers."""
    interval = market.two_sided.tolist()
    net, production, consumption = table.net.tolist(), table.production.tolist(), table.consumption.tolist()
    total = 0
    for selling, side in ((True, market.sells), (False, market.buys)):
        entries = _Entries(market, side)
        known, value = entries.step_values(table)
        best = [0] * len(side)
        price, last = side.price.tolist(), side.last.tolist()
        rows = zip(
            known.tolist(),
            value.tolist(),
            entries.cell.tolist(),
            side.entry_class.tolist(),
            side.entry_t.tolist(),
            strict=True,
        )
        for number, (finite, level, at, owner, t) in enumerate(rows):
            if selling and not finite:
                raise _below(market, side, number)
            if not finite:
                continue
            gain = level + net[at] - consumption[at] + welfare * price[owner]
            if selling:
                kappa = market.params.expiry_weight * last[owner] + interval[t]
                gain = energy - expiry * kappa - welfare * price[owner] - level - net[at] - production[at]
            best[owner] = max(best[owner], gain)
        total += sum(joules * gain for joules, gain in zip(side.energy.tolist(), best, strict=True))
    return int(total)


def _below(market: Market, side: Classes, entry: int) -> RuleViolation:
    t = market.base + int(market.two_sided[side.entry_t[entry]])
    price = int(side.price[side.entry_class[entry]])
    return RuleViolation(
        "MKT-25",
        f"the schedule of interval {t} starts above a seller",
        got=price,
        expected="its first price or more",
    )
