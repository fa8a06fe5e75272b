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
        root: folder; compiled files without a source beside their folder stay as they are.
    """
    count = 0
    for path in sorted(root.rglob("__pycache__/*.pyc")):
        source = path.parent.parent / f"{path.name.partition('.')[0]}.py"
        raw = path.read_bytes()
        if len(raw) < _HEADER or raw[4:8] not in {_BY_TIME, _CHECKED_HASH} or not source.is_file():
            continue
        magic = raw[:4]
        told = _imp.source_hash(int.from_bytes(magic, "little"), source.read_bytes())
        mode = path.stat().st_mode
        path.unlink()  # it may be linked to the same file of another tree
        path.write_bytes(magic + _UNCHECKED_HASH + told + raw[_HEADER:])
        path.chmod(mode & 0o7777)
        count += 1
    return count
