"""The system calls by which small files change, as an object, so that a test sees the order of the very calls made.

SQLite makes its own; everything else in this package that changes the disk goes through here.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


class Files:
    """The real ones. Each method is one system call; all raise OSError."""

    def create(self, path: Path) -> int:
        """Open a file for writing, empty; returns its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def extend(self, path: Path) -> int:
        """Open a file for writing at its end, as it is; returns its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def cut(self, descriptor: int, size: int) -> None:
        """Take away everything beyond a size."""
        os.ftruncate(descriptor, size)

    def write(self, descriptor: int, data: bytes) -> int:
        """Write the beginning of some bytes; returns how many."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Wait until the file's bytes are on the disk; its name is not a part of them."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close a descriptor."""
        os.close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        """Give a file another name, in place of whatever had it."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Delete a file."""
        path.unlink()

    def sync_folder(self, folder: Path) -> None:
        """Wait until the names in a folder are on the disk."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_whole(files: Files, path: Path, data: bytes) -> None:
    """Write a file and wait until its bytes are on the disk; a power cut may leave any part of it.

    Raises:
        OSError: the disk is full, read-only or failing; a part may be there.
    """
    descriptor = files.create(path)
    try:
        rest = data
        while rest:
            rest = rest[files.write(descriptor, rest) :]
        files.sync(descriptor)
    finally:
        files.close(descriptor)


def replace_document(files: Files, path: Path, data: bytes, *, keep_present: bool) -> None:
    """Put a new version of a small file in the place of the present one.

    Args:
        keep_present: whether the present one is whole, and becomes `.previous`.

    At every moment the present or the previous name leads to a whole version, and what has returned stays.

    Raises:
        OSError: the disk is full, read-only or failing; the present version is still there.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        write_whole(files, fresh, data)
    except OSError:
        with suppress(OSError):
            files.remove(fresh)  # a full disk needs the room
        raise
    if keep_present:
        files.replace(path, previous_of(path))
    files.replace(fresh, path)
    files.sync_folder(path.parent)


def previous_of(path: Path) -> Path:
    """Where the version before the present one lies."""
    return path.with_name(f"{path.name}.previous")
