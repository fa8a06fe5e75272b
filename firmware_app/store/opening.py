"""The start of the ring: go on where a replacement was interrupted, check the file, salvage it if it is damaged.

| what is found                        | what is done                                                        |
|--------------------------------------|---------------------------------------------------------------------|
| no file                              | a new one                                                           |
| a file that was closed               | pages are held against each other (`quick_check`)                   |
| a file with a log: power was cut     | the log is read, indexes are held against tables (`integrity_check`)|
| a damaged file, or one of no use     | salvaged row by row into a new one; the old one is kept aside       |
| `.salvaged`, `.building`             | finished, or thrown away                                            |
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from firmware_app.store.database import Database
from firmware_app.store.files import Files
from firmware_app.store.params import Room
from firmware_app.store.replacement import finish_replacement, replace_database
from firmware_app.store.rows import EventRow
from light_client.store.errors import StoreDamagedError, StoreError

_LOG: Final = "-wal"


class Found(Enum):
    """In which state the file was."""

    NEW = "new"
    CLOSED = "closed"
    CUT_OFF = "cut off"
    DAMAGED = "damaged"


class Opening(NamedTuple):
    """An open database, and how it was found."""

    database: Database
    found: Found


def open_ring(path: Path, files: Files, *, room: Room, event: Callable[[str], EventRow]) -> Opening:
    """Open the ring's file, whatever became of it.

    Args:
        room: how large it may grow.
        event: makes the record of a salvage, given what was found and kept.

    Raises:
        StoreBusyError: another process holds it.
        StoreError: the disk cannot be read or written now.
    """
    try:
        finish_replacement(files, path)
        found = _state_of(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be opened", got=error.strerror) from error
    try:
        return Opening(Database(path, room=room, thorough=found is Found.CUT_OFF), found)
    except StoreDamagedError as damage:
        what = str(damage)
        _salvage(path, files, room, lambda sentence: event(f"{what}; {sentence}"))
        return Opening(Database(path, room=room, thorough=True), Found.DAMAGED)


def _state_of(path: Path) -> Found:
    if not path.exists():
        return Found.NEW
    log = path.with_name(f"{path.name}{_LOG}")
    return Found.CUT_OFF if log.exists() and log.stat().st_size else Found.CLOSED


def _salvage(path: Path, files: Files, room: Room, event: Callable[[str], EventRow]) -> None:
    from firmware_app.store.salvage import salvage  # noqa: PLC0415 - once in a card's life

    def build(fresh: Path) -> None:
        salvage(path, fresh, room=room, event=event)

    try:
        replace_database(files, path, build)
    except OSError as error:
        raise StoreError(f"{path} is damaged, and cannot be replaced", got=error.strerror) from error
