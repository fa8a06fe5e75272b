"""Settling final trades in the accounts, and giving back what ended offers still hold."""

from __future__ import annotations

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.events import Event, OfferClosed
from light_client.rules.ledger.state import Draft
from light_client.rules.market.clearing import Trade
from light_client.rules.market.problem import Problem
from light_client.rules.units import OfferId, Side


def settle(draft: Draft, trade: Trade) -> None:
    """Move energy and money of one final trade.

    Raises:
        RuleViolation: LED-23 when a buyer would pay more than was set aside, which the escrow rule excludes.
    """
    offer = draft.offer(OfferId(trade.offer_id))
    account = draft.known_account(offer.address)
    paid_uc = 0
    if offer.side == Side.SELL:
        money_uc, sold_j = (
            account.money_uc + trade.amount_uc,
            account.sold_j + trade.energy_j,
        )
        draft.accounts[offer.address] = account._replace(money_uc=money_uc, sold_j=sold_j)
    else:
        paid_uc = trade.amount_uc
        if paid_uc > offer.escrow_uc:
            raise RuleViolation(
                "LED-23",
                "a payment exceeds the money set aside",
                got=paid_uc,
                expected=offer.escrow_uc,
            )
        draft.accounts[offer.address] = account._replace(bought_j=account.bought_j + trade.energy_j)
    remaining_j, escrow_uc = (
        offer.remaining_j - trade.energy_j,
        offer.escrow_uc - paid_uc,
    )
    draft.offers[offer.offer_id] = offer._replace(remaining_j=remaining_j, escrow_uc=escrow_uc)


def ended_offers(problem: Problem, trades: tuple[Trade, ...], remaining_j: dict[int, int]) -> list[OfferId]:
    """Offers that are served, or whose last interval is the one that became final; ascending.

    Args:
        remaining_j: offer -> energy left after the trades, for offers that traded.
    """
    ending = {OfferId(trade.offer_id) for trade in trades if not remaining_j[trade.offer_id]}
    for key, members in problem.shares.items():
        if key.ranges[-1][1] <= problem.first_interval:
            ending.update(offer_id for offer_id, _ in members)
    return sorted(ending)


def close_offers(draft: Draft, problem: Problem, trades: tuple[Trade, ...], events: list[Event]) -> None:
    """Give back what is left of ended offers."""
    remaining_j = {trade.offer_id: draft.offer(OfferId(trade.offer_id)).remaining_j for trade in trades}
    for offer_id in ended_offers(problem, trades, remaining_j):
        offer = draft.offer(offer_id)
        account = draft.known_account(offer.address)
        selling = offer.side == Side.SELL
        draft.accounts[offer.address] = account._replace(
            production_j=account.production_j + (offer.remaining_j if selling else 0),
            consumption_j=account.consumption_j + (0 if selling else offer.remaining_j),
            money_uc=account.money_uc + offer.escrow_uc,
            open_offers=account.open_offers - 1,
        )
        draft.offers[offer_id] = None
        events.append(OfferClosed(offer_id=offer_id, address=offer.address, returned_j=offer.remaining_j))
