"""A market on its way to being cleared: what all methods share, and what comes out of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from testbed.solver.arrays import Market
from testbed.solver.bounds import SAFE, Bounds, Table
from testbed.solver.certify import table_of
from testbed.solver.circulation import Prices
from testbed.solver.reduction import Arcs, Reduced, hand_back
from testbed.solver.runs import Ints

FIRST_MU = 1 << 16
SCALES = (1, 2, 4)
"""Scales at which duals of a linear program are tried: mostly whole, sometimes halves."""


@dataclass(slots=True, kw_only=True)
class Stats:
    """What solving took; for reports only."""

    nodes: int = 0
    flow_arcs: int = 0
    program_columns: int = 0
    program_rows: int = 0
    mu: int = 0
    programs: int = 0
    flows: int = 0
    repaired: bool = False
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """A plan per entry and the certificates, all in columns."""

    sold: Ints
    """Per sellers' entry, J."""
    bought: Ints
    """Per buyers' entry, J."""
    tables: tuple[Table, ...]
    values: tuple[int, ...]
    """Energy sold, its tie-break cost with a minus, and welfare where that is certified too."""
    bounds: tuple[int, ...]
    """Proven upper bounds of these."""
    stats: Stats

    @property
    def gaps(self) -> tuple[int, ...]:
        """Bound less value, all 0 at a proven optimum."""
        return tuple(top - value for top, value in zip(self.bounds, self.values, strict=True))

    @property
    def optimal(self) -> bool:
        """Whether every gap is 0."""
        return not any(self.gaps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duals:
    """Prices for both objectives on the levels of the market itself."""

    first: Prices
    """For energy, times ``first_scale``."""
    first_scale: int
    second: Prices
    """For the tie-break, times ``second_scale``."""
    second_scale: int
    mu: int
    """What a joule is worth in the second, besides its tie-break cost: times ``second_scale``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One market on its way to being cleared."""

    market: Market
    reduced: Reduced
    lowest: int
    """Smallest tie-break cost of a sellers' arc."""
    stats: Stats

    def weight(self, arcs: Arcs, mu: int) -> Ints:
        """What a joule of each sellers' arc is worth."""
        return mu + self.lowest - arcs.kappa

    def judged(self, sold: Ints, bought: Ints, duals: Duals) -> Cleared:
        """Make the certificates and value the plan (flow per arc of the reduced market) against them."""
        market, reduced = self.market, self.reduced
        rate = market.params.expiry_weight + 1
        scale, count_t = duals.second_scale, len(market.two_sided)
        weight = duals.mu + scale * (self.lowest + rate * market.base)
        best_weight = duals.mu + scale * (self.lowest - rate * market.two_sided)
        least = np.full(count_t, duals.first_scale, np.int64)
        tables = (
            table_of(market, reduced, duals.first, (duals.first_scale,), least),
            table_of(market, reduced, duals.second, (weight, scale), best_weight),
        )
        self.stats.nodes, self.stats.mu = len(reduced.node_t), duals.mu
        return valued(
            market,
            hand_back(market.sells.energy[market.sells.entry_class], reduced.sells, sold),
            hand_back(market.buys.energy[market.buys.entry_class], reduced.buys, bought),
            tables,
            self.stats,
        )


def valued(market: Market, sold: Ints, bought: Ints, tables: tuple[Table, Table], stats: Stats) -> Cleared:
    """Value a plan (J per entry) and hold it against its certificates, for energy and for the tie-break."""
    certified = Bounds(market)
    energy = int(sold.sum())
    cost = _product(sold, certified.kappa) + energy * (market.params.expiry_weight + 1) * market.base
    first, second = (certified.bound(table) for table in tables)
    (one,), (weight, scale) = (table.weights for table in tables)
    return Cleared(
        sold=sold,
        bought=bought,
        tables=tables,
        values=(energy, -cost),
        bounds=(first // one, (second - weight * energy) // scale),
        stats=stats,
    )


def first_mu(kappa: Ints) -> int:
    """A weight of energy that is mostly enough: well above the range of tie-break costs."""
    return max(FIRST_MU, 1 << (2 * int(np.ptp(kappa))).bit_length()) if len(kappa) else FIRST_MU


def _product(joules: Ints, cost: Ints) -> int:
    """``sum joules * cost``, in Python's integers where 64 bits might not do."""
    if int(joules.sum()) * int(cost.max(initial=0)) < SAFE:
        return int(joules @ cost)
    return sum(one * other for one, other in zip(joules.tolist(), cost.tolist(), strict=True))
