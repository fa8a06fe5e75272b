"""The desk's SQLite file: one service and any number of commands use it at the same time.

WAL journal        readers never wait for a writer, nor a writer for readers
synchronous=FULL   a commit is on the disk when it returns: what was acknowledged to a device is never lost
BEGIN IMMEDIATE    a transaction that will write says so at once, so that two never find out at their end
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from deploy.operator.desk.schema import STEPS
from firmware_app.console import CommandError
from light_client.store.connection import FileKind, check, converted
from light_client.store.errors import StoreDamagedError, StoreError
from light_client.store.transactions import Transactions

KIND: Final = FileKind(
    application=0x67726C64,  # "grld"
    format_=len(STEPS),
    remedy="put back a copy of the folder, and start the service: it asks the devices for the rest",
)
WAIT_S: Final = 10.0
"""How long a command waits for another's transaction, s."""


class Database(Transactions):
    """One connection. Not for use by several threads."""

    def __init__(self, path: Path, *, thorough: bool = False) -> None:
        """Open or create the file, and bring it to the newest format.

        Args:
            thorough: whether every page and index is looked at, which takes a second or two for a large fleet.

        Raises:
            StoreDamagedError: it is damaged, of another kind, or of a later format.
            StoreError: it cannot be opened.
        """
        self.path: Final = path
        try:
            connection = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)
        except sqlite3.Error as error:
            raise converted(path, KIND, error, "cannot be opened") from error
        super().__init__(connection, self._error)
        try:
            self._prepare()
            check(self._connection, path, KIND, thorough=thorough)
            self._connection.row_factory = sqlite3.Row
        except sqlite3.Error as error:
            self._connection.close()
            raise converted(path, KIND, error, "cannot be opened") from error
        except StoreError:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        run = self._connection.execute
        run("PRAGMA cell_size_check=ON")
        run("PRAGMA foreign_keys=ON")
        run("PRAGMA journal_mode=WAL").fetchone()
        run("PRAGMA synchronous=FULL")
        if self._format() == KIND.format_:
            return
        run("BEGIN IMMEDIATE")
        try:
            for number in range(
                self._format(), KIND.format_
            ):  # asked again: another command may have been first
                for statement in STEPS[number]:
                    run(statement)
            run(f"PRAGMA application_id={KIND.application}")
            run(f"PRAGMA user_version={KIND.format_}")
        except BaseException:
            run("ROLLBACK")
            raise
        run("COMMIT")

    def _format(self) -> int:
        """The format of the file, 0 for one that is empty.

        Raises:
            StoreDamagedError: it is not ours, or later than we know.
        """
        run = self._connection.execute
        (application,) = run("PRAGMA application_id").fetchone()
        (format_,) = run("PRAGMA user_version").fetchone()
        (objects,) = run("SELECT count(*) FROM sqlite_master").fetchone()
        if not objects and not application:
            return 0
        if application != KIND.application or not 0 < format_ <= KIND.format_:
            raise StoreDamagedError(
                f"{self.path} is no desk of this release",
                got=f"application {application:#x}, format {format_}",
                expected=f"application {KIND.application:#x}, format up to {KIND.format_}",
            )
        return int(format_)

    @property
    def writes(self) -> int:
        """A number that changes when another connection commits."""
        (number,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(number)

    def rows(self, statement: str, values: Iterable[Any] = ()) -> list[sqlite3.Row]:
        """All rows of a question."""
        return self._connection.execute(statement, tuple(values)).fetchall()

    def row(self, statement: str, values: Iterable[Any] = ()) -> sqlite3.Row | None:
        """The first row, or None."""
        found: sqlite3.Row | None = self._connection.execute(statement, tuple(values)).fetchone()
        return found

    def _error(self, error: sqlite3.Error, what: str) -> CommandError:
        """The disk is full or failing, or somebody else writes for too long."""
        return CommandError(str(converted(self.path, KIND, error, what)))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
