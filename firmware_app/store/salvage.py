"""Row by row out of a damaged database into a new one: what can still be read is kept, what cannot is counted.

A damaged page takes its own rows with it and no others: a table is read from its beginning up to the first page that
cannot be read, from its end back to the last one, and what lies between by halving until single rows remain.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from firmware_app.store.database import OUTBOX, Database
from firmware_app.store.params import Room
from firmware_app.store.rows import EventRow
from firmware_app.store.tables import EVENTS, TABLES
from light_client.store.errors import StoreDamagedError

_CHUNK_ROWS: Final = 128
_BATCH_ROWS: Final = 512
_MAX_ROW: Final = (1 << 63) - 1
_TAIL_ROWS: Final = 1 << 20
"""How far beyond the last readable row to look where the end of a table is damaged."""
_MAX_FAILURES: Final = 20_000
"""Most attempts that may fail in one table: beyond the end of a damaged one all of them do."""

_Values = tuple[Any, ...]


class _Source(NamedTuple):
    """One table of the damaged file."""

    name: str
    columns: tuple[str, ...]
    check: Callable[[_Values], object]
    """Raises StoreDamagedError if a row, without its number, is none."""


@dataclass(slots=True, kw_only=True)
class Salvaged:
    """What came out of a damaged file."""

    kept: dict[str, int] = field(default_factory=dict)
    """Table -> rows."""
    lost: dict[str, int] = field(default_factory=dict)
    """Table -> rows that are missing between others, at least; tables without a loss are left out."""

    def sentence(self) -> str:
        """For the event that tells of it."""
        kept = ", ".join(f"{count} {name}" for name, count in self.kept.items() if count) or "nothing"
        lost = ", ".join(f"{count} {name}" for name, count in self.lost.items()) or "none that can be counted"
        return f"kept {kept}; lost at least: {lost}"


def salvage(damaged: Path, fresh: Path, *, room: Room, event: Callable[[str], EventRow]) -> Salvaged:
    """Make a new database of what can be read of a damaged one, and record in it what is missing.

    Args:
        event: makes the record of a sentence; it is in the new database before anybody finds that one.

    Raises:
        StoreError: the new one cannot be written.
    """
    result = Salvaged()
    target = Database(fresh, room=room)
    source = _opened(damaged)
    try:
        for table in _sources():
            _copy(source, target, table, result)
        with target.transaction():
            target.run(EVENTS.insert, EVENTS.values(event(result.sentence())))
    finally:
        if source is not None:
            source.close()
        target.close()
    return result


def _sources() -> list[_Source]:
    tables = [_Source(table.name, table.columns, table.parse) for table in TABLES]
    plain = {
        OUTBOX: ("at_ms", "destination", "key", "kind", "body"),
        "kept": ("name", "value"),
        "written": ("day", "bytes"),
        "boots": ("number", "boot_id"),
    }
    return tables + [_Source(name, columns, lambda _: None) for name, columns in plain.items()]


def _opened(path: Path) -> sqlite3.Connection | None:
    """Open the damaged file without asking whether it is one of ours."""
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA cell_size_check=ON")
        connection.execute("PRAGMA writable_schema=ON")  # or a file that was cut short is refused as a whole
    except sqlite3.Error:
        return None
    return connection


def _copy(source: sqlite3.Connection | None, target: Database, table: _Source, result: Salvaged) -> None:
    columns = ", ".join(table.columns)
    marks = ", ".join("?" * (len(table.columns) + 1))
    insert = f"INSERT OR IGNORE INTO {table.name} (rowid, {columns}) VALUES ({marks})"  # noqa: S608 - our names
    kept, first, last = 0, None, 0
    rows = iter(() if source is None else _readable(source, table))
    while batch := list(islice(rows, _BATCH_ROWS)):
        with target.transaction():
            for row in batch:
                kept += target.run(insert, row)
        first = batch[0][0] if first is None else first
        last = batch[-1][0]
    result.kept[table.name] = kept
    missing = 0 if first is None else last - first + 1 - kept
    if missing > 0 and table.name in {known.name for known in TABLES}:
        result.lost[table.name] = missing


def _readable(source: sqlite3.Connection, table: _Source) -> Iterator[_Values]:
    """Yield all rows that can be read and are rows, ascending."""
    query = f"SELECT rowid, {', '.join(table.columns)} FROM {table.name}"  # noqa: S608 - our names
    try:
        source.execute(f"{query} LIMIT 0")
    except sqlite3.Error:
        return  # the page that lists the tables is damaged
    for row in _rows(source, table.name, query):
        try:
            table.check(row[1:])
        except StoreDamagedError:
            continue
        yield row


def _rows(source: sqlite3.Connection, name: str, query: str) -> Iterator[_Values]:
    last = -1
    try:
        while chunk := _between(source, query, last + 1, _MAX_ROW):
            yield from chunk
            last = chunk[-1][0]
    except sqlite3.Error:
        yield from _halved(source, query, last + 1, _last_number(source, name, last))


def _between(source: sqlite3.Connection, query: str, low: int, high: int) -> list[_Values]:
    return source.execute(
        f"{query} WHERE rowid BETWEEN ? AND ? ORDER BY rowid LIMIT {_CHUNK_ROWS}", (low, high)
    ).fetchall()


def _last_number(source: sqlite3.Connection, name: str, after: int) -> int:
    """The last number of a table, or a guess where its end is damaged."""
    try:
        (last,) = source.execute(f"SELECT max(rowid) FROM {name}").fetchone()  # noqa: S608 - our names
    except sqlite3.Error:
        return after + _TAIL_ROWS
    return int(last or 0)


def _halved(source: sqlite3.Connection, query: str, low: int, high: int) -> Iterator[_Values]:
    """Yield what can be read of a stretch that holds damaged pages, ascending."""
    failures = 0
    waiting = [(low, high)]
    while waiting and failures < _MAX_FAILURES:
        low, high = waiting.pop()
        if low > high:
            continue
        try:
            chunk = _between(source, query, low, high)
        except sqlite3.Error:
            failures += 1
            if low < high:
                middle = (low + high) // 2
                waiting += [(middle + 1, high), (low, middle)]
            continue
        yield from chunk
        if len(chunk) == _CHUNK_ROWS:
            waiting.append((chunk[-1][0] + 1, high))
