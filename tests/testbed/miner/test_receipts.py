"""What an acknowledgement promises: nothing that was acknowledged leaves a miner without a block or a named reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from light_client.messages.codec import decode_message
from light_client.messages.submission import TxResult
from light_client.rules.ledger.block import Body
from light_client.rules.ledger.transactions import SignedTransaction
from light_client.session.actor import Effect, Report, Send, Started, Write
from testbed.miner.consensus import Output
from testbed.miner.ledger import Ledger
from testbed.miner.memo import SignatureMemo
from testbed.miner.mempool import Mempool
from testbed.miner.miner import Miner
from testbed.miner.params import MinerParams, PoolLimits
from testbed.miner.receipts import Receipts
from testbed.network.memory import MemoryStorage
from tests.testbed.miner.chains import FIRST_INTERVAL, START_MS, build_miner, grant, offer, small_genesis
from tests.testbed.miner.test_intake import answers, hand_in, relay

GENESIS = small_genesis()
GRANT = grant(GENESIS, 0, range(8))
INTERVAL = FIRST_INTERVAL + 1
AFTER_GATE_MS = GENESIS.gate_ms(INTERVAL) + 1


def _miner(storage: MemoryStorage, **limits: int) -> Miner:
    return build_miner(GENESIS, 0, storage, MinerParams(pool=PoolLimits(**limits)))


def _write(storage: MemoryStorage, effects: Iterable[Output]) -> None:
    storage.apply([effect for effect in effects if isinstance(effect, Write)])


def _dropped(effects: Sequence[Output]) -> list[object]:
    return [found.value for found in effects if isinstance(found, Report) and found.name == "dropped"]


def _pool(limits: PoolLimits | None = None) -> Mempool:
    return Mempool(Ledger(GENESIS, MemoryStorage(), SignatureMemo()).state, SignatureMemo(), limits)


def _admit(pool: Mempool, signed: SignedTransaction, now_ms: int = START_MS) -> list[tuple[bytes, str]]:
    return [(gone.tx_id(), rule) for gone, rule in pool.admit(signed, signed.tx_id(), now_ms)]


def test_an_early_offer_whose_gate_passes_before_its_grant_comes_is_named() -> None:
    pool, early = _pool(), offer(GENESIS, 0, INTERVAL)
    assert _admit(pool, early) == []
    assert pool.renew([], AFTER_GATE_MS) == []
    assert _admit(pool, GRANT, AFTER_GATE_MS) == [(early.tx_id(), "MKT-07")]
    assert not pool.waits(early.tx_id())
    assert pool.waits(GRANT.tx_id())


def test_an_early_offer_that_has_to_make_room_is_named() -> None:
    pool = _pool(PoolLimits(parked=1))
    first, second = offer(GENESIS, 0, INTERVAL), offer(GENESIS, 1, INTERVAL)
    assert _admit(pool, first) == []
    assert _admit(pool, second) == [(first.tx_id(), "POOL-06")]


def test_everything_that_is_acknowledged_is_accounted_for() -> None:
    """Whatever comes, waits, is dropped or executed: nothing vanishes."""
    pool = _pool(PoolLimits(parked=3))
    came = [offer(GENESIS, prosumer, INTERVAL + prosumer % 3) for prosumer in range(8)]
    gone: dict[bytes, str] = {}
    for signed in came:
        gone |= dict(_admit(pool, signed))
    gone |= dict(_admit(pool, GRANT))
    for late_ms in range(START_MS, AFTER_GATE_MS + 4 * 900_000, 450_000):
        gone |= {signed.tx_id(): rule for signed, rule in pool.renew([], late_ms)}
        assert all(pool.waits(signed.tx_id()) != (signed.tx_id() in gone) for signed in came)
    assert set(gone.values()) == {"POOL-06", "MKT-07"}


def test_what_is_dropped_before_the_answer_leaves_is_not_acknowledged() -> None:
    miner = _miner(MemoryStorage())
    doomed = offer(GENESIS, 0, INTERVAL)
    hand_in(miner, "anon-1", GRANT, doomed)
    effects = miner._intake.close_gate(AFTER_GATE_MS)
    assert _dropped(effects) == [(doomed.tx_id(), "MKT-07")]
    granted, refused = answers(relay(miner), "anon-1")
    assert granted.accepted
    assert (refused.tx_id, refused.accepted, refused.rule) == (doomed.tx_id(), False, "MKT-07")


def _acknowledged(storage: MemoryStorage) -> SignedTransaction:
    """A miner acknowledges a grant and an offer, and is killed; returns the offer."""
    miner, signed = _miner(storage), offer(GENESIS, 0, INTERVAL)
    _write(storage, hand_in(miner, "anon-1", GRANT, signed))
    assert {answer.accepted for answer in answers(relay(miner), "anon-1")} == {True}
    return signed


def test_a_full_pool_after_a_restart_costs_nothing_that_was_acknowledged() -> None:
    storage = MemoryStorage()
    signed = _acknowledged(storage)
    miner = _miner(storage, transactions=1)
    effects = miner.handle(Started(), START_MS + 100)
    assert ("kept-waits", (signed.tx_id(), "POOL-01")) in [
        (found.name, found.value) for found in effects if isinstance(found, Report)
    ]
    _write(storage, miner._intake.renew(Body(solution=b"", transactions=()), [], START_MS + 200))
    assert Receipts(storage).owes(signed.tx_id()), "it is handed in once more after the next block"
    roomy = _miner(storage)
    roomy.handle(Started(), START_MS + 300)
    assert roomy._intake.pool.waits(signed.tx_id())


class _Forgetful(Receipts):
    """Forgets what the pool had no room for."""

    def settle(self, done: Iterable[bytes]) -> list[Write]:
        del done
        return super().settle([tx_id for tx_id, _ in self.owed()])


def test_a_miner_that_forgets_what_found_no_room_loses_it() -> None:
    storage = MemoryStorage()
    signed = _acknowledged(storage)
    miner = _miner(storage, transactions=1)
    miner._intake._receipts = _Forgetful(storage)
    miner.handle(Started(), START_MS + 100)
    _write(storage, miner._intake.renew(Body(solution=b"", transactions=()), [], START_MS + 200))
    assert not Receipts(storage).owes(signed.tx_id())


def test_what_a_rule_refuses_after_a_restart_is_named_and_settled() -> None:
    storage = MemoryStorage()
    signed = _acknowledged(storage)
    miner = _miner(storage)
    miner._intake.pool.renew([], AFTER_GATE_MS)
    effects = miner.handle(Started(), AFTER_GATE_MS)
    assert _dropped(effects) == [(signed.tx_id(), "MKT-07")]
    _write(storage, effects)
    assert not Receipts(storage).owes(signed.tx_id())
    assert Receipts(storage).owes(GRANT.tx_id())


def test_an_answer_says_accepted_only_where_the_transaction_waits() -> None:
    miner = _miner(MemoryStorage())
    effects: list[Effect] = [*hand_in(miner, "anon-1", offer(GENESIS, 0, INTERVAL)), *relay(miner)]
    sent = [decode_message(effect.message) for effect in effects if isinstance(effect, Send)]
    (answer,) = [message for message in sent if isinstance(message, TxResult)]
    assert answer.accepted
    assert miner._intake.pool.waits(answer.tx_id), "parked until its grant comes"
