"""A new database in the place of a damaged one: a power cut at any moment leaves one of the two, never a mixture.

NAME.building      being made; thrown away when it is found
NAME.salvaged      made and whole; a start that finds it goes on here
NAME.damaged       the last damaged one, for people; at most one is kept
NAME-wal, -journal belong to NAME: they must never be found beside another file of this name, so they leave first
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from firmware_app.store.files import Files

_LOGS: Final = ("-wal", "-journal")


def finish_replacement(files: Files, path: Path) -> None:
    """Go on with a replacement that a power cut interrupted, or clear away what it had not finished.

    Raises:
        OSError: the disk is read-only or failing.
    """
    if _salvaged(path).exists():
        _put_in_place(files, path)
    building = building_of(path)
    for leftover in (*(_beside(building, end) for end in _LOGS), building):
        if leftover.exists():
            files.remove(leftover)


def replace_database(files: Files, path: Path, build: Callable[[Path], None]) -> None:
    """Put a database that `build` makes in the place of a damaged one, which is kept aside.

    Args:
        path: nobody has it open.
        build: makes and closes a database at the path it is given.

    Raises:
        OSError: the disk is full, read-only or failing; the damaged one is still there.
    """
    finish_replacement(files, path)
    building = building_of(path)
    try:
        build(building)
    except Exception:
        with suppress(OSError):
            finish_replacement(files, path)  # a full disk needs the room
        raise
    files.sync_folder(path.parent)  # its log is gone for good, and its name is there
    files.replace(building, _salvaged(path))
    files.sync_folder(path.parent)
    _put_in_place(files, path)


def building_of(path: Path) -> Path:
    """Where the new one is made."""
    return path.with_name(f"{path.name}.building")


def damaged_of(path: Path) -> Path:
    """Where the last damaged one lies."""
    return path.with_name(f"{path.name}.damaged")


def _salvaged(path: Path) -> Path:
    return path.with_name(f"{path.name}.salvaged")


def _beside(path: Path, end: str) -> Path:
    return path.with_name(f"{path.name}{end}")


def _put_in_place(files: Files, path: Path) -> None:
    aside = damaged_of(path)
    for end in (*_LOGS, ""):
        if _beside(path, end).exists():
            files.replace(_beside(path, end), _beside(aside, end))
    files.sync_folder(path.parent)  # the old log is gone for good before the new file takes the name
    files.replace(_salvaged(path), path)
    files.sync_folder(path.parent)
