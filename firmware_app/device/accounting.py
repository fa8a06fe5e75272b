"""What the trader knows, in the words of bidder, reconciler and store. Translation only: no rule lives here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from firmware_app.bidding.batch import Grant
from firmware_app.bidding.commitments import Commitment
from firmware_app.reconcile.deviation import FinalTrade
from firmware_app.store.rows import HeaderRow, OfferRow, TradeRow
from firmware_app.trading.news import Final as FinalNews
from firmware_app.trading.orders import Order, Stage
from firmware_app.trading.reservation import Reservation
from light_client.client.status import ProofLevel
from light_client.rules.ledger.block import Header
from light_client.rules.units import Side

_ALIVE: Final = {Stage.PLANNED, Stage.GRANTED, Stage.POSTED, Stage.OPEN}
"""Stages of an order that may still trade."""


def commitments_of(orders: Iterable[Order]) -> tuple[Commitment, ...]:
    """The orders as the bidder counts them; a missed one that was posted may still turn up in a block."""
    return tuple(
        Commitment(
            side=order.intent.side,
            first_interval=order.intent.first_interval,
            last_interval=order.intent.last_interval,
            price_uc_per_kwh=order.intent.price_uc_per_kwh,
            offered_j=order.intent.energy_j,
            alive=order.stage in _ALIVE,
            traded=tuple((trade.interval, trade.energy_j) for trade in order.trades),
        )
        for order in orders
    )


def reservation_of(grant: Grant) -> Reservation:
    """What a spare address of the bidder's batch is to hold."""
    selling = grant.side is Side.SELL
    return Reservation(
        first_interval=grant.first_interval,
        last_interval=grant.last_interval,
        production_j=grant.energy_j if selling else 0,
        consumption_j=0 if selling else grant.energy_j,
        money_uc=grant.money_uc,
    )


def final_trade_of(final: FinalNews) -> FinalTrade:
    """A trade for the books."""
    trade = final.trade
    return FinalTrade(
        offer_id=trade.offer_id,
        side=Side(trade.side),
        interval=trade.interval,
        energy_j=trade.energy_j,
        amount_uc=trade.amount_uc,
    )


def trade_row(final: FinalNews, now_ms: int) -> TradeRow:
    """A trade for the history."""
    trade = final.trade
    return TradeRow(
        at_ms=now_ms,
        address=final.order.key.address,
        offer_id=trade.offer_id,
        side=Side(trade.side),
        interval=trade.interval,
        energy_j=trade.energy_j,
        amount_uc=trade.amount_uc,
        height=final.height,
    )


def offer_row(order: Order, now_ms: int) -> OfferRow:
    """A step in the life of an offer for the history."""
    intent = order.intent
    return OfferRow(
        at_ms=now_ms,
        address=order.key.address,
        side=intent.side,
        energy_j=intent.energy_j,
        first_interval=intent.first_interval,
        last_interval=intent.last_interval,
        price_uc_per_kwh=intent.price_uc_per_kwh,
        stage=order.stage.value,
    )


def header_row(header: Header) -> HeaderRow:
    """A block for the history: it was judged whole, or it would not be news."""
    return HeaderRow(
        at_ms=header.time_ms,
        height=header.height,
        header_hash=header.hash(),
        interval=header.clearing.interval,
        clearing=header.clearing.how.name.lower(),
        level=ProofLevel.SOLUTIONS.value,
    )
