"""At the beginning of each interval the device decides, once; addresses are asked for once a day, at no fixed time."""

from functools import cache
from random import Random

import pytest

from firmware_app.device.decision import Occasion
from firmware_app.device.device import Device
from firmware_app.device.lifecycle import State
from firmware_app.identity.identity import SecretIdentity
from firmware_app.trading.intent import Intent
from firmware_app.trading.meter import TradingMeter
from firmware_app.trading.news import News
from firmware_app.trading.orders import Order
from firmware_app.trading.params import MeterParams
from firmware_app.trading.reservation import Reservation
from light_client.messages.codec import decode_message
from light_client.messages.registry import WithdrawRequest
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.units import Side
from light_client.session.actor import Effect, Event, Send, SetTimer, Started, TimerFired, Write
from light_client.store.memory import MemoryStorage
from light_client.wallet.wallet import Wallet
from testbed.scenarios import catalogue
from testbed.scenarios.part import part_of
from testbed.simulation.day import cast_of

_INTERVAL_MS = 900_000
_DAY_MS = 86_400_000


@cache
def _genesis() -> Genesis:
    file = catalogue.find("village")
    return cast_of(file, part_of(catalogue.build(file), skip=48, intervals=4), 5).genesis


class _Home:
    """Wants one sale in each interval, and notes when it was asked."""

    def __init__(self) -> None:
        self.asked: list[Occasion] = []
        self.days: list[tuple[int, int]] = []
        self.news: list[News] = []
        self.measured = True

    def is_measured(self, now_ms: int) -> bool:
        return self.measured

    def decide(self, occasion: Occasion) -> list[Intent]:
        self.asked.append(occasion)
        first = occasion.interval + 4
        sale = Intent(
            side=Side.SELL,
            energy_j=3_600_000,
            first_interval=first,
            last_interval=first,
            price_uc_per_kwh=100_000,
            post_interval=first - 2,
        )
        return [sale]

    def reserve(self, first: int, last: int, orders: tuple[Order, ...]) -> list[Reservation]:
        self.days.append((first, last))
        return [Reservation(first_interval=first, last_interval=last, production_j=7_200_000)] * 2

    def hear(self, news: News, now_ms: int) -> None:
        self.news.append(news)


class _Board:
    """A device on its storage, its timers, and what the DSO was asked."""

    def __init__(self, storage: MemoryStorage, *, after_ms: int = 0) -> None:
        genesis = _genesis()
        self.storage = storage
        self.home = _Home()
        self.clock_known = True
        trader = TradingMeter(
            "meter-0101",
            genesis,
            identity=SecretIdentity(b"\x01" * 32),
            wallet=Wallet(b"s" * 32, genesis.chain_id(), storage),
            feeder=1,
            servers=("miner-0", "miner-1"),
            operator="dso",
            storage=storage,
            chance=Random(1),
            client_chance=Random(2),
            params=MeterParams(),
        )
        self.device = Device(
            trader,
            self.home,
            interval_s=900,
            chance=Random(3),
            decide_after_ms=after_ms,
            clock_known=lambda: self.clock_known,
        )
        self.interval_at_ms = 0
        self.requests: list[WithdrawRequest] = []

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        effects = self.device.handle(event, now_ms)
        self.storage.commit(effect for effect in effects if isinstance(effect, Write))
        for effect in effects:
            match effect:
                case SetTimer(name="interval", at_ms=at_ms):
                    self.interval_at_ms = at_ms
                case Send(message=message) if isinstance(request := decode_message(message), WithdrawRequest):
                    self.requests.append(request)
        return effects

    def intervals(self, count: int) -> None:
        for _ in range(count):
            self.handle(TimerFired(name="interval"), self.interval_at_ms)


def _start_ms() -> int:
    """Midnight of a day after the genesis."""
    return (_genesis().genesis_time_ms // _DAY_MS + 1) * _DAY_MS


def _state(board: _Board) -> State:
    return board.device.lifecycle.state


def test_it_decides_once_in_each_interval_whenever_it_restarts() -> None:
    board = _Board(MemoryStorage())
    start_ms = _start_ms()
    board.handle(Started(), start_ms + 1_000)
    assert board.interval_at_ms == start_ms + _INTERVAL_MS
    board.intervals(3)
    first = start_ms // _INTERVAL_MS
    assert [occasion.interval for occasion in board.home.asked] == [first, first + 1, first + 2, first + 3]
    assert len(board.device.trader.orders()) == 4
    again = _Board(board.storage)
    again.handle(Started(), board.interval_at_ms - 1_000)
    assert [occasion.decided for occasion in again.home.asked] == [first + 3]
    assert len(again.device.trader.orders()) == 4, (
        "this interval's decision was carried out in an earlier life"
    )
    again.intervals(1)
    assert len(again.device.trader.orders()) == 5


def test_it_waits_for_the_readings_of_the_interval_before() -> None:
    board = _Board(MemoryStorage(), after_ms=20_000)
    start_ms = _start_ms()
    board.handle(Started(), start_ms + 5_000)
    assert (board.home.asked, board.interval_at_ms) == ([], start_ms + 20_000)
    board.intervals(2)
    assert [occasion.now_ms - start_ms for occasion in board.home.asked] == [20_000, _INTERVAL_MS + 20_000]


@pytest.mark.parametrize("jump_ms", [_DAY_MS, -_DAY_MS, 3 * _INTERVAL_MS + 17])
def test_a_clock_that_is_set_silences_it_for_no_longer_than_an_interval(jump_ms: int) -> None:
    board = _Board(MemoryStorage())
    board.handle(Started(), _start_ms())
    board.intervals(2)
    now_ms = board.interval_at_ms + jump_ms
    board.handle(TimerFired(name="interval"), now_ms)
    assert now_ms < board.interval_at_ms <= now_ms + _INTERVAL_MS
    before = len(board.device.trader.orders())
    assert len(board.home.asked) == 4, (
        "one decision after the jump, not one for each interval that was skipped"
    )
    assert before == (4 if jump_ms > 0 else 3), "an interval that was decided already is not decided again"


def test_while_the_time_is_not_known_nothing_is_decided_and_the_state_says_so() -> None:
    board = _Board(MemoryStorage())
    board.clock_known = False
    effects = board.handle(Started(), _start_ms())
    board.intervals(2)
    assert board.home.asked == []
    assert board.requests == []
    assert _state(board) is State.WAITING_FOR_CLOCK
    assert any(isinstance(effect, SetTimer) and effect.name == "interval" for effect in effects)
    board.clock_known = True
    board.intervals(1)
    assert len(board.home.asked) == 1
    assert _state(board) is State.SYNCING


def test_addresses_are_asked_for_once_a_day_at_a_random_time_of_the_afternoon_before() -> None:
    board = _Board(MemoryStorage())
    start_ms = _start_ms()
    board.handle(Started(), start_ms + 3 * _INTERVAL_MS)
    board.intervals(300)
    per_day = _DAY_MS // _INTERVAL_MS
    first = start_ms // _INTERVAL_MS
    assert (
        board.home.days
        == [
            (first + 3, first + per_day - 1),
            (first + per_day, first + 2 * per_day - 1),
            (first + 2 * per_day, first + 3 * per_day - 1),
            (first + 3 * per_day, first + 4 * per_day - 1),
        ][: len(board.home.days)]
    )
    assert len(board.home.days) >= 4
    moments = set()
    for seed in range(8):
        other = _Board(MemoryStorage())
        other.device._chance = Random(seed)
        other.handle(Started(), start_ms)
        while len(other.home.days) < 2:
            other.intervals(1)
        moments.add((other.interval_at_ms - start_ms) // _INTERVAL_MS)
    assert len(moments) > 4
    assert all(per_day // 2 < moment <= per_day for moment in moments)


def test_the_home_hears_of_every_order_that_changed() -> None:
    board = _Board(MemoryStorage())
    board.handle(Started(), _start_ms())
    told = [order.key.index for news in board.home.news for order in news.orders]
    assert set(told) == {order.key.index for order in board.device.trader.orders()} | {
        order.key.index for order in board.device.trader._book.spare
    }
