"""All orders of one meter, moved along by what its light client has verified."""

from __future__ import annotations

from collections.abc import Iterable

from firmware_app.trading.orders import Order, Stage
from light_client.rules.ledger.audit import Followed
from light_client.rules.ledger.transactions import (
    Kind,
    SignedTransaction,
    granted_addresses,
    kind_of,
    signer_of,
)
from light_client.rules.market.clearing import Trade
from light_client.rules.market.mechanisms.reaction import Reaction
from light_client.rules.units import Address, OfferId

_UNSEEN = (Stage.GRANTED, Stage.POSTED, Stage.MISSED)
"""Stages of an order of which no block has an offer yet."""


class OrderBook:
    """The orders by address and, once accepted, by offer number."""

    def __init__(self, orders: Iterable[Order], max_tx_bytes: int) -> None:
        self._max_tx_bytes = max_tx_bytes
        self.orders = tuple(orders)
        self._by_address = {order.key.address: order for order in self.orders}
        self._by_key = {order.key.public_key: order for order in self.orders}
        self._by_number: dict[OfferId, Order] = {}
        self._open: dict[OfferId, Order] = {}

    def at(self, *stages: Stage) -> list[Order]:
        """The orders in any of these stages."""
        return [order for order in self.orders if order.stage in stages]

    def of_address(self, address: Address) -> Order | None:
        """The order that uses an address."""
        return self._by_address.get(address)

    def of_number(self, offer_id: int) -> Order | None:
        """The order whose offer got this number."""
        return self._by_number.get(OfferId(offer_id))

    def take_in(self, followed: Followed) -> list[tuple[Order, Trade]]:
        """Move orders along by one verified block.

        Returns:
            Own trades that became final, with their orders.
        """
        for raw in followed.others:
            match kind_of(raw):
                case Kind.GRANT_ASSETS:
                    self._grant(granted_addresses(raw, max_bytes=self._max_tx_bytes))
                case Kind.DEPOSIT_ASSETS:
                    order = self._by_key.get(signer_of(raw))
                    if order is not None:
                        order.advance(Stage.DEPOSITED)
        for offer in followed.posted:
            order = self._by_address.get(offer.address)
            if order is not None and order.stage in _UNSEEN:
                order.advance(Stage.OPEN)
                order.offer_id = offer.offer_id
                self._by_number[offer.offer_id] = self._open[offer.offer_id] = order
        self._take_limits(followed.reaction)
        if followed.cleared is None:
            return []
        own = []
        for trade in followed.cleared.trades:
            order = self._open.get(OfferId(trade.offer_id))
            if order is not None:
                order.trades.append(trade)
                own.append((order, trade))
        return own

    def _take_limits(self, reaction: Reaction | None) -> None:
        """Improved limits that blocks have taken."""
        if reaction is not None:
            for offer_id in reaction.limits.keys() & self._open.keys():
                self._open[offer_id].limits[reaction.interval] = reaction.limits[offer_id]

    def reactions(self, reaction: Reaction, chain_id: bytes) -> list[SignedTransaction]:
        """Improved limits with which to answer a broadcast average: the same until blocks have them."""
        signed = []
        for offer_id, order in self._open.items():
            limit = order.answer_to(reaction.interval, reaction.average_uc_per_kwh)
            if limit is not None and offer_id < reaction.gate_offer:
                signed.append(order.signed_improvement(limit, chain_id))
        return [transaction for transaction in signed if transaction is not None]

    def close_ended(self, ended: Iterable[OfferId], height: int) -> bool:
        """Close the orders whose offers a block of a height ended; tells whether there was one."""
        closed = False
        for offer_id in ended:
            order = self._open.pop(offer_id, None)
            if order is not None:
                order.advance(Stage.CLOSED)
                order.ended_height = height
                closed = True
        return closed

    def _grant(self, addresses: Iterable[Address]) -> None:
        for address in addresses:
            order = self._by_address.get(address)
            if order is not None:
                order.granted = True
                if order.stage is Stage.PLANNED:
                    order.advance(Stage.GRANTED)
