"""What is not on the disk yet: a few minutes of rows as a rule, hours of them while the disk is full or read-only."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, TypeGuard

from firmware_app.store.rows import EventRow, ReadingRow, Row
from firmware_app.store.tables import BY_ROW, TABLES, Table

_FILL: Final = 0.7
"""How full a page is as a rule."""
_ROW_BYTES: Final = 120
"""A row with its index, generously."""


class Waiting:
    """Rows in order, and values by name; bounded, the oldest readings leave first."""

    def __init__(self, capacity: int) -> None:
        """Begin with nothing.

        Args:
            capacity: most rows.
        """
        self._capacity = capacity
        self._rows: dict[str, deque[Row]] = {table.name: deque() for table in TABLES}
        self._count = 0
        self.kept: dict[str, bytes] = {}
        self.dropped = 0
        """Rows that had to leave since `clear`."""

    def __len__(self) -> int:
        return self._count

    def __bool__(self) -> bool:
        return bool(self._count or self.kept)

    def add(self, row: Row) -> None:
        """Take a row; beyond the capacity the oldest of the first table with any leaves."""
        self._rows[BY_ROW[type(row)].name].append(row)
        self._count += 1
        while self._count > self._capacity:
            next(rows for rows in self._rows.values() if rows).popleft()
            self._count -= 1
            self.dropped += 1

    def rows(self, boot: int) -> Iterator[Row]:
        """All rows, those that need it marked with the board's present start."""
        for rows in self._rows.values():
            for row in rows:
                yield replace(row, boot=boot) if _is_untimed(row) else row

    def of(self, table: Table) -> list[Row]:
        """The rows of a table in order."""
        return list(self._rows[table.name])

    def restamp(self, offset_ms: int) -> None:
        """Give rows without a UTC time theirs, by the offset of UTC against the monotonic clock."""
        for rows in self._rows.values():
            for place, row in enumerate(rows):
                if _is_untimed(row):
                    rows[place] = replace(row, at_ms=(row.monotonic_ms or 0) + offset_ms)

    def pages(self, page_bytes: int, other_bytes: int) -> int:
        """How many free pages the next commit may need.

        Args:
            page_bytes: size of a page.
            other_bytes: of messages that are written with the rows.
        """
        size = self._count * _ROW_BYTES + other_bytes + sum(map(len, self.kept.values()))
        return int(size / (page_bytes * _FILL)) + 2 * len(TABLES)

    def clear(self) -> None:
        """Forget everything: it is on the disk."""
        for rows in self._rows.values():
            rows.clear()
        self.kept.clear()
        self._count = self.dropped = 0


def _is_untimed(row: Row) -> TypeGuard[ReadingRow | EventRow]:
    """Whether only the board's own clock tells when it was."""
    return isinstance(row, ReadingRow | EventRow) and row.at_ms is None and row.monotonic_ms is not None
