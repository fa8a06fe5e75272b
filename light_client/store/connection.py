"""How a SQLite file is opened by all that keep something on this machine, and whose fault its errors are.

    WAL journal         a commit appends to one file and syncs it once
    synchronous=FULL    a commit is on the disk when it returns
    exclusive locking   one process, and no shared memory
    cell size check     a page is looked at before it is believed

Source: https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html#pragma_synchronous.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from light_client.store.errors import StoreBusyError, StoreDamagedError, StoreError

_BUSY_CODES: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED_CODES: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKind:
    """What a file says of itself in its header."""

    application: int
    """Names the program and the purpose."""
    format_: int
    """Rises when the tables change."""
    remedy: str
    """What to do about a damaged file: goes into the error's sentence."""
    page_bytes: int = 4096
    """Page size of a new file."""
    cache_pages: int = 512
    """Most pages that are held in memory: two megabytes of large ones."""


def opened(path: Path, kind: FileKind, *, wait_s: float = 5.0) -> sqlite3.Connection:
    """Open or create a file and refuse one of another kind; transactions are the caller's.

    Args:
        path: the file; its directory exists. Beside it SQLite keeps `-wal`.
        kind: what the file has to be.
        wait_s: how long to wait for a process that is about to close the file, s.

    Raises:
        StoreBusyError: another process holds the file.
        StoreDamagedError: the file is of another kind, or it is damaged.
        StoreError: the file cannot be opened or created.
    """
    try:
        connection = sqlite3.connect(path, timeout=wait_s, isolation_level=None)
    except sqlite3.Error as error:
        raise converted(path, kind, error, "cannot be opened") from error
    try:
        _prepare(connection, path, kind)
    except sqlite3.Error as error:
        connection.close()
        raise converted(path, kind, error, "cannot be opened") from error
    except StoreError:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, kind: FileKind) -> None:
    """Set the file up and refuse one that is not of this kind."""
    run = connection.execute
    run("PRAGMA locking_mode=EXCLUSIVE")  # before the first access, so that no shared memory is needed
    run("PRAGMA cell_size_check=ON")
    run(f"PRAGMA page_size={kind.page_bytes}")  # takes effect in an empty file only
    run(f"PRAGMA cache_size={kind.cache_pages}")
    (application,) = run("PRAGMA application_id").fetchone()
    (objects,) = run("SELECT count(*) FROM sqlite_master").fetchone()
    (version,) = run("PRAGMA user_version").fetchone()
    wanted = (kind.application, kind.format_)
    found = (application, version) if objects or application else wanted
    if found != wanted:
        raise StoreDamagedError(
            f"{path} is not a store of this format",
            got=f"application {application:#x}, format {version}",
            expected=f"application {kind.application:#x}, format {kind.format_}",
        )
    (journal,) = run("PRAGMA journal_mode=WAL").fetchone()
    if journal != "wal":
        raise StoreError(f"{path} lies where no write-ahead log can be kept", got=journal, expected="wal")
    run("PRAGMA synchronous=FULL")


def mark(connection: sqlite3.Connection, kind: FileKind) -> None:
    """Write into the header what the file is, inside the caller's transaction."""
    connection.execute(f"PRAGMA application_id={kind.application}")
    connection.execute(f"PRAGMA user_version={kind.format_}")


def check(connection: sqlite3.Connection, path: Path, kind: FileKind, *, thorough: bool = True) -> None:
    """Hold the pages of a file against each other; `thorough` the indexes against their tables too.

    Raises:
        StoreDamagedError: they do not agree.
        StoreError: the file cannot be read.
    """
    try:
        rows = connection.execute(f"PRAGMA {'integrity' if thorough else 'quick'}_check(1)").fetchall()
    except sqlite3.Error as error:
        raise converted(path, kind, error, "cannot be checked") from error
    if rows != [("ok",)]:
        raise StoreDamagedError(f"{path} is damaged: {kind.remedy}", got=rows[0][0] if rows else "no verdict")


def converted(path: Path, kind: FileKind, error: sqlite3.Error, what: str) -> StoreError:
    """Return our error for SQLite's, by who is to blame."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary in _BUSY_CODES:
        return StoreBusyError(f"{path} is in use by another process", got=str(error))
    if primary in _DAMAGED_CODES:
        return StoreDamagedError(f"{path} is damaged: {kind.remedy}", got=str(error))
    return StoreError(f"{path} {what}", got=str(error))
