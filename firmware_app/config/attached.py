"""Files that a document names: on the board beside it, or fetched with the bundle that the document came by."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ATTACHMENTS: Final = Path("fleet") / "attachments"
"""In the data folder: fetched files under the names that are their hashes."""
SCHEME: Final = "attachment:"
_NAMED: Final = re.compile(rf"{SCHEME}([0-9a-f]{{64}})")


def attached_name(named: str) -> str | None:
    """The attachment, 64 hexadecimal digits, that a value stands for; None for the path of a file."""
    found = _NAMED.fullmatch(named)
    return None if found is None else found[1]


def file_named(named: str, document: Path, data_folder: Path) -> Path:
    """Where a file lies that a document names.

    Args:
        document: the device's file, which paths are relative to.
    """
    name = attached_name(named)
    return document.parent / named if name is None else data_folder / ATTACHMENTS / name
