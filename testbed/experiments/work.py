"""The work of an experiment, piece by piece: shown, and kept, so that a run that was killed goes on where it was.

Each run has a journal, a file with a line for each piece:

    {"schema": "gridlight.experiment-journal/1", "of": "3f0c..."}     what the run depends on: code, data, options
    {"piece": "noBattery, window 2", "value": ...}                     every other; written through to the disk

A journal of other code, data or options is begun anew, a line that a crash cut off is done again. The journals of a
command are removed when it has finished.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar

import testbed
from testbed.experiments.plain import NotPlainError, of_plain, to_plain

T = TypeVar("T")
_SCHEMA: Final = "gridlight.experiment-journal/1"
_PACKAGES: Final = ("firmware_app", "light_client", "meter_io", "testbed")


class BusyError(Exception):
    """Another process does the same work in the same folder."""


class Work:
    """What an experiment is handed to work with: `work(name)` announces a step, `work.keep` does one that is kept."""

    def __init__(self, tell: Callable[[str], None], journal: Journal | None = None) -> None:
        self._tell = tell
        self._journal = journal

    def __call__(self, name: str) -> None:
        """Say what is done next; every call is a step of the progress that is shown."""
        self._tell(name)

    def keep(self, name: str, kind: Any, compute: Callable[[], T]) -> T:
        """A step whose outcome is kept: taken from the journal if an earlier start has got it already."""
        self(name)
        return self.part(name, kind, compute)

    def part(self, name: str, kind: Any, compute: Callable[[], T]) -> T:
        """The same for a part of a step."""
        if self._journal is None:
            return compute()
        found = self._journal.find(name, kind)
        if found is None:
            found = compute()
            self._journal.add(name, found)
        kept: T = found
        return kept


class Journal:
    """What earlier starts of one run have found. Use as a context: one process at a time."""

    def __init__(self, path: Path, of: str) -> None:
        """Open or begin it.

        Args:
            of: what the run depends on, see `dependence`.

        Raises:
            BusyError: another process has it open.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise BusyError(f"another process is at work in {path}") from None
        head = {"schema": _SCHEMA, "of": of}
        self._found: dict[str, Any] = {}
        whole = 0
        for line, end in _lines(path):
            if whole == 0 and line != head:
                break
            whole = end
            self._found |= {line["piece"]: line["value"]} if "piece" in line else {}
        self.resumed: Final = len(self._found)
        self._file.truncate(whole)
        if whole == 0:
            self._write(head)
            self._sync()

    def find(self, name: str, kind: Any) -> Any | None:
        """What a piece came to; None if it is not known."""
        try:
            return of_plain(kind, self._found[name]) if name in self._found else None
        except NotPlainError:
            return None

    def add(self, name: str, value: object) -> None:
        """Keep what a piece came to; on the disk when this returns."""
        self._found[name] = to_plain(value)
        self._write({"piece": name, "value": self._found[name]})
        self._sync()

    def close(self) -> None:
        """Leave it to a later start."""
        self._file.close()

    def remove(self) -> None:
        """The run has been finished."""
        self._path.unlink(missing_ok=True)
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())


def _lines(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """The whole lines, each with the place where it ends; what follows one that was cut off is not relied on."""
    end = 0
    for line in path.read_bytes().split(b"\n")[:-1]:
        end += len(line) + 1
        try:
            yield json.loads(line), end
        except ValueError:
            return


def dependence(*options: object, data: Path) -> str:
    """A digest of what a run's outcome depends on: the project's code, the data, the options.

    Args:
        data: the folder of the data; files in it count by name, size and time of their last change.
    """
    digest = sha256(_code().encode())
    digest.update(repr((sys.version_info, options, str(data.resolve()))).encode())
    for path in sorted(data.rglob("*")):
        facts = path.stat()
        digest.update(repr((str(path.relative_to(data)), facts.st_size, facts.st_mtime_ns)).encode())
    return digest.hexdigest()


@cache
def _code() -> str:
    root = Path(testbed.__file__).parent.parent
    digest = sha256()
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
