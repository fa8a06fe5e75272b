"""When a miner wants the next block.

An idle chain is quiet: it makes the one block per interval that closes the gate and clears. A trickle of transactions
waits ``batch_ms`` for company. A burst fills blocks, and a full one is due at once, so that under load the next height
begins as soon as the last one is decided.
"""

from __future__ import annotations

from testbed.miner.clearing import Solutions
from testbed.miner.ledger import Ledger
from testbed.miner.mempool import Mempool
from testbed.miner.params import MinerParams


def next_block_ms(ledger: Ledger, pool: Mempool, solutions: Solutions, params: MinerParams) -> int:
    """When the next block falls due, UTC ms, as far as is known here; a gate or a deadline always lies ahead."""
    due_ms = 0 if solutions.best else ledger.clearing_due_ms()
    oldest_ms = pool.oldest_ms
    if oldest_ms is None:
        return due_ms
    full = pool.fills_a_block or len(pool) >= params.block_txs
    due_ms = min(due_ms, oldest_ms if full else oldest_ms + params.batch_ms)
    if ledger.gate_closed and not ledger.stage_open:
        return due_ms
    last_call_ms = ledger.clearing_due_ms() - params.last_call_ms
    return min(due_ms, max(oldest_ms, last_call_ms))
