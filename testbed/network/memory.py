"""The storage port in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from light_client.session.actor import Write


class MemoryStorage:
    """Tables of keys and values; outlives the actor that writes to it."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[bytes, bytes]] = {}
        self.bytes_written = 0

    def apply(self, writes: Iterable[Write]) -> None:
        """Make the writes of one call durable, all together."""
        for write in writes:
            table = self._tables.setdefault(write.table, {})
            if write.value is None:
                table.pop(write.key, None)
            else:
                table[write.key] = write.value
                self.bytes_written += len(write.key) + len(write.value)

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        return self._tables.get(table, {}).get(key)

    def scan(self, table: str, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """All keys from ``start`` on with their values, ascending."""
        rows = self._tables.get(table, {})
        for key in sorted(key for key in rows if key >= start):
            yield key, rows[key]
