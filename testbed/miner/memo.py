"""Remembering what was verified and read: a miner meets the same transaction on admission and in a block."""

from __future__ import annotations

from collections import OrderedDict

from light_client.rules.crypto import verify
from light_client.rules.ledger.transactions import ReadTransaction, SignedTransaction, decode_transaction


class SignatureMemo:
    """Stands where ``crypto.verify`` stands. Only what was verified is remembered; anything else is verified anew."""

    def __init__(self, capacity: int = 1 << 16) -> None:
        self._capacity = capacity
        self._good: OrderedDict[tuple[bytes, bytes, bytes], None] = OrderedDict()

    def __call__(self, public_key: bytes, signature: bytes, message: bytes) -> bool:
        """Tell whether the signature is good; never raises."""
        key = (public_key, signature, message)
        if key in self._good:
            self._good.move_to_end(key)
            return True
        if not verify(public_key, signature, message):
            return False
        self._good[key] = None
        if len(self._good) > self._capacity:
            self._good.popitem(last=False)
        return True


class TransactionMemo:
    """Stands where ``decode_transaction`` stands: what waits in the pool was read when it came in.

    It holds what the pool holds, and is bounded as that is.
    """

    def __init__(self, read: ReadTransaction = decode_transaction) -> None:
        self._read = read
        self._known: dict[bytes, SignedTransaction] = {}

    def __call__(self, raw: bytes, /, *, max_bytes: int) -> SignedTransaction:
        """Read a transaction; raises as ``decode_transaction`` does."""
        known = self._known.get(raw)
        if known is None or len(raw) > max_bytes:
            return self._read(raw, max_bytes=max_bytes)
        return known

    def remember(self, signed: SignedTransaction) -> None:
        """Keep one that was read out of these very bytes."""
        self._known[signed.raw] = signed

    def forget(self, signed: SignedTransaction) -> None:
        """Keep it no longer."""
        self._known.pop(signed.raw, None)
