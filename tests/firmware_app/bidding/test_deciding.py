"""The bidder behind the device's seam: orders of every stage are counted as what they are."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from firmware_app.bidding.battery import BatteryState
from firmware_app.bidding.bidder import Bidder
from firmware_app.bidding.deciding import Deciding, commitment_of
from firmware_app.device.decision import Occasion
from firmware_app.trading.intent import Intent
from firmware_app.trading.orders import Order, Stage, asset_for
from light_client.rules.market.clearing import Trade
from light_client.rules.units import FeederId, Side
from light_client.wallet.wallet import Wallet
from testbed.network.memory import MemoryStorage
from tests.firmware_app.bidding.test_bidder import BATTERY, HOURLY, NOW, PRIVACY, SETTINGS, WH, flat, nets

WALLET = Wallet(bytes(32), b"chain", MemoryStorage())


def an_order(intent: Intent, stage: Stage = Stage.OPEN, *, sent: bool = True) -> Order:
    key = WALLET.key_at(1)
    order = Order(key=key, asset=asset_for(intent, key.address, FeederId(1)), request=0, wish=intent)
    order.stage = stage
    order.sent_at_ms = 1 if sent else None
    return order


def a_sale(first: int = NOW + 2, last: int = NOW + 2, wh: int = 1_000) -> Intent:
    return Intent(
        side=Side.SELL,
        energy_j=wh * WH,
        first_interval=first,
        last_interval=last,
        price_uc_per_kwh=500_000,
        post_interval=first - 1,
    )


@pytest.mark.parametrize(
    ("stage", "sent", "alive"),
    [
        (Stage.PLANNED, False, True),
        (Stage.GRANTED, False, True),
        (Stage.POSTED, True, True),
        (Stage.OPEN, True, True),
        (Stage.MISSED, True, True),
        (Stage.MISSED, False, False),
        (Stage.CLOSED, True, False),
        (Stage.DEPOSITED, True, False),
    ],
)
def test_an_order_binds_as_long_as_a_block_may_have_it(stage: Stage, sent: bool, alive: bool) -> None:
    order = an_order(a_sale(), stage, sent=sent)
    order.trades.append(Trade(1, int(Side.SELL), NOW + 2, 300 * WH, 5))
    told = commitment_of(order)
    assert told.alive is alive
    assert told.traded == ((NOW + 2, 300 * WH),)
    assert told.open_j == (700 * WH if alive else 0)


def deciding(*orders: Order, known: bool = True, battery: bool = False) -> Deciding:
    bidder = Bidder(
        market=HOURLY,
        settings=SETTINGS,
        privacy=PRIVACY,
        chance=Random(1),
        battery=BATTERY if battery else None,
    )
    night = nets(*((0, 0, 0),) * 8)
    return Deciding(
        bidder,
        net=lambda _: (night if battery else flat(1_000)) if known else None,
        battery=lambda: BatteryState(stored_j=3_000 * WH) if battery else None,
        orders=lambda: orders,
    )


def at(interval: int, decided: int | None = None) -> Occasion:
    return Occasion(interval=interval, now_ms=interval * 3_600_000, decided=decided)


def test_offers_what_is_not_promised_by_an_order() -> None:
    assert sum(one.energy_j for one in deciding()(at(NOW))) == 1_000 * WH
    assert deciding(an_order(a_sale()))(at(NOW)) == ()
    gone = an_order(a_sale(), Stage.MISSED, sent=False)
    assert sum(one.energy_j for one in deciding(gone)(at(NOW))) == 1_000 * WH


def test_a_spare_address_promises_nothing() -> None:
    spare = replace(an_order(a_sale()), wish=None)
    assert sum(one.energy_j for one in deciding(spare)(at(NOW))) == 1_000 * WH


def test_an_interval_is_decided_once_even_after_a_restart() -> None:
    assert deciding()(at(NOW, decided=NOW)) == ()
    assert deciding()(at(NOW, decided=NOW - 1)) != ()


def test_nothing_is_offered_while_nothing_is_foreseen() -> None:
    assert deciding(known=False)(at(NOW)) == ()


def test_says_what_the_battery_has_to_hold() -> None:
    ours = deciding(battery=True)
    intents = ours(at(NOW))
    assert sum(one.energy_j for one in intents) == 2_000 * WH
    assert ours.hold_j >= 2_000 * WH
