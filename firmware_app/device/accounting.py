"""What the trader knows, in the words of books and store. Translation only: no rule lives here."""

from __future__ import annotations

from firmware_app.reconcile.deviation import FinalTrade
from firmware_app.store.rows import Answer, HeaderRow, OfferRow, TradeRow, VerdictRow
from firmware_app.trading.news import Final as FinalNews
from firmware_app.trading.orders import Order
from light_client.client.status import ProofLevel
from light_client.rules.ledger.block import Header
from light_client.rules.units import Side


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


def verdict_row(header: Header) -> VerdictRow:
    """What the clearing of a block was found to be: it was judged whole, or it would not be news."""
    return VerdictRow(
        at_ms=header.time_ms, height=header.height, interval=header.clearing.interval, answer=Answer.ACCEPTED
    )


def alarm_row(height: int, reason: str, now_ms: int) -> VerdictRow:
    """Why the chain is not believed any further than a height."""
    return VerdictRow(at_ms=now_ms, height=height, interval=0, answer=Answer.REJECTED, reason=reason)
