"""Bundles and key sets out of a folder: a USB stick, or wherever somebody copied them on the board.

Their order does not matter, since the agent keeps what has to wait. Whatever else lies there is refused.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware_app.fleet.envelope import MAX_ENVELOPE_BYTES

FOLDER: Final = "gridlight"
"""Where on a stick they lie."""
MAX_FILES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One file."""

    name: str
    raw: bytes
    """At most one byte more than an envelope may have, so that what is too long is refused for that."""


def read_folder(folder: Path) -> tuple[Found, ...]:
    """The first files by name; none where there is no such folder.

    Only regular files count: a link could lead anywhere, a pipe would never end. A file that cannot be read is passed
    over, as sticks are pulled out at any moment.
    """
    found = []
    for name in _names(folder):
        raw = _read(folder / name)
        if raw is not None:
            found.append(Found(name=name, raw=raw))
        if len(found) == MAX_FILES:
            break
    return tuple(found)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def _read(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_ENVELOPE_BYTES + 1)
    except OSError:
        return None
    finally:
        os.close(descriptor)
