"""Decided blocks on disk, written in the same batch as everything else that a decision changes.

Tables: ``block`` height -> (header, certificate, body); ``trades`` interval -> (height, trades).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from light_client.messages.chain import CertifiedBlock
from light_client.rules.encoding import decode, encode
from light_client.rules.market.clearing import Trade
from light_client.session.actor import Storage, Write

_BLOCK, _TRADES = "block", "trades"
_MAX_BYTES = 32 << 20
_RECENT = 128
"""Newest blocks kept in memory too: nearly all requests are for them."""


class BlockStore:
    """Blocks by height, and the final trades by interval."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._recent: OrderedDict[int, CertifiedBlock] = OrderedDict()

    def stored(self) -> Iterator[CertifiedBlock]:
        """All blocks on disk, ascending."""
        for _, value in self._storage.scan(_BLOCK):
            yield CertifiedBlock.from_wire(decode(value, max_bytes=_MAX_BYTES))

    def remember(self, block: CertifiedBlock) -> None:
        """Keep a block in memory that is on disk, or is about to be."""
        self._recent[block.header.height] = block
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)

    def record(self, block: CertifiedBlock, trades: tuple[Trade, ...]) -> list[Write]:
        """What makes a decided block durable."""
        self.remember(block)
        height, clearing = block.header.height, block.header.clearing
        writes = [Write(table=_BLOCK, key=_key(height), value=encode(block.to_wire()))]
        if clearing.interval:
            rows = tuple(tuple(int(value) for value in trade) for trade in trades)
            writes.append(Write(table=_TRADES, key=_key(clearing.interval), value=encode((height, rows))))
        return writes

    def block(self, height: int) -> CertifiedBlock | None:
        """The block of a height, or None."""
        found = self._recent.get(height)
        if found is not None:
            return found
        value = self._storage.get(_BLOCK, _key(height))
        return None if value is None else CertifiedBlock.from_wire(decode(value, max_bytes=_MAX_BYTES))

    def trades(self, interval: int) -> tuple[int, tuple[Trade, ...]] | None:
        """Height of the block that made an interval final, and its trades; None if it is not final."""
        value = self._storage.get(_TRADES, _key(interval))
        if value is None:
            return None
        wire: Any = decode(value, max_bytes=_MAX_BYTES)
        height, rows = wire
        return height, tuple(Trade(*row) for row in rows)


def _key(number: int) -> bytes:
    return number.to_bytes(8, "big")
