"""What every outcome of an auction must satisfy, asked by rules that do not know the auction."""

from __future__ import annotations

from light_client.rules.errors import RuleViolation
from light_client.rules.market.clearing import Trade
from light_client.rules.market.feasibility import (
    Totals,
    consumption_is_within_limits,
    exports_are_within_limits,
    imports_are_within_limits,
    production_is_within_limits,
)
from light_client.rules.market.mechanisms.book import Entry, entries_of
from light_client.rules.market.problem import Problem
from light_client.rules.units import JOULES_PER_KWH, Side


def trades_are_of_the_book(problem: Problem, trades: tuple[Trade, ...], book: dict[int, Entry]) -> None:
    """MKT-31: trades are of offers that take part, on their side, in the interval that becomes final, ascending."""
    previous = 0
    for trade in trades:
        entry = book.get(trade.offer_id)
        known = entry is not None and (trade.side, trade.interval) == (entry.side, problem.first_interval)
        if not known or trade.offer_id <= previous:
            raise RuleViolation("MKT-31", "a trade of an auction", got=trade, expected="an offer of its book")
        previous = trade.offer_id


def trades_are_within_offers(trades: tuple[Trade, ...], book: dict[int, Entry]) -> None:
    """MKT-32: an offer trades more than nothing, and at most what is left of it."""
    for trade in trades:
        left_j = book[trade.offer_id].energy_j
        if not 0 < trade.energy_j <= left_j:
            raise RuleViolation(
                "MKT-32", f"energy of offer {trade.offer_id}", got=trade.energy_j, expected=f"1..{left_j}"
            )


def prices_are_within_limits(problem: Problem, trades: tuple[Trade, ...], book: dict[int, Entry]) -> None:
    """MKT-33: nobody misses the limit in force by 1 uc or more."""
    improved = problem.reaction.limits if problem.reaction is not None else {}
    for trade in trades:
        entry = book[trade.offer_id]
        limit = improved.get(entry.offer_id, entry.price_uc_per_kwh)
        beyond = limit * trade.energy_j - trade.amount_uc * JOULES_PER_KWH
        if (beyond if trade.side == Side.SELL else -beyond) >= JOULES_PER_KWH:
            raise RuleViolation(
                "MKT-33",
                f"offer {trade.offer_id} trades beyond its limit",
                got=trade.amount_uc,
                expected=limit * trade.energy_j // JOULES_PER_KWH,
            )


def sides_balance(trades: tuple[Trade, ...]) -> None:
    """MKT-34: what is sold is bought, and what is paid is received, to the last unit."""
    energy_j = money_uc = 0
    for trade in trades:
        sign = 1 if trade.side == Side.SELL else -1
        energy_j += sign * trade.energy_j
        money_uc += sign * trade.amount_uc
    if energy_j or money_uc:
        raise RuleViolation(
            "MKT-34",
            "sales less purchases, receipts less payments",
            got=(energy_j, money_uc),
            expected=(0, 0),
        )


def _totals(problem: Problem, trades: tuple[Trade, ...], book: dict[int, Entry]) -> Totals:
    totals = Totals()
    for trade in trades:
        flow = totals.sold if trade.side == Side.SELL else totals.bought
        feeders = flow.setdefault(problem.first_interval, {})
        feeder = book[trade.offer_id].feeder
        feeders[feeder] = feeders.get(feeder, 0) + trade.energy_j
    return totals


def check_trades(problem: Problem, trades: tuple[Trade, ...]) -> None:
    """What must hold of the trades of any auction, asked without computing the auction.

    Raises:
        RuleViolation: the first broken rule, MKT-31 to MKT-34, or MKT-14 to MKT-17 for the limits of the feeders.
    """
    book: dict[int, Entry] = {entry.offer_id: entry for entry in entries_of(problem)}
    trades_are_of_the_book(problem, trades, book)
    trades_are_within_offers(trades, book)
    prices_are_within_limits(problem, trades, book)
    sides_balance(trades)
    totals = _totals(problem, trades, book)
    exports_are_within_limits(problem, totals)
    imports_are_within_limits(problem, totals)
    consumption_is_within_limits(problem, totals)
    production_is_within_limits(problem, totals)
