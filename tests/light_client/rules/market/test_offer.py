"""MKT-03, MKT-05, MKT-06: an offer that is valid by itself, and what trading leaves of it."""

from __future__ import annotations

from typing import Any

import pytest

from light_client.rules.errors import RuleViolation
from light_client.rules.market.offer import ClassKey, Offer, OpenOffer
from light_client.rules.units import (
    LOT_J,
    MAX_ENERGY_J,
    MAX_PRICE_UC_PER_KWH,
    Address,
    FeederId,
    OfferId,
    Side,
)

ADDRESS = Address(bytes(range(20)))


def fields(**changes: Any) -> dict[str, Any]:
    valid: dict[str, Any] = {
        "side": Side.SELL,
        "feeder": FeederId(3),
        "energy_j": 10 * LOT_J,
        "ranges": ((4, 6), (9, 9)),
        "price_uc_per_kwh": 150_000,
        "address": ADDRESS,
    }
    return valid | changes


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"side": Side.BUY},
        {"energy_j": LOT_J},
        {"energy_j": MAX_ENERGY_J // LOT_J * LOT_J},
        {"price_uc_per_kwh": 0},
        {"price_uc_per_kwh": MAX_PRICE_UC_PER_KWH},
        {"feeder": 65_535},
    ],
)
def test_a_valid_offer_is_accepted(changes: dict[str, Any]) -> None:
    assert Offer(**fields(**changes)).address == ADDRESS


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("MKT-03", {"side": 0}),
        ("MKT-03", {"side": True}),
        ("MKT-03", {"address": bytes(19)}),
        ("MKT-03", {"address": bytes(21)}),
        ("MKT-03", {"address": bytearray(20)}),
        ("MKT-02", {"feeder": -1}),
        ("MKT-02", {"feeder": 65_536}),
        ("MKT-02", {"feeder": True}),
        ("MKT-04", {"ranges": ()}),
        ("MKT-04", {"ranges": ((2, 1),)}),
        ("MKT-05", {"energy_j": 0}),
        ("MKT-05", {"energy_j": -LOT_J}),
        ("MKT-05", {"energy_j": LOT_J + 1}),
        ("MKT-05", {"energy_j": float(LOT_J)}),
        ("MKT-05", {"energy_j": (MAX_ENERGY_J // LOT_J + 1) * LOT_J}),
        ("MKT-06", {"price_uc_per_kwh": -1}),
        ("MKT-06", {"price_uc_per_kwh": MAX_PRICE_UC_PER_KWH + 1}),
        ("MKT-06", {"price_uc_per_kwh": False}),
    ],
)
def test_each_field_is_held_to_its_rule(rule: str, changes: dict[str, Any]) -> None:
    with pytest.raises(RuleViolation) as caught:
        Offer(**fields(**changes))
    assert caught.value.rule == rule


def open_offer(side: Side = Side.BUY) -> OpenOffer:
    return OpenOffer(
        offer_id=OfferId(8),
        address=ADDRESS,
        side=side,
        feeder=FeederId(3),
        price_uc_per_kwh=7,
        ranges=((4, 6), (9, 9)),
        remaining_j=1_000,
        escrow_uc=50,
    )


def test_a_class_knows_its_last_interval_and_whether_it_is_the_only_one() -> None:
    key = ClassKey(1, 3, 7, ((6, 6), (9, 9)))
    assert key.last == 9
    assert not key.single
    assert ClassKey(1, 3, 7, ((9, 9),)).single


def test_trading_takes_energy_money_and_past_intervals() -> None:
    left = open_offer().after_trade(5, 400, 30)
    assert (left.remaining_j, left.escrow_uc, left.ranges) == (600, 20, ((6, 6), (9, 9)))
    assert left.offer_id == 8
