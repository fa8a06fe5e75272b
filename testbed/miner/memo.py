"""Remembering good signatures, because a miner meets the same one on admission, in a proposal, and in the block."""

from __future__ import annotations

from collections import OrderedDict

from light_client.rules.crypto import verify


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
