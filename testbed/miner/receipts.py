"""Transactions that this miner has told somebody it took: on disk before the answer leaves, until they are in a block.

What an acknowledgement promises: as long as this miner's disk lasts, killed or not, it hands the transaction in again
until a block has it, or until a rule refuses it for good, which it reports as ``dropped`` with that rule. A full pool
is no such rule. It does not promise a block: the gate of an offer may pass first (MKT-07), what came before its grant
may wait in vain (LED-09) or have to make room for others that came early too (POOL-06).
"""

from __future__ import annotations

from collections.abc import Iterable

from light_client.session.actor import Storage, Write

TABLE = "receipt"


class Receipts:
    """What is owed to submitters."""

    def __init__(self, storage: Storage) -> None:
        self._owed = dict(storage.scan(TABLE))

    def owed(self) -> list[tuple[bytes, bytes]]:
        """Identity and bytes of each transaction, as they are to be taken in again after a restart."""
        return list(self._owed.items())

    def keep(self, tx_id: bytes, raw: bytes) -> list[Write]:
        """Make an answer good."""
        if tx_id in self._owed:
            return []
        self._owed[tx_id] = raw
        return [Write(table=TABLE, key=tx_id, value=raw)]

    def owes(self, tx_id: bytes) -> bool:
        """Whether somebody was told that this one is taken, and it is not settled."""
        return tx_id in self._owed

    def settle(self, done: Iterable[bytes]) -> list[Write]:
        """Forget what is in a block, or can never be."""
        settled = [tx_id for tx_id in done if self._owed.pop(tx_id, None) is not None]
        return [Write(table=TABLE, key=tx_id, value=None) for tx_id in settled]
