"""Transactions that this miner has told somebody it took: on disk before the answer leaves, until they are in a block.

Whoever was told so may forget about it, even if this miner is killed the next moment.

table      key     value
receipts   number  the transactions that were answered together: one row, which goes when none of them is owed any more
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from light_client.messages.submission import MAX_RAW_BYTES, MAX_TOGETHER
from light_client.rules.encoding import decode, encode
from light_client.session.actor import Storage, Write
from testbed.miner.mempool import Mempool, tx_id_of

_TABLE: Final = "receipts"
_MAX_BYTES: Final = 2 * MAX_RAW_BYTES + 5 * MAX_TOGETHER


class Receipts:
    """What is owed to submitters."""

    def __init__(self, storage: Storage) -> None:
        self._owed: dict[bytes, tuple[bytes, int]] = {}
        """Identity of a transaction -> its bytes, and the row that it is in."""
        self._left: dict[int, int] = {}
        """Row -> how many of its transactions are owed."""
        self._next = 0
        for key, value in storage.scan(_TABLE):
            number = int.from_bytes(key, "big")
            wire: Any = decode(value, max_bytes=_MAX_BYTES)
            self._enter(number, [(tx_id_of(raw), raw) for raw in wire])

    def owed(self) -> list[tuple[bytes, bytes]]:
        """Identity and bytes of each transaction, as they are to be taken in again after a restart."""
        return [(tx_id, raw) for tx_id, (raw, _) in self._owed.items()]

    def keep(self, rows: Iterable[tuple[bytes, bytes]]) -> list[Write]:
        """Make the answers good that are about to leave: identity and bytes of each transaction."""
        new = [(tx_id, raw) for tx_id, raw in rows if tx_id not in self._owed]
        if not new:
            return []
        key = self._next.to_bytes(8, "big")
        self._enter(self._next, new)
        return [Write(table=_TABLE, key=key, value=encode(tuple(raw for _, raw in new)))]

    def _enter(self, number: int, rows: Iterable[tuple[bytes, bytes]]) -> None:
        fresh = {tx_id: (raw, number) for tx_id, raw in rows}
        self._owed.update(fresh)
        self._left[number] = len(fresh)
        self._next = number + 1

    def settle(self, pool: Mempool) -> list[Write]:
        """Forget what waits no longer: it is in a block, or can never be."""
        writes: list[Write] = []
        for tx_id in [tx_id for tx_id in self._owed if not pool.waits(tx_id)]:
            _, number = self._owed.pop(tx_id)
            self._left[number] -= 1
            if not self._left[number]:
                del self._left[number]
                writes.append(Write(table=_TABLE, key=number.to_bytes(8, "big"), value=None))
        return writes
