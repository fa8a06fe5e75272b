"""The pool against a model of itself: whatever happens, it holds exactly what a pool filled anew would hold.

The oracle knows nothing of what was touched: it is a fresh pool over the same state that is given the same transactions
in the same order. Broken pools are caught by it.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.chain import Tip, genesis_tip, make_block
from light_client.rules.ledger.records import Account
from light_client.rules.ledger.state import Draft
from light_client.rules.ledger.transactions import DepositAssets, SignedTransaction, sign_transaction
from light_client.rules.units import Address
from testbed.miner.ledger import Ledger
from testbed.miner.memo import SignatureMemo, TransactionMemo
from testbed.miner.mempool import Dropped, Mempool
from testbed.miner.params import PoolLimits
from testbed.network.memory import MemoryStorage
from tests.testbed.miner.chains import (
    FIRST_INTERVAL,
    INTERVAL_S,
    START_MS,
    address,
    grant,
    offer,
    secret,
    small_genesis,
)

GENESIS = small_genesis()
PROSUMERS = 6
LIMITS = PoolLimits(transactions=40, per_sender=6, parked=8, parked_per_peer=4, remembered=1_000)
MEMO = SignatureMemo()


class World:
    """A ledger, a pool, and somebody who does anything at all."""

    def __init__(self, seed: int, build: Callable[..., Mempool] = Mempool) -> None:
        self.chance = Random(seed)
        self.ledger = Ledger(GENESIS, MemoryStorage(), MEMO)
        self.memo = TransactionMemo()
        self.pool = build(self.ledger.state, MEMO, LIMITS, self.memo)
        self.tip: Tip = genesis_tip(GENESIS)
        self.now_ms = START_MS
        self.blocks = 0

    def step(self) -> None:
        """Somebody hands something in, or a block of some of what waits is made, or time passes."""
        what = self.chance.random()
        if what < 0.85:
            signed = self._anything(self.pool._draft.account)
            if not self.pool.knows(signed.tx_id()):
                try:
                    self.pool.admit(signed, signed.tx_id(), self.now_ms, self.chance.choice(("", "anon-1")))
                except RuleViolation:
                    return
        elif what < 0.97:
            self._block()
        else:
            self.now_ms += self.chance.choice((100, INTERVAL_S * 400))
            self.pool.close_gate(self.now_ms)

    def _anything(self, known: Callable[[Address], Account | None]) -> SignedTransaction:
        """Mostly what could come next after what is known, and else what comes too early, too late or never."""
        prosumer = self.chance.randrange(PROSUMERS)
        interval = FIRST_INTERVAL + self.chance.randrange(1, 6)
        kind = self.chance.random()
        if kind < 0.1:
            return grant(GENESIS, self.chance.randrange(4), [2 * self.chance.randrange(3), 1])
        if kind < 0.15:
            deposit = DepositAssets(sequence=self.chance.randrange(4))
            return sign_transaction(deposit, GENESIS.chain_id(), secret(2, prosumer))
        account = known(address(prosumer))
        number = 0 if account is None else account.next_sequence
        sequence = max(0, number + self.chance.choice((0, 0, 0, 0, 1, 2, -1)))
        return offer(GENESIS, prosumer, interval, sequence=sequence)

    def _block(self) -> None:
        """A block of part of what waits, so that the rest has to be carried over; it may close a gate, or clear.

        Some leaders have transactions that never came here.
        """
        self.now_ms = time_ms = max(self.now_ms, self.tip.time_ms + 1)
        self.pool.close_gate(time_ms)
        chosen = self.pool.ready()
        chosen = chosen[: self.chance.randrange(len(chosen) + 1)]
        known = self.ledger.state.accounts.get
        strange = [self._anything(known) for _ in range(self.chance.choice((0, 0, 3)))]
        taken: list[SignedTransaction] = []
        block, outcome = make_block(
            self.ledger.state,
            self.tip,
            round_=0,
            time_ms=time_ms,
            solution=b"",
            transactions=[*strange, *chosen],
            verify_signature=MEMO,
            taken=taken,
        )
        assert strange or taken == chosen, "what is ready executes in its order"
        self.ledger.state.adopt(outcome.draft, block.header.hash())
        self.tip = self.tip.extend(block.header)
        self.pool.renew([signed.tx_id() for signed in taken], self.now_ms, outcome.draft.accounts.keys())
        self.blocks += 1

    def check(self) -> None:
        """Whatever is ready is what a pool filled anew holds, account by account; and the counts are right."""
        fresh = Mempool(self.ledger.state, MEMO, LIMITS)
        fresh.renew([], self.now_ms)
        ready = self.pool.ready()
        for signed in ready:
            fresh.admit(signed, signed.tx_id(), self.now_ms)
        assert fresh.ready() == ready
        assert accounts(fresh) == accounts(self.pool)
        held = [waiting.signed for _, waiting in [*self.pool._ready.items(), *self.pool._parked]]
        assert self.pool._room.transactions == len(held)
        assert self.pool._room.bytes_ == sum(len(signed.raw) for signed in held)
        assert self.memo._known.keys() == {signed.raw for signed in held}
        assert len(self.pool._parked) <= LIMITS.parked
        assert len(ready) <= LIMITS.transactions


def accounts(pool: Mempool) -> dict[Address, tuple[int, int]]:
    """What the pool believes of those who have something waiting."""
    draft: Draft = pool._draft
    senders = {signed.address for signed in pool.ready() if signed.public_key != GENESIS.dso_key}
    found = {address: draft.known_account(address) for address in senders}
    return {address: (account.next_sequence, account.money_uc) for address, account in found.items()}


def run(seed: int, build: Callable[..., Mempool] = Mempool) -> World:
    """A whole life of a pool."""
    world = World(seed, build)
    for _ in range(120):
        world.step()
        world.check()
    return world


def run_all(build: Callable[..., Mempool] = Mempool) -> int:
    """A dozen of them; how many blocks they saw."""
    return sum(run(seed, build).blocks for seed in range(12))


def test_a_pool_holds_what_one_filled_anew_would_hold() -> None:
    assert run_all() > 50


class CarryingPool(Mempool):
    """Broken: carries everything over, whatever a block has touched."""

    def renew(self, executed: list[bytes], now_ms: int, touched: object = None) -> list[Dropped]:
        return super().renew(executed, now_ms, ())


class LeakingPool(Mempool):
    """Broken: never gives room back."""

    def _forget(self, waiting: object) -> None:
        del waiting


class GreedyPool(Mempool):
    """Broken: parks without end."""

    def _park(self, tx_id: bytes, waiting: object) -> None:
        self._ready[tx_id] = waiting  # type: ignore[assignment]


@pytest.mark.parametrize("broken", [CarryingPool, LeakingPool, GreedyPool])
def test_broken_pools_are_caught(broken: type[Mempool]) -> None:
    with pytest.raises((AssertionError, KeyError, RuleViolation)):
        run_all(broken)


def test_no_sender_waits_for_another_to_finish() -> None:
    """However many offers one sender has, another's first one is at most one turn away."""
    ledger = Ledger(GENESIS, MemoryStorage(), MEMO)
    pool = Mempool(ledger.state, MEMO)
    batch = grant(GENESIS, 0, range(3))
    pool.admit(batch, batch.tx_id(), START_MS)
    for prosumer, count in ((0, 6), (1, 1), (2, 3)):
        for sequence in range(count):
            signed = offer(GENESIS, prosumer, FIRST_INTERVAL + 1, sequence=sequence)
            pool.admit(signed, signed.tx_id(), START_MS)
    later = grant(GENESIS, 1, [4])
    pool.admit(later, later.tx_id(), START_MS)
    ready = pool.ready()
    assert ready[:2] == [batch, later], "grants do not wait for offers"
    senders = [signed.public_key for signed in ready[2:]]
    assert len(set(senders[:3])) == 3
    assert len(set(senders[3:5])) == 2
    assert len(set(senders[7:])) == 1


def test_what_is_parked_too_long_goes() -> None:
    ledger = Ledger(GENESIS, MemoryStorage(), MEMO)
    pool = Mempool(ledger.state, MEMO, PoolLimits(parked_ms=1_000))
    early = offer(GENESIS, 0, FIRST_INTERVAL + 1)
    pool.admit(early, early.tx_id(), START_MS)
    pool.renew([], START_MS + 1_000)
    assert pool.knows(early.tx_id())
    pool.renew([], START_MS + 1_001)
    assert not pool.knows(early.tx_id())


def test_of_two_with_one_number_the_first_counts() -> None:
    ledger = Ledger(GENESIS, MemoryStorage(), MEMO)
    pool = Mempool(ledger.state, MEMO)
    first = offer(GENESIS, 0, FIRST_INTERVAL + 1, sequence=1)
    second = offer(GENESIS, 0, FIRST_INTERVAL + 2, sequence=1)
    pool.admit(first, first.tx_id(), START_MS)
    with pytest.raises(RuleViolation, match="POOL-05"):
        pool.admit(second, second.tx_id(), START_MS)
    assert pool.knows(first.tx_id())
    assert not pool.knows(second.tx_id())
