"""Python's compiled files of Debian's packages: taken as they are, without a look at their sources.

Debian's own compiler ties them to the second of their source; under SOURCE_DATE_EPOCH, as here, to a hash of it that is
checked: each start would read every source beside its compiled file, and hash it. On a card nobody writes either, and
the update's signature vouches for both. So the hash stays, and nobody asks for it.

Source: PEP 552 (layout of the first sixteen bytes; unchecked hashes).
"""

from __future__ import annotations

import _imp
from pathlib import Path
from typing import Final

_HEADER: Final = 16
_BY_TIME: Final = (0).to_bytes(4, "little")
_CHECKED_HASH: Final = (0b11).to_bytes(4, "little")
_UNCHECKED_HASH: Final = (0b01).to_bytes(4, "little")


def free_of_sources(root: Path) -> int:
    """Rewrite the header of each compiled file that would have its source looked at; return how many there were.

    Args:
        root: folder; files that name a time, and have no source, stay as they are.
    """
    count = 0
    for path in sorted(root.rglob("__pycache__/*.pyc")):
        raw = path.read_bytes()
        told = _hash_of_source(path, raw) if len(raw) >= _HEADER else None
        if told is None:
            continue
        mode = path.stat().st_mode
        path.unlink()  # it may be linked to the same file of another tree
        path.write_bytes(raw[:4] + _UNCHECKED_HASH + told + raw[_HEADER:])
        path.chmod(mode & 0o7777)
        count += 1
    return count


def _hash_of_source(path: Path, raw: bytes) -> bytes | None:
    """As the file names it already, or of the source beside its folder; None where nothing is to be done."""
    if raw[4:8] == _CHECKED_HASH:
        return raw[8:_HEADER]
    source = path.parent.parent / f"{path.name.partition('.')[0]}.py"
    if raw[4:8] != _BY_TIME or not source.is_file():
        return None
    return _imp.source_hash(int.from_bytes(raw[:4], "little"), source.read_bytes())
