"""Spare addresses: asked for once a day, used where they cover an intent, handed back where they never are."""

from functools import cache
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.identity.identity import SecretIdentity
from firmware_app.trading.addresses import sit_out
from firmware_app.trading.intent import Intent
from firmware_app.trading.meter import TradingMeter
from firmware_app.trading.orders import Stage, covers
from firmware_app.trading.params import MeterParams
from firmware_app.trading.reservation import Reservation
from light_client.messages.codec import decode_message, encode_message
from light_client.messages.registry import WithdrawRequest
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.units import Side
from light_client.session.actor import Effect, Send, Started, TimerFired, Write
from light_client.store.memory import MemoryStorage
from light_client.wallet.wallet import TABLE as WALLET
from light_client.wallet.wallet import Wallet, skip_used
from testbed.scenarios import catalogue
from testbed.scenarios.part import part_of
from testbed.simulation.day import cast_of

_KWH = 3_600_000


@cache
def _genesis() -> Genesis:
    file = catalogue.find("village")
    return cast_of(file, part_of(catalogue.build(file), skip=48, intervals=4), 5).genesis


def _meter(storage: MemoryStorage) -> TradingMeter:
    return TradingMeter(
        "meter-0101",
        _genesis(),
        identity=SecretIdentity(b"\x01" * 32),
        wallet=Wallet(b"s" * 32, _genesis().chain_id(), storage),
        feeder=1,
        servers=("miner-0", "miner-1"),
        operator="dso",
        storage=storage,
        chance=Random(1),
        client_chance=Random(2),
        params=MeterParams(),
    )


def _carry_out(storage: MemoryStorage, effects: list[Effect]) -> list[WithdrawRequest]:
    """Make the writes durable; return what the DSO is asked."""
    storage.commit(effect for effect in effects if isinstance(effect, Write))
    messages = [decode_message(effect.message) for effect in effects if isinstance(effect, Send)]
    return [message for message in messages if isinstance(message, WithdrawRequest)]


_FIRST = 1_000_000
_LOT = Reservation(first_interval=_FIRST, last_interval=_FIRST + 95, production_j=_KWH)


def _sale(first: int = _FIRST + 4, energy_j: int = _KWH) -> Intent:
    return Intent(
        side=Side.SELL,
        energy_j=energy_j,
        first_interval=first,
        last_interval=first,
        price_uc_per_kwh=100_000,
        post_interval=first - 2,
    )


def test_a_days_addresses_are_asked_for_once_however_often_the_meter_restarts() -> None:
    storage = MemoryStorage()
    meter = _meter(storage)
    (request,) = _carry_out(storage, meter.reserve(7, [_LOT] * 3, 0))
    assert len(request.entries) == 3
    assert meter.reserve(7, [_LOT] * 3, 0) == []
    again = _meter(storage)
    assert again.reserve(7, [_LOT] * 3, 0) == []
    assert _carry_out(storage, again.handle(Started(), 0)) == [request], (
        "the same request, until it is answered"
    )
    (other,) = _carry_out(storage, again.reserve(8, [_LOT], 0))[-1:]
    assert not {e.address for e in other.entries} & {e.address for e in request.entries}


def test_an_intent_takes_a_spare_address_that_covers_it_and_else_gets_its_own() -> None:
    storage = MemoryStorage()
    meter = _meter(storage)
    (request,) = _carry_out(storage, meter.reserve(7, [_LOT] * 2, 0))
    spare = {entry.address for entry in request.entries}
    requests = _carry_out(storage, meter.offer(_FIRST, [_sale(), _sale(energy_j=2 * _KWH)], 0))
    small, large = sorted(meter.orders(), key=lambda order: order.intent.energy_j)
    assert small.key.address in spare
    assert large.key.address not in spare
    assert [e.address for r in requests for e in r.entries if e.address not in spare] == [large.key.address]
    again = _meter(storage)
    assert [(o.key.address, o.intent) for o in again.orders()] == [
        (o.key.address, o.intent) for o in meter.orders()
    ]
    assert again.offer(_FIRST, [_sale()], 0) == [], "decided in an earlier life"


def test_a_spare_address_that_was_never_used_goes_back() -> None:
    storage = MemoryStorage()
    meter = _meter(storage)
    _carry_out(storage, meter.reserve(7, [_LOT], 0))
    (spare,) = meter._book.spare
    spare.granted = True
    spare.advance(Stage.GRANTED)
    gate_ms = _genesis().gate_ms(_LOT.last_interval)
    meter.offer(_FIRST + 90, [], gate_ms - 1)
    assert meter._book.spare == [spare]
    meter.offer(_FIRST + 96, [], gate_ms)
    assert meter._book.spare == []
    assert meter._settling._ended() == [spare]


@given(
    st.integers(-2, 2),
    st.integers(-2, 97),
    st.integers(1, 1_100),
    st.sampled_from(Side),
    st.integers(0, 200_000),
)
def test_what_covers_an_intent_is_what_the_ledger_would_let_pass(
    shift: int, last: int, wh: int, side: Side, price: int
) -> None:
    """Against LED-10 to LED-13 as they are worded: within the intervals, energy and money of the grant."""
    money_uc = 150_000
    want = Reservation(
        first_interval=_FIRST,
        last_interval=_FIRST + 95,
        production_j=_KWH,
        consumption_j=_KWH,
        money_uc=money_uc,
    )
    first = _FIRST + shift
    intent = Intent(
        side=side,
        energy_j=wh * 3_600,
        first_interval=first,
        last_interval=max(first, _FIRST + last),
        price_uc_per_kwh=price,
        post_interval=first - 1,
    )
    inside = shift >= 0 and intent.last_interval <= _FIRST + 95 and wh <= 1_000
    owed = -(-wh * price // 1_000) + intent.last_interval - first
    meter = _meter(MemoryStorage())
    meter.reserve(1, [want], 0)
    (spare,) = meter._book.spare
    assert covers(spare.asset, intent) == (inside and (side is Side.SELL or owed <= money_uc))


def test_after_orders_may_have_been_lost_nothing_is_offered_until_their_energy_has_flowed() -> None:
    storage = MemoryStorage()
    storage.commit([sit_out(99)])
    meter = _meter(storage)
    assert _carry_out(storage, meter.offer(_FIRST, [_sale()], 0)) == []
    assert meter.orders() == ()
    again = _meter(storage)
    assert _carry_out(storage, again.offer(_FIRST + 99, [_sale(_FIRST + 103)], 0)) == [], "a restart waits on"
    assert again.orders() == ()
    late = _sale(_FIRST + 104)
    assert _carry_out(storage, again.offer(_FIRST + 100, [late], 0))
    assert [order.wish for order in again.orders()] == [late]
    assert storage.get("trading", b"sits-out") is None


def test_a_request_that_came_to_nothing_is_not_repeated_for_ever() -> None:
    storage = MemoryStorage()
    meter = _meter(storage)
    gate_ms = _genesis().gate_ms(_FIRST + 4)
    (request,) = _carry_out(storage, meter.offer(_FIRST, [_sale()], 0))
    assert _carry_out(storage, meter.handle(TimerFired(name="withdraw"), gate_ms - 2)) == [request], (
        "asked again"
    )
    _carry_out(storage, meter.handle(TimerFired(name="post"), gate_ms))
    assert [order.stage for order in meter.orders()] == [Stage.MISSED]
    assert _carry_out(storage, meter.handle(TimerFired(name="withdraw"), gate_ms + 1)) == []
    assert _carry_out(storage, meter.handle(TimerFired(name="withdraw"), gate_ms + 10**9)) == []


@pytest.mark.parametrize("chance", [bytes(8), b"\xff" * 8])
def test_assets_are_asked_for_at_any_index_that_a_salvage_may_lead_to(chance: bytes) -> None:
    storage = MemoryStorage()
    storage.commit([skip_used(WALLET, chance)])
    meter = _meter(storage)
    (request,) = _carry_out(storage, meter.offer(_FIRST, [_sale()], 0))
    assert decode_message(encode_message(request)) == request
    assert _carry_out(storage, _meter(storage).handle(Started(), 0)) == [request], "and again after a restart"
