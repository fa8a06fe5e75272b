"""Transactions that came too early, each under what it waits for: a number of its address, or of a batch of grants."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Final

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.improvement import ImproveOffer
from light_client.rules.ledger.transactions import DepositAssets, GrantAssets, PostOffer, SignedTransaction
from light_client.session.actor import PeerName
from testbed.miner.params import PoolLimits
from testbed.miner.room import Waiting

GRANTS: Final = b""
"""Stands for an address where batches of grants are meant."""


def turn_of(signed: SignedTransaction) -> tuple[bytes, int] | None:
    """Whose turn a transaction waits for, and which; None for a kind that has none."""
    transaction = signed.transaction
    if isinstance(transaction, GrantAssets):
        return GRANTS, transaction.sequence
    if isinstance(transaction, PostOffer | DepositAssets | ImproveOffer):
        return signed.address, transaction.sequence
    return None


class Parked:
    """A bounded number of them; who hands in most loses first (POOL-06)."""

    def __init__(self, limits: PoolLimits) -> None:
        self._limits = limits
        self._rows: OrderedDict[bytes, tuple[bytes, int]] = OrderedDict()
        self._turns: dict[bytes, dict[int, tuple[bytes, Waiting]]] = {}
        self._peers: Counter[PeerName] = Counter()

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, tx_id: bytes) -> bool:
        return tx_id in self._rows

    def __iter__(self) -> Iterator[tuple[bytes, Waiting]]:
        """All of them, the oldest first."""
        return (self._turns[whose][number] for whose, number in self._rows.values())

    @property
    def addresses(self) -> list[bytes]:
        """Those that something waits for."""
        return [whose for whose in self._turns if whose != GRANTS]

    def full_for(self, peer: PeerName) -> bool:
        """Whether a connection has as much parked as one may have."""
        return bool(peer) and self._peers[peer] >= self._limits.parked_per_peer

    def put(self, tx_id: bytes, waiting: Waiting, turn: tuple[bytes, int]) -> Waiting | None:
        """Park one; returns the one that had to go for it: the oldest of whoever has most.

        Raises:
            RuleViolation: POOL-05.
        """
        whose, number = turn
        if number in self._turns.get(whose, ()):
            raise RuleViolation("POOL-05", "another transaction waits with this number", got=number)
        self._turns.setdefault(whose, {})[number] = (tx_id, waiting)
        self._rows[tx_id] = turn
        self._peers[waiting.peer] += 1
        if len(self._rows) <= self._limits.parked:
            return None
        crowding, _ = self._peers.most_common(1)[0]
        oldest = next(known for known, found in self if found.peer == crowding)
        return self.take(oldest)

    def next_of(self, whose: bytes, number: int) -> tuple[bytes, Waiting] | None:
        """What waits for one turn."""
        return self._turns.get(whose, {}).get(number)

    def take(self, tx_id: bytes) -> Waiting:
        """Take one out."""
        whose, number = self._rows.pop(tx_id)
        turns = self._turns[whose]
        _, waiting = turns.pop(number)
        if not turns:
            del self._turns[whose]
        self._peers[waiting.peer] -= 1
        if not self._peers[waiting.peer]:
            del self._peers[waiting.peer]
        return waiting

    def outdated(self, before_ms: int) -> list[bytes]:
        """Those that arrived before a time."""
        return [tx_id for tx_id, waiting in self if waiting.arrived_ms < before_ms]
