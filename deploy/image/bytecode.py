"""Python's compiled files of Debian's packages: tied to what their sources say instead of when they were written.

As Debian leaves them, each names the second of its source. On a card all times are the release's, so that two builds
are the same; Python would find every one of them stale, compile it again at each start, and could not keep the result
on a root that nobody writes.

Source: PEP 552 (layout of the first sixteen bytes; unchecked hashes).
"""

from __future__ import annotations

import _imp
from pathlib import Path
from typing import Final

_HEADER: Final = 16
_BY_TIME: Final = (0).to_bytes(4, "little")
_UNCHECKED_HASH: Final = (0b01).to_bytes(4, "little")


def tie_to_sources(root: Path) -> int:
    """Rewrite the header of each compiled file that names a time; return how many there were.

    Args:
        root: folder; compiled files without a source beside their folder stay as they are.
    """
    count = 0
    for path in sorted(root.rglob("__pycache__/*.pyc")):
        source = path.parent.parent / f"{path.name.partition('.')[0]}.py"
        raw = path.read_bytes()
        if len(raw) < _HEADER or raw[4:8] != _BY_TIME or not source.is_file():
            continue
        magic = raw[:4]
        told = _imp.source_hash(int.from_bytes(magic, "little"), source.read_bytes())
        mode = path.stat().st_mode
        path.unlink()  # it may be linked to the same file of another tree
        path.write_bytes(magic + _UNCHECKED_HASH + told + raw[_HEADER:])
        path.chmod(mode & 0o7777)
        count += 1
    return count
