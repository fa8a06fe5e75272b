"""From a cleared market to everybody's trades: levelled purchases, pro-rata shares, payments, all in columns."""

from __future__ import annotations

from dataclasses import dataclass

from light_client.rules.units import Side
from testbed.solver.arrays import Market, Members, OfferTable
from testbed.solver.levelling import levelled_purchases
from testbed.solver.payments import payments
from testbed.solver.runs import Ints
from testbed.solver.shares import Fills, split
from testbed.solver.task import Cleared


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Every trade of a plan, as if all of its intervals became final."""

    sold: Fills
    bought: Fills
    received: Ints
    """Micro-currency per sale."""
    paid: Ints
    """Micro-currency per purchase."""


def settle(table: OfferTable, market: Market, members: tuple[Members, Members], cleared: Cleared) -> Settled:
    """Level, split and price a whole plan, one interval after the other, with the classes that this market has."""
    bought = cleared.bought
    if market.params.uniform_price_uc_per_kwh is not None:
        single = members[Side.BUY].first == market.buys.last
        bought = levelled_purchases(market, single, cleared.sold, bought)
    sales = split(
        members=members[Side.SELL], energy_of=table.energy_j, classes=market.sells, traded=cleared.sold
    )
    purchases = split(members=members[Side.BUY], energy_of=table.energy_j, classes=market.buys, traded=bought)
    received, paid = payments(sales, purchases)
    return Settled(sold=sales, bought=purchases, received=received, paid=paid)
