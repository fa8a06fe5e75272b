"""All orders of one meter, moved along by what its light client has verified."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from firmware_app.trading.order_store import forgotten
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
from light_client.session.actor import Write

_UNSEEN = (Stage.GRANTED, Stage.POSTED, Stage.MISSED)
"""Stages of an order of which no block has an offer yet."""


class Taken(NamedTuple):
    """An own trade that a verified block made final."""

    order: Order
    trade: Trade
    is_new: bool
    """Whether no earlier life has kept it already."""


class OrderBook:
    """The orders by address and, once accepted, by offer number."""

    def __init__(self, orders: Iterable[Order], max_tx_bytes: int) -> None:
        self._max_tx_bytes = max_tx_bytes
        self._orders: dict[int, Order] = {}
        self._by_address: dict[Address, Order] = {}
        self._by_key: dict[bytes, Order] = {}
        self._by_number: dict[OfferId, Order] = {}
        self._open: dict[OfferId, Order] = {}
        for order in orders:
            self.add(order)

    def add(self, order: Order) -> None:
        """Take on an order: a new one, or one of an earlier life."""
        self._orders[order.key.index] = order
        self._by_address[order.key.address] = order
        self._by_key[order.key.public_key] = order
        if order.offer_id is not None:
            self._by_number[order.offer_id] = order
            if order.stage is Stage.OPEN:
                self._open[order.offer_id] = order

    @property
    def orders(self) -> tuple[Order, ...]:
        """All that make, made or are to make an offer, in the order of their addresses."""
        return tuple(order for order in self._orders.values() if not order.is_spare)

    @property
    def spare(self) -> list[Order]:
        """Addresses that may still make an offer."""
        waiting = (Stage.PLANNED, Stage.GRANTED)
        return [order for order in self._orders.values() if order.is_spare and order.stage in waiting]

    def take_changed(self) -> list[Order]:
        """The orders that have to be stored, each once; then they count as stored."""
        changed = [order for order in self._orders.values() if order.changed]
        for order in changed:
            order.changed = False
        return changed

    def forget(self, before_interval: int) -> list[Write]:
        """Forget what was over and handed back before an interval; a block has shown the end of each."""
        over = [
            order
            for order in self._orders.values()
            if order.asset.last_interval < before_interval
            and (order.stage is Stage.DEPOSITED or (order.stage is Stage.MISSED and not order.granted))
        ]
        for order in over:
            del self._orders[order.key.index]
            del self._by_address[order.key.address]
            del self._by_key[order.key.public_key]
            if order.offer_id is not None:
                del self._by_number[order.offer_id]
        return [forgotten(order) for order in over]

    def at(self, *stages: Stage) -> list[Order]:
        """The orders in any of these stages, spare addresses among them."""
        return [order for order in self._orders.values() if order.stage in stages]

    def of_address(self, address: Address) -> Order | None:
        """The order that uses an address."""
        return self._by_address.get(address)

    def of_number(self, offer_id: int) -> Order | None:
        """The order whose offer got this number."""
        return self._by_number.get(OfferId(offer_id))

    def take_in(self, followed: Followed) -> list[Taken]:
        """Move orders along by one verified block; after a restart, by blocks that an earlier life has seen, too.

        Returns:
            Own trades that became final.
        """
        for raw in followed.others:
            match kind_of(raw):
                case Kind.GRANT_ASSETS:
                    self._grant(raw)
                case Kind.DEPOSIT_ASSETS:
                    order = self._by_key.get(signer_of(raw))
                    if order is not None and order.stage is not Stage.DEPOSITED:
                        order.advance(Stage.DEPOSITED)
        for offer in followed.posted:
            order = self._by_address.get(offer.address)
            if order is not None and order.stage in _UNSEEN:
                order.number(offer.offer_id)
                self._by_number[offer.offer_id] = self._open[offer.offer_id] = order
        self._take_limits(followed.reaction)
        if followed.cleared is None:
            return []
        own = []
        for trade in followed.cleared.trades:
            order = self._by_number.get(OfferId(trade.offer_id))
            if order is not None:
                own.append(Taken(order, trade, order.fill(trade)))
        return own

    def _take_limits(self, reaction: Reaction | None) -> None:
        """Improved limits that blocks have taken."""
        if reaction is not None:
            for offer_id in reaction.limits.keys() & self._open.keys():
                self._open[offer_id].improved(reaction.interval, reaction.limits[offer_id])

    def reactions(self, reaction: Reaction, chain_id: bytes) -> list[tuple[Order, SignedTransaction]]:
        """Improved limits with which to answer a broadcast average, and whose: the same until blocks have them."""
        signed = []
        for offer_id, order in self._open.items():
            limit = order.answer_to(reaction.interval, reaction.average_uc_per_kwh)
            if limit is not None and offer_id < reaction.gate_offer:
                signed.append((order, order.signed_improvement(limit, chain_id)))
        return [(order, transaction) for order, transaction in signed if transaction is not None]

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

    def _grant(self, raw: bytes) -> None:
        # one batch holds a feeder's homes: a look for our own bytes spares the reading of all the others'
        mine = [
            order for order in self._orders.values() if not order.granted and bytes(order.key.address) in raw
        ]
        granted = set(granted_addresses(raw, max_bytes=self._max_tx_bytes)) if mine else set()
        for order in mine:
            if order.key.address in granted:
                order.granted = order.changed = True
                if order.stage is Stage.PLANNED:
                    order.advance(Stage.GRANTED)
