"""The file of the ring: its tables, its transactions, and the most pages that it may ever have.

page size           small, since a commit writes whole pages and readings are small (docs/adr/0033)
secure_delete=OFF   what was deleted is not overwritten with zeros: that would write every page once more
no vacuum           pages that were given back are used again; the file grows to its quota and stays there
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from firmware_app.store.params import Room
from firmware_app.store.tables import TABLES
from light_client.store.connection import FileKind, check, converted, mark, opened
from light_client.store.errors import StoreError
from light_client.store.transactions import Transactions

PAGE_BYTES: Final = 1_024
CACHE_PAGES: Final = 128
"""Of a device's file held in memory: several times what a transaction changes. The kernel has the others."""
KIND: Final = FileKind(
    application=0x67726C68,  # "grlh"
    format_=1,
    remedy="its rows are salvaged into a new file",
    page_bytes=PAGE_BYTES,
    cache_pages=CACHE_PAGES,
)
WAIT_S: Final = 5.0
"""How long to wait for a program that is about to close the file, s."""
OUTBOX: Final = "outbox"
SCHEMA: Final = (
    *(table.create for table in TABLES),
    (
        f"CREATE TABLE IF NOT EXISTS {OUTBOX} (seq INTEGER PRIMARY KEY, at_ms INTEGER, destination TEXT NOT NULL,"
        " key TEXT NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL, UNIQUE (destination, key)) STRICT"
    ),
    "CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS written (day INTEGER PRIMARY KEY, bytes INTEGER NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS boots (number INTEGER PRIMARY KEY, boot_id TEXT NOT NULL UNIQUE) STRICT",
)


class StoreFullError(StoreError):
    """The disk is full, or the file has reached its quota."""


class Database(Transactions):
    """One open file. Not for use by several threads."""

    def __init__(self, path: Path, *, room: Room, thorough: bool = False) -> None:
        """Open or create the file and check it.

        Args:
            room: how large the file and its log may grow.
            thorough: whether indexes are held against their tables too, as after a power cut.

        Raises:
            StoreBusyError: another process holds the file.
            StoreDamagedError: the file is damaged, or none of ours.
            StoreError: it cannot be opened or created.
        """
        self.path: Final = path
        self.max_pages: Final = room.file_bytes // PAGE_BYTES
        self._log_pages = room.log_pages
        super().__init__(opened(path, KIND, wait_s=WAIT_S), self._error)
        try:
            self._prepare()
            check(self._connection, path, KIND, thorough=thorough)
        except sqlite3.Error as error:
            self._connection.close()
            raise self._error(error, "cannot be opened") from error
        except StoreError:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        run = self._connection.execute
        run("PRAGMA secure_delete=OFF")
        run("PRAGMA temp_store=MEMORY")
        run(f"PRAGMA wal_autocheckpoint={self._log_pages}")
        run(f"PRAGMA max_page_count={self.max_pages}")
        run("BEGIN IMMEDIATE")  # also takes the lock that keeps other processes out
        (tables,) = run("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables:
            mark(self._connection, KIND)
        for statement in SCHEMA:  # a file of an earlier release gets the tables that it lacks
            run(statement)
        run("COMMIT")

    def rows(self, query: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """The answer to a query.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            return self._connection.execute(query, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise self._error(error, "cannot be read") from error

    def value(self, query: str, values: Iterable[Any] = ()) -> Any:
        """The first column of a query's first row, or None.

        Raises:
            StoreError: the file cannot be read.
        """
        rows = self.rows(query, values)
        return rows[0][0] if rows else None

    @property
    def used_pages(self) -> int:
        """Pages that hold something."""
        used: int = self.value("PRAGMA page_count") - self.value("PRAGMA freelist_count")
        return used

    @property
    def free_pages(self) -> int:
        """Pages that can still be filled within the quota."""
        return self.max_pages - self.used_pages

    def close(self) -> None:
        """Fold the log into the file and let go of it."""
        with suppress(sqlite3.Error):  # a disk that fails now leaves the log, which the next start reads
            self._connection.close()

    def _error(self, error: sqlite3.Error, what: str) -> StoreError:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            return StoreFullError(f"{self.path} {what}", got=str(error))
        return converted(self.path, KIND, error, what)
