"""Orders on disk: one record for each address, by the index of its key, which leads to the key again.

A record is durable before the first message about it leaves, and as soon as a trade of it is final. So a power cut can
cost an address, never an offer that was posted or a trade that was final. What blocks will tell again (grants, numbers,
ends, deposits) and what is the same the second time (the offer that is sent once more, to the byte) may wait for the
next write: a home's day has six such changes for each offer. Secrets are not in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from firmware_app.trading.intent import Intent
from firmware_app.trading.orders import Order, Stage
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import LightClientError
from light_client.rules.ledger.transactions import asset_from_wire, asset_to_wire
from light_client.rules.market.clearing import Trade
from light_client.rules.units import OfferId, Side
from light_client.session.actor import Storage, Write
from light_client.store.errors import StoreDamagedError
from light_client.wallet.wallet import Wallet

TABLE: Final = "orders"
_INDEX_BYTES: Final = 8
_MAX_BYTES: Final = 1 << 20
_MAX_ITEMS: Final = 1 << 16
_STAGES: Final = tuple(Stage)
"""A stage is stored as its place in this table: stages are added at its end only."""


def stored(order: Order) -> Write:
    """The write that keeps an order."""
    wish = order.wish
    limit = () if wish is None or wish.last_limit_uc_per_kwh is None else (wish.last_limit_uc_per_kwh,)
    intent = () if wish is None else (*_fields(wish), *limit)
    record = (
        order.request,
        asset_to_wire(order.asset),
        intent,
        order.post_at_ms,
        _STAGES.index(order.stage),
        order.offer_id or 0,
        order.sent_at_ms or 0,
        int(order.granted),
        order.ended_height,
        tuple(tuple(trade) for trade in order.trades),
        tuple(sorted(order.limits.items())),
    )
    return Write(table=TABLE, key=_key(order.key.index), value=encode(record), may_wait=not order.binds)


def forgotten(order: Order) -> Write:
    """The write that removes an order."""
    return Write(table=TABLE, key=_key(order.key.index), value=None)


def load(storage: Storage, wallet: Wallet) -> Iterator[Order]:
    """The orders of an earlier life, in the order of their addresses.

    Raises:
        StoreDamagedError: a record cannot be read, or is not of this wallet.
    """
    for key, value in storage.scan(TABLE):
        try:
            yield _read(int.from_bytes(key, "big"), value, wallet)
        except (LightClientError, TypeError, ValueError, IndexError) as error:
            raise StoreDamagedError(f"order {key.hex()} on disk cannot be read", got=str(error)) from error


def _read(index: int, value: bytes, wallet: Wallet) -> Order:
    record: Any = decode(value, max_bytes=_MAX_BYTES, max_items=_MAX_ITEMS)
    request, asset, wish, post_at_ms, stage, offer_id, sent_at_ms, granted, ended_height, trades, limits = (
        record
    )
    key = wallet.key_at(index)
    order = Order(
        key=key,
        asset=asset_from_wire(asset),
        request=request,
        wish=_intent(wish) if wish else None,
        post_at_ms=post_at_ms,
        stage=_STAGES[stage],
        offer_id=OfferId(offer_id) if offer_id else None,
        sent_at_ms=sent_at_ms or None,
        granted=bool(granted),
        ended_height=ended_height,
        trades=[Trade(*trade) for trade in trades],
        limits=dict(limits),
        changed=False,
        binds=False,
    )
    if order.asset.address != key.address:
        raise ValueError("its address does not belong to this wallet")
    return order


def _fields(wish: Intent) -> tuple[int, ...]:
    span = (wish.first_interval, wish.last_interval)
    return (int(wish.side), wish.energy_j, *span, wish.price_uc_per_kwh, wish.post_interval)


def _intent(row: tuple[int, ...]) -> Intent:
    side, energy_j, first, last, price, post, *limit = row
    return Intent(
        side=Side(side),
        energy_j=energy_j,
        first_interval=first,
        last_interval=last,
        price_uc_per_kwh=price,
        post_interval=post,
        last_limit_uc_per_kwh=limit[0] if limit else None,
    )


def _key(index: int) -> bytes:
    return index.to_bytes(_INDEX_BYTES, "big")
