"""What a way of trading weighs on the ledger: the bytes of its transactions, encoded as they travel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from light_client.rules.encoding import encode
from light_client.rules.ledger.transactions import Asset, DepositAssets, PostOffer, asset_to_wire, fields_of
from light_client.rules.market.offer import Offer
from light_client.rules.units import (
    ADDRESS_BYTES,
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    Address,
    FeederId,
    Side,
    payment_ceiling_uc,
)
from testbed.year.market import Order

_FEEDER: Final = FeederId(1)
_SEALED: Final = (bytes(PUBLIC_KEY_BYTES), bytes(SIGNATURE_BYTES))
"""Every transaction ends with a key and a signature, which are as long for every signer."""


def ledger_bytes(orders: Iterable[Order]) -> int:
    """Bytes of all grants, offers and deposits of these orders; an address each."""
    return sum(map(_of, orders))


def _of(order: Order) -> int:
    intent = order.intent
    address = Address(bytes(ADDRESS_BYTES))
    offer = Offer(
        side=intent.side,
        feeder=_FEEDER,
        energy_j=intent.energy_j,
        ranges=((intent.first_interval, intent.last_interval),),
        price_uc_per_kwh=intent.price_uc_per_kwh,
        address=address,
    )
    selling = intent.side is Side.SELL
    asset = Asset(
        address=address,
        feeder=_FEEDER,
        first_interval=intent.first_interval,
        last_interval=intent.last_interval,
        production_j=intent.energy_j if selling else 0,
        consumption_j=0 if selling else intent.energy_j,
        money_uc=0 if selling else payment_ceiling_uc(intent.energy_j, intent.price_uc_per_kwh),
    )
    posted, deposited = PostOffer(sequence=0, offer=offer), DepositAssets(sequence=1)
    sealed = sum(len(encode((*fields_of(transaction), *_SEALED))) for transaction in (posted, deposited))
    return sealed + len(encode(asset_to_wire(asset)))
