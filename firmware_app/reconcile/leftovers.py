"""What is left on addresses whose time is over: to be handed back, each alone.

The trader makes the deposits, at random moments and never two in one transaction; here stands which are due and how
much each must hold, so that a balance that differs is noticed before it is given away.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from firmware_app.reconcile.deviation import FinalTrade
from light_client.rules.errors import LocalError
from light_client.rules.units import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One address with a grant, whatever became of it."""

    index: int
    """Its key's index in the wallet."""
    last_interval: int
    """Last interval of its grant."""
    production_j: int
    consumption_j: int
    money_uc: int
    """What was granted."""
    trades: tuple[FinalTrade, ...] = ()
    offer_alive: bool = False
    """Whether an offer from it may still trade, or may still be posted."""
    deposited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """One deposit that is due, and what the address must hold."""

    index: int
    production_j: int
    consumption_j: int
    money_uc: int


def leftovers(holdings: Iterable[Holding], now_interval: int) -> tuple[Leftover, ...]:
    """The deposits that are due, by index: offers that ended, and grants never used whose last interval is over.

    Raises:
        LocalError: an address traded more than it was granted.
    """
    due = []
    for one in sorted(holdings, key=lambda holding: holding.index):
        used = one.trades or one.last_interval < now_interval
        if one.deposited or one.offer_alive or not used:
            continue
        due.append(left_of(one))
    return tuple(due)


def left_of(one: Holding) -> Leftover:
    """What an address holds after its trades.

    Raises:
        LocalError: it traded more than it was granted.
    """
    sold = sum(trade.energy_j for trade in one.trades if trade.side is Side.SELL)
    bought = sum(trade.energy_j for trade in one.trades if trade.side is Side.BUY)
    left = Leftover(
        index=one.index,
        production_j=one.production_j - sold,
        consumption_j=one.consumption_j - bought,
        money_uc=one.money_uc + sum(trade.received_uc for trade in one.trades),
    )
    if min(left.production_j, left.consumption_j, left.money_uc) < 0:
        raise LocalError("what is left on an address", got=left, expected="nothing below 0")
    return left
