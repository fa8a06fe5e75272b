"""The file of the light client and the wallet, opened whatever became of it.

A power cut cannot harm it (tests/testbed/powercut). A worn card can: then its values are salvaged as far as they can be
read, the damaged file is kept aside, and the wallet goes on at indexes that nobody can have used, since the newest
index may be among what was lost, and an address must never be used twice. What the light client lost it fetches and
proves again.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from firmware_app.store.database import CACHE_PAGES, PAGE_BYTES
from firmware_app.store.files import Files
from firmware_app.store.replacement import finish_replacement, replace_database
from light_client.session.actor import Write
from light_client.store.errors import StoreDamagedError, StoreError
from light_client.store.sqlite import SqliteStorage
from light_client.wallet.wallet import skip_used

_TABLE: Final = "salvage"
_NOTE: Final = b"note"
_BATCH: Final = 256
_Entry = tuple[str, bytes, bytes]


class State(NamedTuple):
    """The open file."""

    storage: SqliteStorage
    note: str
    """What was damaged and what was kept, until `noted` was committed; empty where nothing was damaged."""


def open_state(
    path: Path,
    *,
    wallets: Iterable[str],
    files: Files | None = None,
    chance: Callable[[int], bytes] = secrets.token_bytes,
) -> State:
    """Open or create the file; salvage it if it is damaged.

    Args:
        wallets: the tables of the store that hold a wallet's next index.
        files: the system calls; the real ones if not given.
        chance: so many random bytes.

    Raises:
        StoreBusyError: another process has the file.
        StoreError: the disk cannot be read or written now.
    """
    calls = files or Files()
    try:
        finish_replacement(calls, path)
        storage = _opened_or_salvaged(path, calls, wallets, chance)
    except OSError as error:
        raise StoreError(f"{path} cannot be opened", got=error.strerror) from error
    note = storage.get(_TABLE, _NOTE)
    return State(storage, "" if note is None else note.decode(errors="replace"))


def noted() -> Write:
    """The write that ends the note, once its sentence is recorded elsewhere."""
    return Write(table=_TABLE, key=_NOTE, value=None)


def _opened_or_salvaged(
    path: Path, files: Files, wallets: Iterable[str], chance: Callable[[int], bytes]
) -> SqliteStorage:
    try:
        return _opened(path)
    except StoreDamagedError as damage:
        reason = str(damage)

    def build(fresh: Path) -> None:
        with _opened(fresh) as storage:
            kept = _copy(path, storage)
            writes = [skip_used(table, chance(8)) for table in wallets]
            note = f"{reason}; kept {kept} values, and skipped the addresses that may have been used"
            storage.commit([*writes, Write(table=_TABLE, key=_NOTE, value=note.encode())])

    replace_database(files, path, build)
    return _opened(path)


def _opened(path: Path) -> SqliteStorage:
    """Records have a few hundred bytes, and a commit writes whole pages: they are as small as the history's."""
    return SqliteStorage(path, page_bytes=PAGE_BYTES, cache_pages=CACHE_PAGES)


def _copy(damaged: Path, storage: SqliteStorage) -> int:
    """Copy what can be read; returns how many values that was."""
    found: dict[tuple[str, bytes], bytes] = {}
    kept = 0
    for area, key, value in _readable(damaged):
        found[area, key] = value
        if len(found) >= _BATCH:
            kept += _moved(found, storage)
    return kept + _moved(found, storage)


def _moved(found: dict[tuple[str, bytes], bytes], storage: SqliteStorage) -> int:
    count = len(found)
    storage.commit([Write(table=area, key=key, value=value) for (area, key), value in found.items()])
    found.clear()
    return count


def _readable(path: Path) -> Iterator[_Entry]:
    """Yield the entries before the first page that cannot be read, then from the end back those after the last one."""
    try:
        connection = sqlite3.connect(path, isolation_level=None)
    except sqlite3.Error:
        return
    try:
        last = None
        for entry in _until_damage(connection, "ASC"):
            last = entry[:2]
            yield entry
        for entry in _until_damage(connection, "DESC"):
            if last is not None and entry[:2] <= last:
                return
            yield entry
    finally:
        connection.close()


def _until_damage(connection: sqlite3.Connection, order: str) -> Iterator[_Entry]:
    try:
        cursor = connection.execute(
            f"SELECT area, key, value FROM entries ORDER BY area {order}, key {order}"  # noqa: S608 - two constants
        )
        while (row := cursor.fetchone()) is not None:
            if tuple(map(type, row)) == (str, bytes, bytes):
                yield row
    except sqlite3.Error:
        return
