"""Transactions that wait for a block: bounded, fair between senders, and checked against the state on admission.

A transaction that can only execute after one that is still missing (a later number, an address whose grant has not
come) is parked: kept, but not proposed, until what it waits for is here.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice

from light_client.rules.crypto import tagged_hash
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.apply import apply_transaction
from light_client.rules.ledger.committee import Verify
from light_client.rules.ledger.events import Event
from light_client.rules.ledger.execution import close_gate
from light_client.rules.ledger.improvement import ImproveOffer
from light_client.rules.ledger.state import Draft, LedgerState
from light_client.rules.ledger.transactions import (
    DepositAssets,
    GrantAssets,
    PostOffer,
    SignedTransaction,
)
from testbed.miner.params import PoolLimits

_EARLY_RULES = ("LED-05", "LED-08", "LED-09")
"""Broken by what comes too early, or too late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One transaction in the pool."""

    signed: SignedTransaction
    arrived_ms: int


class Mempool:
    """What waits, in order of arrival, over a draft of the present state with all of it applied."""

    def __init__(
        self, state: LedgerState, verify_signature: Verify, limits: PoolLimits | None = None
    ) -> None:
        self._state = state
        self._verify = verify_signature
        self._limits = limits or PoolLimits()
        self._ready: OrderedDict[bytes, Waiting] = OrderedDict()
        self._parked: OrderedDict[bytes, Waiting] = OrderedDict()
        self._done: OrderedDict[bytes, None] = OrderedDict()
        self._senders: dict[bytes, int] = {}
        self._bytes = 0
        self._draft = state.draft()
        self._gate_seen = 0

    def __len__(self) -> int:
        """How many transactions could be proposed now."""
        return len(self._ready)

    @property
    def oldest_ms(self) -> int | None:
        """When the transaction that waits longest arrived; None if none waits."""
        return next((waiting.arrived_ms for waiting in self._ready.values()), None)

    @property
    def fills_a_block(self) -> bool:
        """Whether what waits is as much as one block takes."""
        limits = self._state.genesis.chain
        return len(self._ready) >= limits.max_block_txs or self._bytes >= limits.max_block_bytes

    def ready(self) -> list[SignedTransaction]:
        """What could be proposed, in order of arrival."""
        return [waiting.signed for waiting in self._ready.values()]

    def waiting_since(self, before_ms: int, limit: int) -> list[bytes]:
        """Up to ``limit`` transactions, as bytes, that could be proposed and arrived before a time.

        Parked ones are not among them: they cost nothing to make, and would be passed round and round.
        """
        late = (waiting.signed.raw for waiting in self._ready.values() if waiting.arrived_ms < before_ms)
        return list(islice(late, limit))

    def knows(self, tx_id: bytes) -> bool:
        """Whether the transaction waits here, or was executed not long ago."""
        return tx_id in self._ready or tx_id in self._parked or tx_id in self._done

    def waits(self, tx_id: bytes) -> bool:
        """Whether the transaction waits here for a block."""
        return tx_id in self._ready or tx_id in self._parked

    def admit(self, signed: SignedTransaction, tx_id: bytes, now_ms: int) -> None:
        """Take a transaction in that is not known yet.

        Raises:
            RuleViolation: POOL-01 the pool is full, POOL-02 the sender has enough waiting; or a rule of the ledger.
        """
        size = len(signed.raw)
        limits = self._limits
        if len(self._ready) >= limits.transactions or self._bytes + size > limits.bytes_:
            raise RuleViolation(
                "POOL-01", "the pool is full", got=len(self._ready), expected=limits.transactions
            )
        waiting = Waiting(signed=signed, arrived_ms=now_ms)
        exempt = signed.public_key == self._state.genesis.dso_key
        if not exempt and self._senders.get(signed.public_key, 0) >= limits.per_sender:
            raise RuleViolation(
                "POOL-02", "too many of this sender wait", got=signed.public_key, expected=limits.per_sender
            )
        try:
            self._apply(signed)
        except RuleViolation as broken:
            if broken.rule not in _EARLY_RULES or not self._comes_early(signed):
                raise
            self._park(tx_id, waiting)
            return
        self._put(self._ready, tx_id, waiting)
        self._unpark()

    def close_gate(self, now_ms: int) -> list[tuple[SignedTransaction, str]]:
        """From the gate time on, admit only what can follow the block that closes the gate; returns as ``renew``."""
        interval = self._state.meta.next_interval
        if interval == self._gate_seen or self._state.genesis.gate_ms(interval) > now_ms:
            return []
        self._gate_seen = interval
        return self.renew([], now_ms)

    def renew(self, executed: list[bytes], now_ms: int) -> list[tuple[SignedTransaction, str]]:
        """Start over on the state as it is now: drop what was executed and what is no longer valid.

        Args:
            executed: identities of the transactions of the blocks that changed the state.

        Returns:
            What was dropped as invalid, with the rule that it breaks now.
        """
        for tx_id in executed:
            self._done[tx_id] = None
        while len(self._done) > self._limits.remembered:
            self._done.popitem(last=False)
        rows = [*self._ready.items(), *self._parked.items()]
        self._ready.clear()
        self._parked.clear()
        self._senders.clear()
        self._bytes = 0
        self._draft = self._state.draft()
        close_gate(self._draft, now_ms)
        dropped = []
        for tx_id, waiting in rows:
            if tx_id in self._done:
                continue
            try:
                self._apply(waiting.signed)
            except RuleViolation as broken:
                fresh = waiting.arrived_ms + self._limits.parked_ms > now_ms
                if fresh and broken.rule in _EARLY_RULES and self._comes_early(waiting.signed):
                    self._park(tx_id, waiting)
                else:
                    dropped.append((waiting.signed, broken.rule))
                continue
            self._put(self._ready, tx_id, waiting)
        self._unpark()
        return dropped

    def _apply(self, signed: SignedTransaction) -> None:
        events: list[Event] = []
        apply_transaction(self._draft, signed, self._verify, events)

    def _put(self, pool: OrderedDict[bytes, Waiting], tx_id: bytes, waiting: Waiting) -> None:
        pool[tx_id] = waiting
        key = waiting.signed.public_key
        self._senders[key] = self._senders.get(key, 0) + 1
        self._bytes += len(waiting.signed.raw)

    def _take(self, pool: OrderedDict[bytes, Waiting], tx_id: bytes) -> Waiting:
        waiting = pool.pop(tx_id)
        self._senders[waiting.signed.public_key] -= 1
        self._bytes -= len(waiting.signed.raw)
        return waiting

    def _park(self, tx_id: bytes, waiting: Waiting) -> None:
        self._put(self._parked, tx_id, waiting)
        if len(self._parked) > self._limits.parked:
            self._take(self._parked, next(iter(self._parked)))

    def _unpark(self) -> None:
        """Move what has become possible, until nothing more has."""
        moved = bool(self._parked)
        while moved:
            moved = False
            for tx_id in list(self._parked):
                try:
                    self._apply(self._parked[tx_id].signed)
                except RuleViolation:
                    continue
                self._put(self._ready, tx_id, self._take(self._parked, tx_id))
                moved = True

    def _comes_early(self, signed: SignedTransaction) -> bool:
        """Whether something that may still come could make the transaction valid."""
        transaction = signed.transaction
        if isinstance(transaction, GrantAssets):
            return transaction.sequence > self._draft.meta.next_grant
        if not isinstance(transaction, PostOffer | DepositAssets | ImproveOffer):
            return False
        account = expected(self._draft, signed)
        return account is None or transaction.sequence > account


def tx_id_of(raw: bytes) -> bytes:
    """Identity of a transaction, whatever it holds: that of ``SignedTransaction.tx_id``."""
    return tagged_hash("gridlight/tx/1", raw)


def expected(draft: Draft, signed: SignedTransaction) -> int | None:
    """The number that the next transaction of the sender must carry; None while it has no account."""
    account = draft.account(signed.address)
    return None if account is None else account.next_sequence
