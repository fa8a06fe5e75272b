"""Spot markets: one price, and nobody has a choice of interval. Their optimum and its proofs without a search.

A feeder can sell at most ``min(supply, c_int, demand inside c_int + c_ext)``, and buy at most as much the other way
round; an interval trades the smaller one of the two sums. Where sales are the scarce side every feeder sells what it
can, soonest-expiring first, and purchases share pro rata. Where purchases are, every feeder buys what it can, sells
at least what cannot be brought in from outside, and the soonest-expiring of the whole interval supply the rest.

The proofs follow from who sold: ``worth`` is the price of a joule of demand on a feeder, for the weight that a sold
joule has in an objective. It is that of the bus, or of the worst joule that a feeder had to sell itself, or of
the best one that it could not pass on. Source: ``rules.market.certificate``, by complementary slackness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from testbed.solver.arrays import Classes, Market
from testbed.solver.bounds import Table
from testbed.solver.runs import Ints, Mask, fresh, positions, run_lengths, run_starts, upto_each
from testbed.solver.shares import shares_of
from testbed.solver.task import Cleared, Stats, first_mu, valued


def is_spot(market: Market) -> bool:
    """Whether no class has a choice of interval."""
    owners = (market.sells.entry_class, market.buys.entry_class)
    return len(market.two_sided) > 0 and all((owner[1:] != owner[:-1]).all() for owner in owners)


def clear_spot(market: Market) -> Cleared:
    """The most energy, then the soonest-expiring, with certificates; all offers have one price."""
    offers = _offers(market)
    able = _able(market, offers)
    trades = _trades(offers, able)
    mu = first_mu(offers.kappa)
    ones, weight = np.ones(len(offers.kappa), np.int64), mu + int(offers.kappa.min()) - offers.kappa
    rate = market.params.expiry_weight + 1
    constant = mu + int(offers.kappa.min()) + rate * market.base
    tables = (
        _certificate(offers, able, trades, (1,), ones),
        _certificate(offers, able, trades, (constant, 1), weight),
    )
    sold = np.empty(len(offers.order), np.int64)
    sold[offers.order] = trades.sold
    return valued(market, sold, _handed(market, market.buys, trades.bought), tables, Stats(mu=mu))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offers:
    """Sellers' entries by *cell* (``interval * feeders + feeder``), the soonest-expiring first."""

    order: Ints
    """Entry of each row."""
    cell: Ints
    t: Ints
    energy: Ints
    kappa: Ints
    """Tie-break cost of a joule."""
    begin: Ints
    """J offered by the rows before it in its cell."""


def _offers(market: Market) -> _Offers:
    side = market.sells
    owner, cell = side.entry_class, _cells(market, side)
    kappa = market.params.expiry_weight * side.last[owner] + market.two_sided[side.entry_t]
    order = np.lexsort((kappa, cell))
    cell, energy = cell[order], side.energy[owner[order]]
    begin = upto_each(energy, run_starts(cell)) - energy
    return _Offers(
        order=order, cell=cell, t=side.entry_t[order], energy=energy, kappa=kappa[order], begin=begin
    )


def _cells(market: Market, side: Classes) -> Ints:
    return side.entry_t * len(market.feeders) + side.feeder[side.entry_class]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Able:
    """What the feeders can trade, J per cell."""

    ext: Ints
    supply: Ints
    """Within the internal limit."""
    demand: Ints
    supply_limited: Mask
    """Whether the internal limit binds."""
    demand_limited: Mask
    sales: Ints
    """Most that can be sold, with what the feeder takes itself and passes on."""
    purchases: Ints
    count_t: int

    def sums(self, columns: Ints) -> Ints:
        """Sums per interval."""
        total: Ints = columns.reshape(self.count_t, -1).sum(axis=1)
        return total

    def spread(self, values: Ints) -> Ints:
        """Values per interval, for each cell."""
        return values.repeat(len(self.ext) // self.count_t)


def _able(market: Market, offers: _Offers) -> _Able:
    count_t = len(market.two_sided)
    count = count_t * len(market.feeders)
    ext, internal = (np.concatenate([limit] * count_t) for limit in (market.ext_j, market.int_j))
    offered = np.bincount(offers.cell, offers.energy, count).astype(np.int64)
    buys = market.buys
    wanted = np.bincount(_cells(market, buys), buys.energy[buys.entry_class], count).astype(np.int64)
    supply, demand = np.minimum(offered, internal), np.minimum(wanted, internal)
    return _Able(
        ext=ext,
        supply=supply,
        demand=demand,
        supply_limited=offered > internal,
        demand_limited=wanted > internal,
        sales=np.minimum(supply, demand + ext),
        purchases=np.minimum(demand, supply + ext),
        count_t=count_t,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trades:
    """Who trades what."""

    sold: Ints
    """J per row of the offers."""
    waiting: Ints
    """J per row that could have been sold, had more been wanted."""
    bought: Ints
    """J per cell."""
    long: Mask
    """Per interval: whether more could be sold than bought."""


def _trades(offers: _Offers, able: _Able) -> _Trades:
    sales, purchases = able.sums(able.sales), able.sums(able.purchases)
    traded, long = np.minimum(sales, purchases), sales > purchases
    wide = able.spread(long.astype(np.int64)) > 0
    from_inside = np.where(wide, np.maximum(able.purchases - able.ext, 0), able.sales)
    to_inside = np.where(wide, able.purchases, np.maximum(able.sales - able.ext, 0))
    more = able.purchases - to_inside
    sizes = np.full(able.count_t, len(more) // able.count_t)
    bought = to_inside + shares_of(more, sizes, traded - able.sums(to_inside))
    must, may = (
        np.minimum(np.maximum(most[offers.cell] - offers.begin, 0), offers.energy)
        for most in (from_inside, able.sales)
    )
    waiting = may - must
    rest = traded - able.sums(from_inside)
    chosen = _soonest(offers, waiting, rest) if rest.any() else np.zeros(len(must), np.int64)
    return _Trades(sold=must + chosen, waiting=waiting - chosen, bought=bought, long=long)


def _soonest(offers: _Offers, waiting: Ints, rest: Ints) -> Ints:
    """Out of what waits in each interval the soonest-expiring ``rest`` joules; equals share pro rata."""
    order = np.lexsort((offers.kappa, offers.t))
    t, waiting = offers.t[order], waiting[order]
    starts = positions(fresh(t, offers.kappa[order]))
    energy, of_t = np.add.reduceat(waiting, starts), t[starts]
    before = upto_each(energy, run_starts(of_t)) - energy
    taken = np.minimum(np.maximum(rest[of_t] - before, 0), energy)
    chosen = np.empty(len(order), np.int64)
    chosen[order] = shares_of(waiting, run_lengths(starts, len(order)), taken)
    return chosen


def _handed(market: Market, side: Classes, energy: Ints) -> Ints:
    """J per cell, handed to the entries of one side there: first come, first served."""
    cell = _cells(market, side)
    order = np.argsort(cell, kind="stable")
    cell, able = cell[order], side.energy[side.entry_class[order]]
    begin = upto_each(able, run_starts(cell)) - able
    handed = np.empty(len(order), np.int64)
    handed[order] = np.minimum(np.maximum(energy[cell] - begin, 0), able)
    return handed


def _certificate(
    offers: _Offers, able: _Able, trades: _Trades, weights: tuple[int, ...], weight: Ints
) -> Table:
    """The certificate for an objective in which a joule of each row of the offers weighs ``weight``, above 0."""
    on_bus = np.zeros(able.count_t, np.int64)
    passed_over = positions((trades.waiting > 0) & trades.long[offers.t])
    np.maximum.at(on_bus, offers.t[passed_over], weight[passed_over])
    bus = able.spread(on_bus)
    worst = np.full(len(bus), weight.max())
    some = positions(trades.sold)
    np.minimum.at(worst, offers.cell[some], weight[some])
    best = np.zeros(len(bus), np.int64)
    left = positions(trades.sold < offers.energy)
    np.maximum.at(best, offers.cell[left], weight[left])
    worth = np.maximum(np.minimum(bus, worst), np.where(able.sales < able.supply, best, 0))
    worth[able.purchases < able.demand] = 0  # nobody there pays for what he cannot get
    return Table(
        weights=weights,
        step_t=np.arange(able.count_t),
        step_price=np.zeros(able.count_t, np.int64),
        step_value=on_bus,
        net=worth - bus,
        production=np.where(able.supply_limited, np.maximum(best - worth, 0), 0),
        consumption=np.where(able.demand_limited, worth, 0),
    )
