"""Which address makes which offer: fresh ones for each offer, or spare ones out of a batch that was asked for ahead.

What is durable beside the orders: the last interval for which offers were decided, so that a decision is carried out
once however often it is made, and the last day for which a batch was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Final

from firmware_app.trading.intent import Intent
from firmware_app.trading.order_book import OrderBook
from firmware_app.trading.orders import Order, Stage, asset_for, covers
from firmware_app.trading.params import BatchParams
from firmware_app.trading.withdrawing import ASK_BATCH
from light_client.rules.ledger.transactions import Asset
from light_client.rules.market.settlement import most_owed_uc
from light_client.rules.units import Address, FeederId
from light_client.session.actor import SetTimer, Storage, Write
from light_client.wallet.wallet import Wallet

TIMER: Final = "addresses"
_TABLE: Final = "trading"
_DECIDED: Final = b"decided"
_BATCHED_DAY: Final = b"batched-day"
_DAY_MS: Final = 86_400_000
_LAST_CALL_MS: Final = 3_600_000
"""Before midnight by which tomorrow's addresses are asked for."""


class Addresses:
    """Hands out addresses of one home's wallet."""

    def __init__(
        self,
        wallet: Wallet,
        storage: Storage,
        *,
        feeder: int,
        interval_s: int,
        book: OrderBook,
        chance: Random,
        params: BatchParams,
    ) -> None:
        self._wallet = wallet
        self._feeder = FeederId(feeder)
        self._interval_ms = interval_s * 1_000
        self._book = book
        self._chance = chance
        self._params = params
        self.decided = _stored_number(storage, _DECIDED)
        """The last interval for which offers were decided; None before the first."""
        self._batched_day = _stored_number(storage, _BATCHED_DAY)

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

    def batch_if_due(self, now_ms: int) -> tuple[list[Order], list[Write]]:
        """Today's addresses if there are none, else tomorrow's once it is time for them."""
        today = now_ms // _DAY_MS
        if not self._params.addresses_per_day:
            return [], []
        if self._batched_day is None or self._batched_day < today:
            return self._batch(today, max(now_ms, today * _DAY_MS))
        if self._batched_day == today and now_ms % _DAY_MS >= _DAY_MS // 2:
            return self._batch(today + 1, (today + 1) * _DAY_MS)
        return [], []

    def timer(self, now_ms: int) -> list[SetTimer]:
        """Wake up at a random time of the next afternoon on which addresses are to be asked for."""
        if not self._params.addresses_per_day or self._batched_day is None:
            return []
        noon_ms = self._batched_day * _DAY_MS + _DAY_MS // 2
        first_ms, last_ms = max(now_ms, noon_ms), noon_ms + _DAY_MS // 2 - _LAST_CALL_MS
        return [SetTimer(name=TIMER, at_ms=first_ms + self._chance.randrange(max(1, last_ms - first_ms)))]

    def _batch(self, day: int, from_ms: int) -> tuple[list[Order], list[Write]]:
        """All addresses of a day are granted the same."""
        params = self._params
        first = from_ms // self._interval_ms
        last = ((day + 1) * _DAY_MS - 1) // self._interval_ms
        money_uc = most_owed_uc(params.lot_j, params.highest_price_uc_per_kwh, ((first, last),))
        orders, writes = self._fresh(
            params.addresses_per_day,
            lambda _, address: Asset(
                address=address,
                feeder=self._feeder,
                first_interval=first,
                last_interval=last,
                production_j=params.lot_j,
                consumption_j=params.lot_j,
                money_uc=money_uc,
            ),
        )
        self._batched_day = day
        return orders, [*writes, _number(_BATCHED_DAY, day)]

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
