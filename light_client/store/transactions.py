"""One SQLite connection whose writes are durable together or not at all; whose fault a failure is says its owner."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Transactions:
    """What every file with tables of its own has in common. Not for use by several threads."""

    def __init__(
        self, connection: sqlite3.Connection, failed: Callable[[sqlite3.Error, str], Exception]
    ) -> None:
        """Take over a connection.

        Args:
            connection: open, and in no transaction.
            failed: SQLite's error and what could not be done -> the error to raise.
        """
        self._connection = connection
        self._failed = failed

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside durable together, or nothing of it.

        Raises:
            Exception: what the owner makes of SQLite's error; nothing was written.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise self._failed(error, "cannot be written") from error
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):  # the error that led here is the one to tell
                self._connection.execute("ROLLBACK")

    def run(self, statement: str, values: Iterable[Any] = ()) -> int:
        """Run a statement inside a transaction; returns how many rows it changed."""
        return self._connection.execute(statement, tuple(values)).rowcount

    def run_many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run a statement once for each row, inside a transaction."""
        self._connection.executemany(statement, rows)
