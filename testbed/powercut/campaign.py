"""Cuts the power at every point of a recorded workload, reopens what is left, and asks whether every promise was kept.

One cut is one state of the disk and what had been promised until then; equal ones are tried once. What is reopened
writes too (it reads a log, moves a damaged file away): a share of the reopenings is recorded and cut as well.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol

from firmware_app.store.files import Files
from testbed.powercut.log import Entry, Log, Promised, RecordingFiles, Tried
from testbed.powercut.states import Contents, Disk
from testbed.powercut.vfs import watched

MAX_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class History:
    """What had happened when the power was cut."""

    tried: tuple[int, ...] = ()
    """What the program had set out to make durable, in order."""
    promised: tuple[int, ...] = ()
    """What it was told to be durable, in order."""

    @property
    def last_promised(self) -> int:
        """The last promise; -1 before the first."""
        return self.promised[-1] if self.promised else -1

    @property
    def last_tried(self) -> int:
        """The last attempt; -1 before the first."""
        return self.tried[-1] if self.tried else -1


class Stage:
    """A folder in which a subject works, with the system calls to use, and a place to say what was promised."""

    def __init__(self, folder: Path, log: Log | None = None) -> None:
        self.folder: Final = folder
        self.files: Files = Files() if log is None else RecordingFiles(log)
        self._log = log

    def trying(self, what: int) -> None:
        """The program sets out to make something durable."""
        if self._log is not None:
            self._log.entries.append(Tried(what))

    def promised(self, what: int) -> None:
        """The program was told that it is."""
        if self._log is not None:
            self._log.entries.append(Promised(what))


class Subject(Protocol):
    """A program that keeps something, and what it promises."""

    name: str

    def prepare(self, folder: Path) -> None:
        """Put into an empty folder what is there before the recording begins."""

    def play(self, stage: Stage) -> None:
        """Work: the same each time."""

    def problems(self, stage: Stage, history: History) -> list[str]:
        """Reopen what is in the folder after a power cut, and say which promises are broken."""


def integrity(path: Path) -> list[str]:
    """What SQLite itself says against a closed file."""
    connection = sqlite3.connect(path)
    (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return [] if verdict == "ok" else [f"integrity check: {verdict}"]


@dataclass(slots=True, kw_only=True)
class Result:
    """What the cuts of one subject showed."""

    subject: str
    operations: int = 0
    """Writes, syncs and changes of names that were recorded."""
    points: int = 0
    """Moments at which the power was cut."""
    cuts: int = 0
    """Different states of the disk that were reopened."""
    repeated: int = 0
    """Of these, cuts while reopening after another cut."""
    failures: list[str] = field(default_factory=list)
    """Broken promises; the first ones."""
    failed: int = 0

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class NotRecordedError(Exception):
    """The folder does not hold what the log says: something was written past the recorder, the proof would be none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thoroughness:
    """How much is tried.

    Attributes:
        samples: random fates of unsynced pieces at each point, beside the telling ones.
        every: each so-many-th point is cut; 1 for all.
        again: each so-many-th reopening is itself recorded and cut; 0 for none.
        failures: stop after so many broken promises; 0 to go on to the end.
        since: the first operation to be cut, to look at one again.
    """

    samples: int = 6
    every: int = 1
    again: int = 40
    failures: int = 0
    since: int = 0


def cut_everywhere(
    subject: Subject,
    how: Thoroughness,
    *,
    seed: int,
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> Result:
    """Record a subject's work and cut it at every point.

    Args:
        progress: told how many entries of the log are done, and of how many.

    Raises:
        NotRecordedError: something was written past the recorder.
        NoSeamError: this Python's SQLite cannot be recorded.
    """
    with _scratch() as scratch:
        before, log = _recorded(scratch / "work", subject)
        result = Result(subject=subject.name)
        cutter = _Cutter(subject, how, Random(seed), scratch / "cut", result)  # noqa: S311 - it has to repeat
        cutter.cut(before, log.entries, History(), every=how.every, progress=progress)
    return result


def _recorded(folder: Path, subject: Subject) -> tuple[Contents, Log]:
    folder.mkdir()
    subject.prepare(folder)
    log = Log()
    before = log.adopt(folder)
    with watched(folder, log):
        subject.play(Stage(folder, log))
    _compare(folder, before, log.entries)
    return before, log


def _compare(folder: Path, before: Contents, entries: Sequence[Entry]) -> None:
    """Hold the folder against what the log makes of it."""
    disk = Disk.holding(before)
    for entry in entries:
        if not isinstance(entry, Tried | Promised):
            disk.take(entry)
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    logged = disk.cut(*disk.all_kept(), Random(0))  # noqa: S311 - nothing is drawn
    if found != logged:
        different = [name for name in sorted({*found, *logged}) if found.get(name) != logged.get(name)]
        raise NotRecordedError(f"written past the recorder: {', '.join(different)}")


class _Cutter:
    def __init__(
        self, subject: Subject, how: Thoroughness, chance: Random, folder: Path, result: Result
    ) -> None:
        self._subject = subject
        self._how = how
        self._chance = chance
        self._folder = folder
        self._result = result
        self._seen: set[bytes] = set()
        self._operation = 0
        """Where in the outer log the power was cut."""

    def cut(
        self,
        before: Contents,
        entries: Sequence[Entry],
        past: History,
        *,
        every: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Cut one log at its points; `progress` is told only for the outer one, which alone is cut again."""
        disk, tried, promised = Disk.holding(before), list(past.tried), list(past.promised)
        for number, entry in enumerate(entries):
            if 0 < self._how.failures <= self._result.failed:
                return
            outer = progress is not None
            match entry:
                case Tried(what):
                    tried.append(what)
                case Promised(what):
                    promised.append(what)
                case _:
                    disk.take(entry)
                    self._result.operations += outer
            if (number % every == 0 or isinstance(entry, Promised)) and number >= self._how.since * outer:
                self._result.points += 1
                self._operation = number if outer else self._operation
                history = History(tuple(tried), tuple(promised))
                self._reopen_all(disk, history, again=outer)
            if progress is not None:
                progress(number + 1, len(entries))

    def _reopen_all(self, disk: Disk, history: History, *, again: bool) -> None:
        """Reopen every state of the disk that is possible now and was not tried yet."""
        for names, pieces in disk.ways(self._chance, self._how.samples):
            contents = disk.cut(names, pieces, self._chance)
            key = _digest(contents, history)
            if key in self._seen:
                continue
            self._seen.add(key)
            self._result.cuts += 1
            self._result.repeated += not again
            record = again and self._how.again > 0 and self._result.cuts % self._how.again == 0
            self._reopen(contents, history, record=record)

    def _reopen(self, contents: Contents, history: History, *, record: bool) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        for name, content in contents.items():
            (self._folder / name).write_bytes(content)
        if not record:
            self._judge(Stage(self._folder), history)
            return
        log = Log()
        before = log.adopt(self._folder)
        with watched(self._folder, log):
            self._judge(Stage(self._folder, log), history)
        _compare(self._folder, before, log.entries)
        self.cut(before, log.entries, history, every=max(self._how.every, 2))

    def _judge(self, stage: Stage, history: History) -> None:
        try:
            problems = self._subject.problems(stage, history)
        except Exception as error:  # noqa: BLE001 - whatever a reopened program raises is a broken promise
            problems = [f"does not start: {type(error).__name__}: {error}"]
        if problems:
            self._result.failed += 1
            room = MAX_SHOWN - len(self._result.failures)
            self._result.failures += [
                f"operation {self._operation}, after promise {history.last_promised}: {problem}"
                for problem in problems
            ][:room]


def _digest(contents: Contents, history: History) -> bytes:
    digest = blake2b(repr((history.last_tried, history.last_promised, len(history.promised))).encode())
    for name in sorted(contents):
        digest.update(f"{name}:{len(contents[name])}:".encode())
        digest.update(contents[name])
    return digest.digest()


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder in memory where there is one: what is replayed here has no need of a disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a fresh folder of our own inside
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)
