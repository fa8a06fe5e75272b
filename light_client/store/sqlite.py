"""The durable store: one SQLite file with a write-ahead log, one transaction and one sync to disk per batch.

    settings    those of `connection.py`
    layout      entries(area, key, value) in the order of area, which is a table's name, and key; the file names
                its program and format

What `commit` has returned from survives the death of the process and the loss of power, as far as the disk keeps its
promises. What it has not returned from is there in full or not at all.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from light_client.session.actor import Write
from light_client.store.batch import folded
from light_client.store.connection import FileKind, check, converted, mark, opened
from light_client.store.errors import StoreError

KIND: Final = FileKind(
    application=0x67726C74,  # "grlt"
    format_=1,
    remedy="put it aside and let the node start anew from its peers",
)
_SCAN_ROWS: Final = 64


class SqliteStorage:
    """One file of values, open in one process only. Close it, or use it in a `with` statement.

    Not for use by several threads.
    """

    def __init__(
        self,
        path: Path,
        *,
        wait_s: float = 5.0,
        page_bytes: int = KIND.page_bytes,
        cache_pages: int = KIND.cache_pages,
    ) -> None:
        """Open the file, or create it, and check that its pages agree with each other.

        Args:
            path: the file; its directory exists. Beside it SQLite keeps `-wal`.
            wait_s: how long to wait for a process that is about to close the file, s.
            page_bytes: of a new file; a commit writes whole pages, so small ones spare flash where values are small.
            cache_pages: most pages that are held in memory.

        Raises:
            StoreBusyError: another process holds the file.
            StoreDamagedError: the file is no store of this format, or it is damaged.
            StoreError: the file cannot be opened or created.
        """
        self._path: Final = path
        self._connection = opened(
            path, replace(KIND, page_bytes=page_bytes, cache_pages=cache_pages), wait_s=wait_s
        )
        try:
            self._create()
            check(self._connection, path, KIND)
        except sqlite3.Error as error:
            self._connection.close()
            raise self._converted(error, "cannot be opened") from error
        except StoreError:
            self._connection.close()
            raise

    def _create(self) -> None:
        """Make the table; the transaction also takes the lock that keeps other processes out."""
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        mark(self._connection, KIND)
        run(
            "CREATE TABLE IF NOT EXISTS entries (area TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,"
            " PRIMARY KEY (area, key)) WITHOUT ROWID"
        )
        run("COMMIT")

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value of a key, or None.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            row = self._connection.execute(
                "SELECT value FROM entries WHERE area=? AND key=?", (table, key)
            ).fetchone()
        except sqlite3.Error as error:
            raise self._converted(error, "cannot be read") from error
        return None if row is None else bytes(row[0])

    def scan(self, table: str, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """All keys from `start` on with their values, ascending.

        Few rows are held at a time. A batch that is committed while the scan runs may or may not be seen.

        Raises:
            StoreError: the file cannot be read.
        """
        comparison = ">="
        while True:
            query = (
                f"SELECT key, value FROM entries WHERE area=? AND key{comparison}?"  # noqa: S608 - two constants
                " ORDER BY key LIMIT ?"
            )
            try:
                rows = self._connection.execute(query, (table, start, _SCAN_ROWS)).fetchall()
            except sqlite3.Error as error:
                raise self._converted(error, "cannot be read") from error
            for key, value in rows:
                yield bytes(key), bytes(value)
            if len(rows) < _SCAN_ROWS:
                return
            start, comparison = rows[-1][0], ">"

    def commit(self, writes: Iterable[Write]) -> None:
        """Make all writes durable together, in order, or none; nothing to write costs nothing.

        Raises:
            LocalError: a write is not one that a store can hold.
            StoreError: the disk is full or failing; no part of the batch is there.
        """
        batch = folded(writes)
        if not batch:
            return
        run = self._connection.execute
        try:
            run("BEGIN IMMEDIATE")
            for (table, key), value in batch.items():
                if value is None:
                    run("DELETE FROM entries WHERE area=? AND key=?", (table, key))
                else:
                    run("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", (table, key, value))
            run("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                run("ROLLBACK")
            raise self._converted(error, "cannot be written") from error

    def close(self) -> None:
        """Fold the log into the file and let go of it."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Return the open store."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _converted(self, error: sqlite3.Error, what: str) -> StoreError:
        """Return our error for SQLite's, by who is to blame."""
        return converted(self._path, KIND, error, what)
