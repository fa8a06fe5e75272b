"""Transactions that this miner has told somebody it took: on disk before the answer leaves, until they are in a block.

Whoever was told so may forget about it, even if this miner is killed the next moment.
"""

from __future__ import annotations

from light_client.session.actor import Storage, Write
from testbed.miner.mempool import Mempool

_TABLE = "receipt"


class Receipts:
    """What is owed to submitters."""

    def __init__(self, storage: Storage) -> None:
        self._owed = dict(storage.scan(_TABLE))

    def owed(self) -> list[tuple[bytes, bytes]]:
        """Identity and bytes of each transaction, as they are to be taken in again after a restart."""
        return list(self._owed.items())

    def keep(self, tx_id: bytes, raw: bytes) -> list[Write]:
        """Make an answer good."""
        if tx_id in self._owed:
            return []
        self._owed[tx_id] = raw
        return [Write(table=_TABLE, key=tx_id, value=raw)]

    def settle(self, pool: Mempool) -> list[Write]:
        """Forget what waits no longer: it is in a block, or can never be."""
        settled = [tx_id for tx_id in self._owed if not pool.waits(tx_id)]
        for tx_id in settled:
            del self._owed[tx_id]
        return [Write(table=_TABLE, key=tx_id, value=None) for tx_id in settled]
