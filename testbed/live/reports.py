"""What actors report, as JSON lines: one object a line, for the progress display and for whoever reads it later.

{"schema": "gridlight.live-report/1"}                                             first line of each start
{"time_ms": 1767225600000, "actor": "miner-1", "name": "block", "value": {...}}   every other
"""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from os import SEEK_END
from pathlib import Path
from typing import Final

from testbed.live.pictures import picture

SCHEMA: Final = "gridlight.live-report/1"
_DEEPEST: Final = 6


def plain(value: object, depth: int = 0) -> object:
    """Return a picture of `value` in JSON's own types: bytes as hex, records as objects, enumerations by name."""
    picture: object = str(value)
    if depth > _DEEPEST:
        pass
    elif isinstance(value, Enum):
        picture = value.name.lower()
    elif value is None or isinstance(value, bool | int | float | str):
        picture = value
    elif isinstance(value, bytes):
        picture = value.hex()
    elif isinstance(value, Mapping):
        picture = {str(key): plain(item, depth + 1) for key, item in value.items()}
    elif isinstance(value, tuple | list | set | frozenset):
        picture = [plain(item, depth + 1) for item in value]
    elif is_dataclass(value) and not isinstance(value, type):
        picture = {part.name: plain(getattr(value, part.name), depth + 1) for part in fields(value)}
    return picture


class ReportLog:
    """A file that reports are appended to. A restarted process appends to the same file."""

    def __init__(self, path: Path) -> None:
        """Open the file and write the first line of this start; a line cut off by a crash is ended first."""
        self._file = path.open("a", encoding="utf-8")
        if _is_torn(path):
            self._file.write("\n")
        self._write({"schema": SCHEMA})
        self._file.flush()

    def add(self, time_ms: int, actor: str, name: str, value: object) -> None:
        """Append a report; it may stay in memory until `flush`."""
        self._write({"time_ms": time_ms, "actor": actor, "name": name, "value": plain(picture(value))})

    def _write(self, line: Mapping[str, object]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")

    def flush(self) -> None:
        """Let readers see what was added."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _is_torn(path: Path) -> bool:
    """Whether the file's last line has no end."""
    with path.open("rb") as file:
        if file.seek(0, SEEK_END) == 0:
            return False
        file.seek(-1, SEEK_END)
        return file.read() != b"\n"
