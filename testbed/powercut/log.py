"""What happened to a folder, in order: every change and sync, and between them what its owner was told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

from firmware_app.store.files import Files
from testbed.powercut.vfs import OK


class Create(NamedTuple):
    """A name leads to a new, empty file."""

    name: str
    file: int


class Write(NamedTuple):
    """Bytes were written."""

    file: int
    offset: int
    data: bytes


class Truncate(NamedTuple):
    """A file got this size."""

    file: int
    size: int


class Sync(NamedTuple):
    """All that was written to a file is on the disk."""

    file: int


class Rename(NamedTuple):
    """A file has another name."""

    source: str
    target: str
    file: int


class Unlink(NamedTuple):
    """A name is gone."""

    name: str


class SyncFolder(NamedTuple):
    """All names are on the disk."""


class Tried(NamedTuple):
    """The owner set out to make something durable."""

    what: int


class Promised(NamedTuple):
    """The owner was told that it is durable."""

    what: int


Operation: TypeAlias = Create | Write | Truncate | Sync | Rename | Unlink | SyncFolder
Entry: TypeAlias = Operation | Tried | Promised


@dataclass(slots=True)
class Log:
    """Records a folder without sub-folders; a watcher of SQLite, and the source of `RecordingFiles`."""

    entries: list[Entry] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    """Name -> file, as the running system sees it."""
    count: int = 0

    def adopt(self, folder: Path) -> dict[str, bytes]:
        """Take what lies in a folder as being there before the first entry; returns it."""
        found = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        for name in found:
            self.names[name] = self.count
            self.count += 1
        return found

    def opened(self, name: str, *, created: bool) -> int:
        """A file is open; SQLite or a descriptor holds on to it whatever its name becomes."""
        if created or name not in self.names:
            self.names[name] = self.count
            self.count += 1
            self.entries.append(Create(name, self.names[name]))
        return self.names[name]

    def write(self, handle: int, offset: int, data: bytes) -> int:
        """Bytes are written."""
        self.entries.append(Write(handle, offset, data))
        return OK

    def truncate(self, handle: int, size: int) -> int:
        """A file is cut or lengthened."""
        self.entries.append(Truncate(handle, size))
        return OK

    def sync(self, handle: int) -> int:
        """A file is synced."""
        self.entries.append(Sync(handle))
        return OK

    def unlink(self, name: str) -> int:
        """A name is deleted."""
        self.names.pop(name)
        self.entries.append(Unlink(name))
        return OK

    def rename(self, source: str, target: str) -> None:
        """A file is renamed."""
        self.names[target] = self.names.pop(source)
        self.entries.append(Rename(source, target, self.names[target]))

    def sync_folder(self) -> int:
        """The folder is synced."""
        self.entries.append(SyncFolder())
        return OK


class RecordingFiles(Files):
    """The real system calls, each told to a log once it is done."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._open: dict[int, tuple[int, int]] = {}
        """Descriptor -> file, place."""

    def create(self, path: Path) -> int:
        """Open a file for writing, empty."""
        existed = path.exists()
        descriptor = super().create(path)
        file = self._log.opened(path.name, created=not existed)
        if existed:
            self._log.truncate(file, 0)
        self._open[descriptor] = file, 0
        return descriptor

    def write(self, descriptor: int, data: bytes) -> int:
        """Write the beginning of some bytes."""
        file, place = self._open[descriptor]
        count = super().write(descriptor, data)
        self._log.write(file, place, data[:count])
        self._open[descriptor] = file, place + count
        return count

    def sync(self, descriptor: int) -> None:
        """Wait until the file's bytes are on the disk."""
        super().sync(descriptor)
        self._log.sync(self._open[descriptor][0])

    def close(self, descriptor: int) -> None:
        """Close a descriptor."""
        super().close(descriptor)
        del self._open[descriptor]

    def replace(self, source: Path, target: Path) -> None:
        """Give a file another name."""
        super().replace(source, target)
        self._log.rename(source.name, target.name)

    def remove(self, path: Path) -> None:
        """Delete a file."""
        super().remove(path)
        self._log.unlink(path.name)

    def sync_folder(self, folder: Path) -> None:
        """Wait until the names in a folder are on the disk."""
        super().sync_folder(folder)
        self._log.sync_folder()
