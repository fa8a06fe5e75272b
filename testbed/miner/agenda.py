"""What consensus is asked to agree on: blocks out of what waits here, judged by the ledger."""

from __future__ import annotations

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.chain import time_is_not_ahead
from testbed.miner.clearing import Solutions
from testbed.miner.ledger import Ledger
from testbed.miner.mempool import Mempool
from testbed.miner.wal import SeenBlock


class Agenda:
    """The ``consensus.Application`` of a miner."""

    def __init__(self, ledger: Ledger, pool: Mempool, solutions: Solutions, block_txs: int) -> None:
        """Bind what blocks are made of.

        Args:
            block_txs: most transactions that are tried for one block, so that making it takes a bounded time.
        """
        self._ledger = ledger
        self._pool = pool
        self._solutions = solutions
        self._block_txs = block_txs

    def make_proposal(self, round_: int, now_ms: int) -> SeenBlock:
        """A fresh block out of what waits."""
        time_ms = max(now_ms, self._ledger.tip.time_ms + 1)
        waiting = self._pool.ready()
        return self._ledger.make(round_, time_ms, self._solutions.best, waiting, self._block_txs)

    def is_valid(self, block: SeenBlock) -> bool:
        """Whether the block may follow: the rules, Proof of Solution among them."""
        return self._ledger.is_valid(block)

    def is_timely(self, header: Header, now_ms: int) -> bool:
        """LED-35."""
        try:
            time_is_not_ahead(header, now_ms, self._ledger.genesis.chain.max_drift_ms)
        except RuleViolation:
            return False
        return True
