"""Who leaves when room is needed, and how many days fit.

by age      once a day, whatever is older than its table's days
by quota    before a commit that would not fit: the oldest rows of the first table of `TABLES` that has more than
            a handful, so detail goes before money; and when only handfuls are left, the oldest message of the outbox
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from firmware_app.store.database import OUTBOX, PAGE_BYTES, Database
from firmware_app.store.params import StoreParams
from firmware_app.store.rows import Row
from firmware_app.store.tables import BY_ROW, EVENTS, READINGS, TABLES, Table
from light_client.store.errors import StoreDamagedError

DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_HANDFUL: Final = 64
"""Newest rows of a table that stay as long as another table has more."""
_STEP_ROWS: Final = 32
_STEP_PART: Final = 128
"""So few rows leave at once, or this fraction of a table: each time costs some pages, and a page that is not used again
soon is written twice."""
_SAMPLE_ROWS: Final = 512
"""Newest rows from which the present rate is told."""
_CHUNK_ROWS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What had to leave before its time."""

    table: str
    rows: int
    oldest_ms: int | None
    """Time of the oldest row that is still there; None if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """How long what comes in at the present rate is kept."""

    days: dict[str, int]
    """Table -> whole days: those of the configuration, or fewer where the quota is reached before."""
    bytes_per_day: int
    """What comes in, bytes of file."""
    used_bytes: int
    quota_bytes: int
    """Of the file, without its log."""

    @property
    def readings_days(self) -> int:
        """What people ask first: how many days of readings fit."""
        return self.days[READINGS.name]


class Ring:
    """The tables of one database. What changes them is called inside a transaction."""

    def __init__(self, database: Database, params: StoreParams) -> None:
        self.database: Final = database
        self._params = params

    def append(self, rows: Iterable[Row]) -> None:
        """Store rows in order."""
        for kind, group in groupby(rows, key=type):
            table = BY_ROW[kind]
            self.database.run_many(table.insert, map(table.values, group))

    def make_room(self, pages: int) -> list[Left]:
        """Let the oldest leave until so many pages are free, or nothing is left that may leave."""
        left: dict[str, int] = {}
        while self.database.free_pages < pages:
            name, rows = self._evict()
            if not rows:
                break
            left[name] = left.get(name, 0) + rows
        return [Left(table=name, rows=rows, oldest_ms=self.oldest_ms(name)) for name, rows in left.items()]

    def _evict(self) -> tuple[str, int]:
        for table in TABLES:
            first, count = self._extent(table.name)
            if count > _HANDFUL:
                return table.name, self._delete(table.name, first + max(_STEP_ROWS, count // _STEP_PART))
        first, count = self._extent(OUTBOX)
        return OUTBOX, self._delete(OUTBOX, first + 1) if count else 0

    def _extent(self, name: str) -> tuple[int, int]:
        """First `seq` of a table, and how many there are up to its last."""
        ((first, last),) = self.database.rows(f"SELECT min(seq), max(seq) FROM {name}")  # noqa: S608 - our names
        return (0, 0) if first is None else (first, last - first + 1)

    def _delete(self, name: str, before: int) -> int:
        return self.database.run(f"DELETE FROM {name} WHERE seq < ?", (before,))  # noqa: S608 - our names

    def expire(self, now_ms: int, tables: Iterable[Table] = TABLES) -> None:
        """Let rows leave that are older than their table's days; a row without a time leaves with the one after it."""
        for table in tables:
            limit_ms = now_ms - self._params.days(table.name) * DAY_MS
            query = (
                f"SELECT max(seq) FROM (SELECT seq, at_ms FROM {table.name} ORDER BY seq LIMIT {_CHUNK_ROWS})"  # noqa: S608
                " WHERE at_ms < ?"
            )
            while (last := self.database.value(query, (limit_ms,))) is not None:
                self._delete(table.name, last + 1)

    def adopt(self, boot: int) -> None:
        """Count events that a salvage wrote, when no start had a number yet, to the board's present start."""
        self.database.run(
            f"UPDATE {EVENTS.name} SET boot = ? WHERE at_ms IS NULL AND boot IS NULL",  # noqa: S608 - our name
            (boot,),
        )

    def restamp(self, boot: int, offset_ms: int) -> None:
        """Give rows of the board's present start that have no UTC time theirs, by the offset of the two clocks."""
        for table in (READINGS, EVENTS):
            self.database.run(
                f"UPDATE {table.name} SET at_ms = monotonic_ms + ? WHERE at_ms IS NULL AND boot = ?",  # noqa: S608
                (offset_ms, boot),
            )

    def oldest_ms(self, name: str) -> int | None:
        """Time of a table's oldest row that has one."""
        query = f"SELECT at_ms FROM {name} WHERE at_ms IS NOT NULL ORDER BY seq LIMIT 1"  # noqa: S608 - our names
        oldest: int | None = self.database.value(query)
        return oldest

    def newest(self, table: Table, count: int) -> list[Row]:
        """The newest rows of a table, oldest of them first; those that a flipped bit made none are left out.

        Raises:
            StoreError: the file cannot be read.
        """
        found = self.database.rows(f"{table.select} ORDER BY seq DESC LIMIT ?", (count,))
        return list(_parsed(table, reversed(found)))

    def since(self, table: Table, from_ms: int) -> Iterator[Row]:
        """Rows from a time on, in the order in which they came; few are held at a time.

        Raises:
            StoreError: the file cannot be read.
        """
        seq = -1
        query = f"{table.select} WHERE seq > ? AND at_ms >= ? ORDER BY seq LIMIT {_CHUNK_ROWS}"
        while found := self.database.rows(query, (seq, from_ms)):
            yield from _parsed(table, found)
            seq = found[-1][0]

    def holding(self, now_ms: int | None) -> Holding:
        """Tell how many days fit at the present rate, by the order in which rows leave.

        Args:
            now_ms: UTC, ms; None if it is not trusted, and then the newest row of each table stands for it.

        Raises:
            StoreError: the file cannot be read.
        """
        begun_ms = min(filter(None, (self.oldest_ms(table.name) for table in TABLES)), default=0)
        rates = {table.name: self._rate(table, begun_ms, now_ms or 0) for table in TABLES}
        quota = self.database.max_pages * PAGE_BYTES
        room = quota - self._outbox_bytes()
        days: dict[str, int] = {}
        for table in reversed(TABLES):  # who leaves last is served first
            rate, wanted = rates[table.name], self._params.days(table.name)
            days[table.name] = wanted if rate == 0 else min(wanted, max(room, 0) // rate)
            room -= days[table.name] * rate
        return Holding(
            days=days,
            bytes_per_day=sum(rates.values()),
            used_bytes=self.database.used_pages * PAGE_BYTES,
            quota_bytes=quota,
        )

    def _rate(self, table: Table, begun_ms: int, now_ms: int) -> int:
        """What comes into a table, bytes a day, told from its newest rows, or since the history begins."""
        query = (
            f"SELECT count(*), min(at_ms), max(at_ms), sum(bytes) FROM (SELECT at_ms, {table.size} AS bytes"  # noqa: S608
            f" FROM {table.name} ORDER BY seq DESC LIMIT {_SAMPLE_ROWS}) WHERE at_ms IS NOT NULL"
        )
        ((count, oldest_ms, newest_ms, size),) = self.database.rows(query)
        if not count:
            return 0
        since_ms = oldest_ms if count == _SAMPLE_ROWS else min(begun_ms, oldest_ms)
        return int(size * DAY_MS // max(now_ms - since_ms, newest_ms - since_ms, _HOUR_MS))

    def _outbox_bytes(self) -> int:
        size: Any = self.database.value(f"SELECT sum(length(body)) FROM {OUTBOX}")  # noqa: S608 - our name
        return int(size or 0)


def _parsed(table: Table, found: Iterable[tuple[Any, ...]]) -> Iterator[Row]:
    for values in found:
        with suppress(StoreDamagedError):
            yield table.parse(values[1:])
