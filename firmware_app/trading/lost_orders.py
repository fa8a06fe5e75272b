"""Orders that were lost with a damaged file, found again on the chain.

Which addresses the wallet may have handed out is known by their indexes, and every start follows the chain from its
beginning. So what was granted to one of them, offered by it and traded is told once more, and the order is as it was:
its trades are kept, its balance is proven, and what is left of it goes back to the DSO.

    stored                 what is looked for
    first, last, until     the wallet's indexes from the first to the last, while an interval is not over; 0: no end yet

What was granted and never offered is handed back at its end, and never offered: the offer may have left the board just
before the file was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from firmware_app.trading.intent import Intent
from firmware_app.trading.order_book import OrderBook
from firmware_app.trading.order_store import TABLE as ORDERS
from firmware_app.trading.orders import Order, Stage
from light_client.rules.encoding import decode, encode
from light_client.rules.ledger.audit import Followed
from light_client.rules.ledger.transactions import Asset, Kind, asset_from_wire, kind_of, signer_of
from light_client.rules.market.offer import OpenOffer
from light_client.rules.units import Address
from light_client.session.actor import Storage, Write
from light_client.wallet.wallet import AddressKey, Wallet

_TABLE: Final = "trading"
_LOST: Final = b"lost"
_BEFORE: Final = 512
_AFTER: Final = 256
"""So many indexes before and after the newest that is left: some days of offers, and a whole batch of addresses."""


def search(storage: Storage) -> list[Write]:
    """The writes after which the next start looks for what is missing beside the orders that are left.

    Args:
        storage: of the trading meter, after it was salvaged.
    """
    newest = max((int.from_bytes(key, "big") for key, _ in storage.scan(ORDERS)), default=None)
    if newest is None:
        return []
    return [_lost(max(0, newest - _BEFORE), newest + _AFTER, 0)]


class LostOrders:
    """What is looked for, and has not been found yet."""

    def __init__(
        self,
        wallet: Wallet,
        storage: Storage,
        *,
        book: OrderBook,
        max_tx_bytes: int,
        gate_ms: Callable[[int], int],
    ) -> None:
        """Begin where nothing is lost with nothing to look for.

        Args:
            gate_ms: when offers for an interval are too late, UTC ms.
        """
        self._book = book
        self._max_tx_bytes = max_tx_bytes
        self._gate_ms = gate_ms
        self._sought: dict[Address, AddressKey] = {}
        self._by_key: dict[bytes, Address] = {}
        self._granted: dict[Address, Asset] = {}
        self._range = (0, -1)
        self._until = 0
        raw = storage.get(_TABLE, _LOST)
        if raw is not None:
            self._look_for(wallet, raw)

    def _look_for(self, wallet: Wallet, raw: bytes) -> None:
        record: Any = decode(raw, max_bytes=64)
        first, last, self._until = record
        self._range = (first, last)
        for index in range(first, last + 1):
            key = wallet.key_at(index)
            if self._book.of_address(key.address) is None:
                self._sought[key.address] = key
                self._by_key[key.public_key] = key.address

    def take_in(self, followed: Followed) -> None:
        """Put orders into the book of which a verified block tells, before the book takes the same block in."""
        if not self._sought:
            return
        for raw in followed.others:
            match kind_of(raw):
                case Kind.GRANT_ASSETS:
                    self._hear_of_grants(raw)
                case Kind.DEPOSIT_ASSETS:
                    self._granted.pop(self._by_key.get(signer_of(raw), Address(b"")), None)
        for offer in followed.posted:
            asset = self._granted.pop(offer.address, None)
            if asset is not None:
                order = self._order(asset, Stage.GRANTED)
                order.wish = _wish_of(offer)
                self._book.add(order)

    def _hear_of_grants(self, raw: bytes) -> None:
        wire: Any = decode(raw, max_bytes=self._max_tx_bytes)
        for row in wire[2]:
            if Address(row[0]) in self._sought:
                self._granted[Address(row[0])] = asset_from_wire(row)

    def _order(self, asset: Asset, stage: Stage) -> Order:
        key = self._sought[asset.address]
        return Order(key=key, asset=asset, request=key.index, stage=stage, granted=True)

    def hand_back(self, now_ms: int) -> bool:
        """Put into the book what was granted and can no longer be offered; tells whether there was any."""
        over = [asset for asset in self._granted.values() if now_ms >= self._gate_ms(asset.last_interval)]
        for asset in over:
            self._book.add(self._order(asset, Stage.MISSED))
            del self._granted[asset.address]
        return bool(over)

    def end(self, interval: int, kept_intervals: int) -> list[Write]:
        """End the search when everything that can have been lost is over.

        Args:
            interval: the present one, by a clock that is believed.
            kept_intervals: how long what is over is remembered.
        """
        if not self._sought:
            return []
        if not self._until:
            self._until = interval + kept_intervals
            return [_lost(*self._range, self._until)]
        if interval <= self._until:
            return []
        self._sought.clear()
        self._granted.clear()
        return [Write(table=_TABLE, key=_LOST, value=None)]


def _lost(first: int, last: int, until: int) -> Write:
    return Write(table=_TABLE, key=_LOST, value=encode((first, last, until)))


def _wish_of(offer: OpenOffer) -> Intent:
    """The intent that led to an offer; when it was to be posted does not matter any more."""
    (first, last), *_ = offer.ranges
    return Intent(
        side=offer.side,
        energy_j=offer.remaining_j,
        first_interval=first,
        last_interval=last,
        price_uc_per_kwh=offer.price_uc_per_kwh,
        post_interval=first - 1,
        last_limit_uc_per_kwh=None,
    )
