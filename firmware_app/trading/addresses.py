"""Which address makes which offer: fresh ones for each offer, or spare ones out of a batch that was asked for ahead.

What is durable beside the orders: the last interval for which offers were decided, so that a decision is carried out
once however often it is made, and the last day for which a batch was asked. And, after orders may have been lost with a
damaged file, for how many intervals nothing is decided: what was lost may have been offered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from firmware_app.trading.intent import Intent
from firmware_app.trading.order_book import OrderBook
from firmware_app.trading.orders import Order, Stage, asset_for, covers
from firmware_app.trading.reservation import Reservation
from firmware_app.trading.withdrawing import ASK_BATCH
from light_client.rules.ledger.transactions import Asset
from light_client.rules.units import Address, FeederId
from light_client.session.actor import Storage, Write
from light_client.wallet.wallet import Wallet

_TABLE: Final = "trading"
_DECIDED: Final = b"decided"
_RESERVED_DAY: Final = b"reserved-day"
_SITS_OUT: Final = b"sits-out"


def sit_out(intervals: int) -> Write:
    """The write that lets the next decision wait, where orders may have been lost.

    Args:
        intervals: how far ahead of a decision the energy may lie that it offers.
    """
    return _number(_SITS_OUT, intervals)


class Addresses:
    """Hands out addresses of one home's wallet."""

    def __init__(
        self,
        wallet: Wallet,
        storage: Storage,
        *,
        feeder: int,
        book: OrderBook,
    ) -> None:
        self._wallet = wallet
        self._feeder = FeederId(feeder)
        self._book = book
        self.decided = _stored_number(storage, _DECIDED)
        """The last interval for which offers were decided; None before the first."""
        self.reserved_day = _stored_number(storage, _RESERVED_DAY)
        """The last day for which spare addresses were asked for, UTC days since 1970; None before the first."""
        self._sits_out = _stored_number(storage, _SITS_OUT)

    def wait_for_what_was_lost(self, interval: int) -> list[Write]:
        """Where orders may have been lost: let no decision be carried out until their energy has flowed.

        Args:
            interval: the present one, by a clock that is believed.

        Returns:
            The writes that make it durable; none where nothing was lost.
        """
        if self._sits_out is None:
            return []
        self.decided = interval + self._sits_out
        self._sits_out = None
        return [_number(_DECIDED, self.decided), Write(table=_TABLE, key=_SITS_OUT, value=None)]

    def assign(
        self, decided: int, intents: Iterable[Intent], moment: Callable[[Intent], int]
    ) -> tuple[list[Order], list[Write]]:
        """Give every intent an address.

        Args:
            decided: the interval in which it was decided; after the last one.
            moment: when to post an intent, UTC ms.

        Returns:
            The orders whose assets are still to be asked for, and the writes to be durable before anything is.
        """
        unserved: list[tuple[Intent, int]] = []
        spare = sorted(self._book.spare, key=lambda order: order.stage is not Stage.GRANTED)
        for intent in intents:
            at_ms = moment(intent)
            fitting = next((order for order in spare if covers(order.asset, intent)), None)
            if fitting is None:
                unserved.append((intent, at_ms))
            else:
                spare.remove(fitting)
                fitting.take_on(intent, at_ms)
        orders, writes = self._fresh(
            len(unserved), lambda at, key: asset_for(unserved[at][0], key, self._feeder)
        )
        for order, (intent, at_ms) in zip(orders, unserved, strict=True):
            order.take_on(intent, at_ms)
        self.decided = decided
        return orders, [*writes, _number(_DECIDED, decided)]

    def reserve(self, day: int, wants: Iterable[Reservation]) -> tuple[list[Order], list[Write]]:
        """Spare addresses for a day.

        Args:
            day: UTC, since 1970; after the last one that was reserved for.
            wants: what each address is to be granted.

        Returns:
            As ``assign``.
        """
        wanted = tuple(wants)
        orders, writes = self._fresh(len(wanted), lambda at, address: wanted[at].asset(address, self._feeder))
        self.reserved_day = day
        return orders, [*writes, _number(_RESERVED_DAY, day)]

    def _fresh(self, count: int, asset: Callable[[int, Address], Asset]) -> tuple[list[Order], list[Write]]:
        """Orders on fresh addresses; the index of the wallet is durable before one of them is used."""
        if not count:
            return [], []
        keys, write = self._wallet.fresh(count)
        orders = [
            Order(
                key=key,
                asset=asset(place, key.address),
                request=keys[place // ASK_BATCH * ASK_BATCH].index,
            )
            for place, key in enumerate(keys)
        ]
        for order in orders:
            self._book.add(order)
        return orders, [write]


def _number(key: bytes, value: int) -> Write:
    return Write(table=_TABLE, key=key, value=value.to_bytes(8, "big"))


def _stored_number(storage: Storage, key: bytes) -> int | None:
    raw = storage.get(_TABLE, key)
    return None if raw is None else int.from_bytes(raw, "big")
