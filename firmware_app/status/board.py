"""The computer, read from the kernel's files: no privilege, no other program, a few milliseconds."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from pathlib import Path

from firmware_app.status.snapshot import Absent, Board, Maybe

_MAX_FILE = 65_536


def board_view(store: Path, *, root: Path = Path("/")) -> Board:
    """Look at the board.

    Args:
        store: a file or folder on the file system that holds the store.
        root: where `etc`, `proc` and `sys` are.
    """
    return Board(
        title=_title(root),
        resident_bytes=_kilobytes(root / "proc/self/status", "VmRSS:"),
        memory_free_bytes=_kilobytes(root / "proc/meminfo", "MemAvailable:"),
        disk_free_bytes=_free(store),
        root_read_only=_root_read_only(root / "proc/self/mounts"),
        temperature_mc=_number(root / "sys/class/thermal/thermal_zone0/temp"),
    )


def _title(root: Path) -> str:
    """Name and version of the system, and its architecture."""
    text = _text(root / "etc/os-release")
    system = "Linux"
    if isinstance(text, str):
        names = dict(line.partition("=")[::2] for line in text.splitlines())
        name, version = (names.get(key, "").strip("\"'") for key in ("ID", "VERSION_ID"))
        system = f"{name.capitalize()} {version}".strip() or system
    return f"{system} {platform.machine()}".strip()


def _text(file: Path) -> str | Absent:
    try:
        with file.open("rb") as opened:
            return opened.read(_MAX_FILE).decode("utf-8", "replace")
    except OSError as error:
        return Absent(f"{file.name}: {(error.strerror or 'unreadable').lower()}")


def _parsed(file: Path, find: Callable[[str], int]) -> Maybe[int]:
    text = _text(file)
    if isinstance(text, Absent):
        return text
    try:
        return find(text)
    except (ValueError, IndexError):
        return Absent(f"{file.name} does not tell")


def _kilobytes(file: Path, key: str) -> Maybe[int]:
    return _parsed(file, lambda text: int(text[text.index(key) :].split()[1]) * 1_024)


def _number(file: Path) -> Maybe[int]:
    return _parsed(file, int)


def _free(place: Path) -> Maybe[int]:
    try:
        found = os.statvfs(place)
    except OSError as error:
        return Absent(f"{place}: {(error.strerror or 'unreadable').lower()}")
    return found.f_bavail * found.f_frsize


def _root_read_only(mounts: Path) -> Maybe[bool]:
    text = _text(mounts)
    if isinstance(text, Absent):
        return text
    options = [words[3].split(",") for words in map(str.split, text.splitlines()) if words[1:2] == ["/"]]
    return "ro" in options[-1] if options else Absent("no root among the mounts")
