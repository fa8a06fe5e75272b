"""A meter that a full miner tells when to come again comes then: not before, not never, and in time for its gate."""

from functools import cache

import pytest

from firmware_app.trading.meter import TradingMeter
from firmware_app.trading.orders import Order, Stage
from firmware_app.trading.params import MeterParams
from firmware_app.trading.posting import Posting
from light_client.client.status import Standing
from light_client.messages.codec import decode_message, encode_message
from light_client.messages.submission import MAX_RETRY_MS, SubmitTx, TxResult
from light_client.rules.errors import RuleViolation
from light_client.session.actor import Effect, Received, Report, Send, SetTimer, Started, TimerFired
from testbed.cast import Cast
from testbed.miner.mempool import tx_id_of
from testbed.network.memory import MemoryStorage
from testbed.scenarios import catalogue
from testbed.scenarios.part import part_of
from testbed.simulation.day import cast_of

_FULL = RuleViolation("POOL-01", "transactions waiting", got=20_000, expected=20_000)


@cache
def _cast() -> Cast:
    file = catalogue.find("village")
    return cast_of(file, part_of(catalogue.build(file), skip=48, intervals=4), 5)


def _meter(posting_type: type[Posting] = Posting) -> tuple[TradingMeter, Order, int]:
    """A meter that trades, with one granted offer that is due long before its gate; and when it is due."""
    device = _cast().meter(next(iter(_cast().meter_names)), MemoryStorage())
    device.handle(Started(), _cast().start_ms)
    meter = device.trader
    meter._posting.__class__ = posting_type
    meter.client._situation.turn(Standing.FOLLOWING)
    order, *others = meter.orders()
    for other in others:
        other.advance(Stage.MISSED)
    order.advance(Stage.GRANTED)
    gate_ms = _cast().genesis.gate_ms(order.intent.first_interval)
    order.post_at_ms = gate_ms - 600_000
    return meter, order, order.post_at_ms


def _submitted(effects: list[Effect]) -> list[bytes]:
    messages = [decode_message(effect.message) for effect in effects if isinstance(effect, Send)]
    return [message.raw for message in messages if isinstance(message, SubmitTx)]


def _answered(meter: TradingMeter, raw: bytes, retry_ms: int, now_ms: int) -> list[Effect]:
    result = TxResult.refused(tx_id_of(raw), _FULL, retry_ms)
    return meter.handle(Received(peer=meter.client.server, message=encode_message(result)), now_ms)


def _next_ms(effects: list[Effect], name: str) -> int:
    return max(effect.at_ms for effect in effects if isinstance(effect, SetTimer) and effect.name == name)


class _Deaf(Posting):
    """Hears no pause: comes again when it always does."""

    def turned_away(self, message: TxResult, now_ms: int) -> list[Effect]:
        del now_ms
        return [Report(name="tx-refused", value=message.rule)]


@pytest.mark.parametrize("retry_ms", [1_000, 90_000])
def test_a_pause_is_heeded(retry_ms: int) -> None:
    meter, order, now_ms = _meter()
    (raw,) = _submitted(meter.handle(TimerFired(name="post"), now_ms))
    effects = _answered(meter, raw, retry_ms, now_ms)
    again_ms = _next_ms(effects, "post")
    assert now_ms + retry_ms <= again_ms < now_ms + 2 * retry_ms
    assert not _submitted(meter.handle(TimerFired(name="post"), again_ms - 1))
    assert _submitted(meter.handle(TimerFired(name="post"), again_ms)) == [raw], "the same bytes once more"
    assert order.stage is Stage.POSTED


def test_a_meter_that_hears_no_pause_comes_too_early() -> None:
    meter, order, now_ms = _meter(_Deaf)
    (raw,) = _submitted(meter.handle(TimerFired(name="post"), now_ms))
    _answered(meter, raw, 90_000, now_ms)
    assert order.post_at_ms < now_ms + 90_000


def test_no_pause_talks_an_offer_past_its_gate() -> None:
    meter, order, now_ms = _meter()
    (raw,) = _submitted(meter.handle(TimerFired(name="post"), now_ms))
    gate_ms = _cast().genesis.gate_ms(order.intent.first_interval)
    tries = 0
    while now_ms < gate_ms - 60_000:
        now_ms = _next_ms(_answered(meter, raw, MAX_RETRY_MS, now_ms), "post")
        assert _submitted(meter.handle(TimerFired(name="post"), now_ms)) == [raw]
        tries += 1
    assert tries >= 3


def test_a_refusal_for_good_and_one_of_somebody_elses_change_nothing() -> None:
    meter, order, now_ms = _meter()
    (raw,) = _submitted(meter.handle(TimerFired(name="post"), now_ms))
    due_ms = order.post_at_ms
    _answered(meter, raw, 0, now_ms)
    _answered(meter, b"not ours", 500, now_ms)
    assert order.post_at_ms == due_ms


def test_a_deposit_is_handed_in_again_after_the_pause() -> None:
    meter, order, now_ms = _meter()
    order.advance(Stage.MISSED)
    (raw,) = _submitted(meter._settling.deposit(order.key.address, now_ms))
    assert order.ask_again_ms == now_ms + MeterParams().confirm_ms
    _answered(meter, raw, 5_000, now_ms)
    assert now_ms + 5_000 <= order.ask_again_ms < now_ms + 10_000
    _answered(meter, raw, MAX_RETRY_MS, now_ms)
    assert order.ask_again_ms == now_ms + MeterParams().confirm_ms, "no later than without an answer"
