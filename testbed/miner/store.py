"""Decided blocks on disk, written in the same batch as everything else that a decision changes.

table     key        value
block     height     header, certificate, body; the oldest are deleted in time
trades    interval   height, trades; deleted with the block
turn      height     header, certificate, and the committee that signs from then on: kept for ever
hash      height     hash of the header: kept for ever, for proofs of history
joined    none       size and frontier of what a snapshot skipped, until the hashes of it are all here
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from light_client.messages.chain import CertifiedBlock
from light_client.messages.snapshots import Turn
from light_client.rules.encoding import decode, encode
from light_client.rules.ledger.committee import Committee
from light_client.rules.market.clearing import Trade
from light_client.rules.merkle import History, Tree
from light_client.session.actor import Storage, Write

_BLOCK, _TRADES, _TURN, _HASH, _JOINED = "block", "trades", "turn", "hash", "joined"
_MAX_BYTES: Final = 32 << 20
_RECENT: Final = 128
"""Newest blocks kept in memory too: nearly all requests are for them."""
_PRUNED_AT_ONCE: Final = 256
"""Most blocks deleted in one batch, so that no batch gets long."""


class BlockStore:
    """Blocks by height, the final trades by interval, and what stays when blocks are deleted."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._recent: OrderedDict[int, CertifiedBlock] = OrderedDict()
        self.turns: dict[int, Turn] = {
            _number(key): Turn.from_wire(decode(value, max_bytes=1 << 16))
            for key, value in storage.scan(_TURN)
        }
        """Height -> the header there, after which another committee signs; ascending."""

    def stored(self, after: int = 0) -> Iterator[CertifiedBlock]:
        """All blocks on disk above a height, ascending."""
        for _, value in self._storage.scan(_BLOCK, _key(after + 1)):
            yield _block(value)

    def skipped(self) -> History:
        """The history before the first hash at hand: what a snapshot skipped, or nothing."""
        joined = self._storage.get(_JOINED, b"")
        if joined is None:
            return History()
        wire: Any = decode(joined, max_bytes=1 << 13)
        return History(size=wire[0], frontier=wire[1])

    def hashes(self, first: int, last: int) -> Iterator[bytes]:
        """The hashes of the headers from one height to another, as far as they are on disk."""
        for key, value in self._storage.scan(_HASH, _key(first)):
            if _number(key) > last:
                return
            yield value

    def history(self, height: int) -> Tree:
        """The tree over the hashes of all headers up to a height."""
        before = self.skipped()
        return Tree(self.hashes(before.size + 1, height), after=before)

    def record_hashes(self, first: int, hashes: Sequence[bytes]) -> list[Write]:
        """Keep hashes of headers that a snapshot skipped; they count for nothing until ``complete``."""
        return [Write(table=_HASH, key=_key(first + at), value=hashed) for at, hashed in enumerate(hashes)]

    def complete(self) -> list[Write]:
        """From now on nothing counts as skipped."""
        return [Write(table=_JOINED, key=b"", value=None)]

    def remember(self, block: CertifiedBlock) -> None:
        """Keep a block in memory that is on disk, or is about to be."""
        self._recent[block.header.height] = block
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)

    def record(
        self, block: CertifiedBlock, trades: tuple[Trade, ...], successor: Committee | None
    ) -> list[Write]:
        """What makes a decided block durable.

        Args:
            successor: the committee that signs after it, if that is another one.
        """
        self.remember(block)
        header, clearing = block.header, block.header.clearing
        key = _key(header.height)
        writes = [
            Write(table=_BLOCK, key=key, value=encode(block.to_wire())),
            Write(table=_HASH, key=key, value=header.hash()),
        ]
        if clearing.interval:
            rows = tuple(tuple(int(value) for value in trade) for trade in trades)
            value = encode((header.height, rows))
            writes.append(Write(table=_TRADES, key=_key(clearing.interval), value=value))
        if successor is not None:
            turn = Turn(header=header, certificate=block.certificate, committee=successor)
            writes.append(self._record_turn(turn))
        return writes

    def _record_turn(self, turn: Turn) -> Write:
        self.turns[turn.header.height] = turn
        return Write(table=_TURN, key=_key(turn.header.height), value=encode(turn.to_wire()))

    def join(self, before: History, header_hash: bytes, turns: tuple[Turn, ...]) -> list[Write]:
        """What makes durable that the chain goes on here after a header that came with a snapshot.

        Args:
            before: the history of all headers before it.
        """
        frontier = encode((before.size, before.frontier))
        return [
            *(self._record_turn(turn) for turn in turns),
            Write(table=_HASH, key=_key(before.size + 1), value=header_hash),
            Write(table=_JOINED, key=b"", value=frontier),
        ]

    def prune(self, floor: int) -> list[Write]:
        """Delete the oldest blocks up to a height, with their trades."""
        writes: list[Write] = []
        for count, (key, value) in enumerate(self._storage.scan(_BLOCK)):
            if _number(key) > floor or count == _PRUNED_AT_ONCE:
                break
            interval = _block(value).header.clearing.interval
            writes.append(Write(table=_BLOCK, key=key, value=None))
            if interval:
                writes.append(Write(table=_TRADES, key=_key(interval), value=None))
            self._recent.pop(_number(key), None)
        return writes

    def block(self, height: int) -> CertifiedBlock | None:
        """The block of a height, or None."""
        found = self._recent.get(height)
        if found is not None:
            return found
        value = self._storage.get(_BLOCK, _key(height))
        return None if value is None else _block(value)

    def trades(self, interval: int) -> tuple[int, tuple[Trade, ...]] | None:
        """Height of the block that made an interval final, and its trades; None if it is not final, or pruned."""
        value = self._storage.get(_TRADES, _key(interval))
        if value is None:
            return None
        wire: Any = decode(value, max_bytes=_MAX_BYTES)
        height, rows = wire
        return height, tuple(Trade(*row) for row in rows)


def _block(value: bytes) -> CertifiedBlock:
    return CertifiedBlock.from_wire(decode(value, max_bytes=_MAX_BYTES))


def _key(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _number(key: bytes) -> int:
    return int.from_bytes(key, "big")
