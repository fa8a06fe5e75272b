"""What miners answer: acceptance once others have it, refusals with a pause, and silence for whoever floods."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from light_client.messages.codec import decode_message, encode_message
from light_client.messages.submission import SubmitTx, TxResult
from light_client.rules.crypto import verify
from light_client.rules.ledger.transactions import SignedTransaction
from light_client.session.actor import Effect, Received, Report, Send, TimerFired
from testbed.miner.miner import Miner
from testbed.miner.params import MinerParams, PoolLimits
from testbed.miner.relay import Relay, together
from testbed.network.memory import MemoryStorage
from tests.testbed.miner.chains import FIRST_INTERVAL, START_MS, build_miner, grant, offer, small_genesis

GENESIS = small_genesis()
GRANT = grant(GENESIS, 0, range(8))
INTERVAL = FIRST_INTERVAL + 1


def miner_with(**limits: int) -> Miner:
    return build_miner(GENESIS, 0, MemoryStorage(), MinerParams(pool=PoolLimits(**limits)))


def hand_in(
    miner: Miner, peer: str, *transactions: SignedTransaction, now_ms: int = START_MS
) -> list[Effect]:
    raws = [signed.raw for signed in transactions]
    message = SubmitTx(raw=raws[0], more=tuple(raws[1:]))
    return miner.handle(Received(peer=peer, message=encode_message(message)), now_ms)


def answers(effects: Sequence[Effect], peer: str) -> list[TxResult]:
    messages = [
        decode_message(found.message) for found in effects if isinstance(found, Send) and found.peer == peer
    ]
    return [message for message in messages if isinstance(message, TxResult)]


def passed_on(effects: Sequence[Effect], peer: str) -> list[bytes]:
    messages = [
        decode_message(found.message) for found in effects if isinstance(found, Send) and found.peer == peer
    ]
    return [raw for message in messages if isinstance(message, SubmitTx) for raw in message.all]


def relay(miner: Miner) -> list[Effect]:
    return miner.handle(TimerFired(name="relay"), START_MS + 20)


def test_what_comes_in_a_moment_travels_together_and_only_then_is_answered() -> None:
    miner = miner_with()
    first = hand_in(miner, "anon-1", GRANT)
    second = hand_in(miner, "anon-2", offer(GENESIS, 0, INTERVAL), offer(GENESIS, 1, INTERVAL))
    assert answers(first, "anon-1") == answers(second, "anon-2") == []
    effects = relay(miner)
    sent = [found for found in effects if isinstance(found, Send) and found.peer == "miner-1"]
    assert len(sent) == 1
    assert len(passed_on(effects, "miner-1")) == 3
    assert [answer.accepted for answer in answers(effects, "anon-1")] == [True]
    assert [answer.accepted for answer in answers(effects, "anon-2")] == [True, True]
    order = [found.peer for found in effects if isinstance(found, Send)]
    assert order.index("anon-1") > order.index("miner-3"), "first to the miners, then the answer"


def test_a_full_batch_does_not_wait() -> None:
    relay_ = Relay()
    for number in range(256):
        assert not relay_.due
        relay_.add(b"tx", number.to_bytes(32, "big"), "anon-1")
    assert relay_.due
    batches, sends = relay_.flush()
    assert [len(batch.all) for batch in batches] == [256]
    assert len(sends) == 256
    assert relay_.empty


def test_batches_keep_to_the_limits_of_a_message() -> None:
    batches = together([bytes(1 << 20)] * 9 + [b"a"] * 1_500)
    assert sum(len(batch.all) for batch in batches) == 1_509
    for batch in batches:
        encode_message(batch)


def test_what_other_miners_pass_on_is_neither_answered_nor_passed_on() -> None:
    miner = miner_with()
    effects = [*hand_in(miner, "miner-1", GRANT, offer(GENESIS, 0, INTERVAL)), *relay(miner)]
    assert answers(effects, "miner-1") == []
    assert passed_on(effects, "miner-2") == []
    assert len(miner._intake.pool) == 2


def test_one_bad_transaction_of_another_miner_does_not_cost_the_others() -> None:
    miner = miner_with()
    effects = hand_in(
        miner,
        "miner-1",
        grant(
            GENESIS,
            0,
            [9],
        ),
        GRANT,
        offer(GENESIS, 9, INTERVAL),
    )
    assert [found.name for found in effects if isinstance(found, Report)] == ["refused"]
    assert len(miner._intake.pool) == 2


def test_a_full_pool_says_when_to_come_again() -> None:
    miner = miner_with(transactions=2)
    hand_in(miner, "anon-1", GRANT, offer(GENESIS, 0, INTERVAL))
    (answer,) = answers(hand_in(miner, "anon-1", offer(GENESIS, 1, INTERVAL)), "anon-1")
    assert (answer.accepted, answer.rule) == (False, "POOL-01")
    assert answer.retry_ms == MinerParams().batch_ms
    for _ in range(100):  # a matter of time costs no points
        hand_in(miner, "anon-1", offer(GENESIS, 1, INTERVAL))
    (answer,) = answers(hand_in(miner, "anon-1", offer(GENESIS, 1, INTERVAL)), "anon-1")
    assert answer.rule == "POOL-01"


def test_whoever_floods_is_cut_off_before_anything_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    miner = miner_with(refusals=4)
    forged = [offer(GENESIS, 0, INTERVAL + number) for number in range(10)]
    bad = [_damaged(signed) for signed in forged]
    for signed in bad[:4]:
        (answer,) = answers(hand_in(miner, "anon-1", signed), "anon-1")
        assert (answer.rule, answer.retry_ms) == ("LED-03", 0)
    checked: list[bytes] = []

    def seen(key: bytes, signature: bytes, message: bytes) -> bool:
        checked.append(key)
        return verify(key, signature, message)

    monkeypatch.setattr("testbed.miner.memo.verify", seen)
    (answer,) = answers(hand_in(miner, "anon-1", bad[4]), "anon-1")
    assert answer.rule == "POOL-04"
    assert answer.retry_ms > 0
    assert not checked
    hand_in(miner, "anon-2", GRANT)
    assert checked, "others are listened to"
    again_ms = START_MS + answer.retry_ms
    (answer,) = answers(hand_in(miner, "anon-1", bad[5], now_ms=again_ms), "anon-1")
    assert answer.rule == "LED-03"


def test_a_connection_parks_only_so_much_of_what_was_never_granted() -> None:
    miner = miner_with(parked_per_peer=2, refusals=3)
    strangers = [offer(GENESIS, prosumer, INTERVAL) for prosumer in range(20, 27)]
    rules = []
    for signed in strangers:
        rules += [answer.rule for answer in answers(hand_in(miner, "anon-1", signed), "anon-1")]
    assert rules == ["LED-08", "LED-08", "LED-08", "POOL-04", "POOL-04"]


def test_too_many_numbers_ahead_are_a_matter_of_time() -> None:
    miner = miner_with(parked_per_peer=1)
    hand_in(miner, "anon-1", GRANT)
    hand_in(miner, "anon-1", offer(GENESIS, 0, INTERVAL, sequence=1))
    (answer,) = answers(hand_in(miner, "anon-1", offer(GENESIS, 0, INTERVAL, sequence=2)), "anon-1")
    assert answer.rule == "POOL-03"
    assert answer.retry_ms > 0


def _damaged(signed: SignedTransaction) -> SignedTransaction:
    raw = signed.raw[:-1] + bytes((signed.raw[-1] ^ 1,))
    return SignedTransaction(
        transaction=signed.transaction, public_key=signed.public_key, signature=raw[-64:], raw=raw
    )
