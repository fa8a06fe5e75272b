"""Who takes how much of a pool's room, and who gets some more.

Rules of the pool, which are matters of time and end in an answer that says when to come again:
    POOL-01  the pool has room for this kind
    POOL-02  the sender has not too much waiting: less, the fuller the pool is
    POOL-03  whoever hands it in has not too much waiting

Besides these: POOL-04 (``standing``); POOL-05 and, where nobody is answered, POOL-06 (``parked``).
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, NamedTuple

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.delivery import ReportDelivery
from light_client.rules.ledger.registry import ChangeRegistry
from light_client.rules.ledger.transactions import (
    DepositAssets,
    GrantAssets,
    SignedTransaction,
    SubmitEvidence,
)
from light_client.session.actor import PeerName
from testbed.miner.params import PoolLimits

_FIRST: Final = (GrantAssets, DepositAssets, ReportDelivery, ChangeRegistry, SubmitEvidence)
"""Little in number, and much depends on it. None of these ever waits for an offer: a deposit executes only once no
offer of its address is open."""
_RESERVED: Final = 10
"""One part in so many of the room is out of reach for offers."""


class Waiting(NamedTuple):
    """One transaction in the pool."""

    signed: SignedTransaction
    arrived_ms: int
    peer: PeerName
    """Who handed it in; no name for what comes from another miner, or from ourselves."""

    @property
    def goes_first(self) -> bool:
        """Whether it is of a kind that goes before offers."""
        return isinstance(self.signed.transaction, _FIRST)


class Room:
    """Counts what waits, parked or not."""

    def __init__(self, limits: PoolLimits, exempt: bytes) -> None:
        """Begin empty.

        Args:
            exempt: public key of the grid operator, who may have any number waiting.
        """
        self._limits = limits
        self._exempt = exempt
        self._senders: Counter[bytes] = Counter()
        self._peers: Counter[PeerName] = Counter()
        self.transactions = 0
        self.bytes_ = 0

    def check(self, waiting: Waiting) -> None:
        """Whether one more may come in.

        Raises:
            RuleViolation: POOL-01 to POOL-03.
        """
        limits = self._limits
        transactions, bytes_ = limits.transactions, limits.bytes_
        if not waiting.goes_first:
            transactions, bytes_ = transactions - transactions // _RESERVED, bytes_ - bytes_ // _RESERVED
        if self.transactions >= transactions:
            raise RuleViolation(
                "POOL-01", "transactions waiting", got=self.transactions, expected=transactions
            )
        if self.bytes_ + len(waiting.signed.raw) > bytes_:
            raise RuleViolation("POOL-01", "bytes waiting", got=self.bytes_, expected=bytes_)
        sender = waiting.signed.public_key
        if sender != self._exempt and self._senders[sender] >= self.per_sender:
            raise RuleViolation(
                "POOL-02", "transactions of one sender", got=self._senders[sender], expected=self.per_sender
            )
        if waiting.peer and self._peers[waiting.peer] >= limits.per_peer:
            raise RuleViolation(
                "POOL-03",
                "transactions by one connection",
                got=self._peers[waiting.peer],
                expected=limits.per_peer,
            )

    @property
    def per_sender(self) -> int:
        """How many transactions one sender may have waiting now: all that is allowed while the pool is half empty, then
        ever fewer, down to one, so that whoever comes late to a crowded pool still finds room.
        """
        limits = self._limits
        left = limits.transactions - self.transactions
        return max(1, min(limits.per_sender, 2 * limits.per_sender * left // limits.transactions))

    def add(self, waiting: Waiting) -> None:
        """It came in."""
        self._count(waiting, 1)

    def remove(self, waiting: Waiting) -> None:
        """It left."""
        self._count(waiting, -1)

    def _count(self, waiting: Waiting, change: int) -> None:
        self.transactions += change
        self.bytes_ += change * len(waiting.signed.raw)
        _add(self._senders, waiting.signed.public_key, change)
        if waiting.peer:
            _add(self._peers, waiting.peer, change)


def _add(counter: Counter[Any], key: object, change: int) -> None:
    """Count, and forget what has come down to nothing."""
    counter[key] += change
    if not counter[key]:
        del counter[key]
