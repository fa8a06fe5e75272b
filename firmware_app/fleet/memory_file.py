"""The agent's memory on the disk: replaced as a whole, checked by a hash, with the version before it to fall back on.

That the version before answers is for a disk that loses what it acknowledged; a power cut never leads there.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final

from firmware_app.fleet.memory import MAX_MEMORY_BYTES, Memory, memory_from_bytes
from firmware_app.store.files import Files, previous_of, replace_document
from light_client.rules.errors import RuleViolation
from light_client.store.errors import StoreDamagedError, StoreError

_HASH_BYTES: Final = 32


class MemoryFile:
    """One file, `PATH`, and `PATH.previous`."""

    def __init__(self, path: Path, files: Files | None = None) -> None:
        self._path: Final = path
        self._files = files or Files()

    def load(self) -> Memory | None:
        """What was saved last; None if nothing ever was.

        Raises:
            StoreDamagedError: neither version can be read.
            StoreError: the disk cannot be read.
        """
        try:
            present = _read(self._path)
        except StoreDamagedError:
            older = _read(previous_of(self._path))
            if older is None:
                raise
            return older
        return _read(previous_of(self._path)) if present is None else present

    def save(self, memory: Memory) -> None:
        """Replace what is there; when this returns, the new version stays.

        Raises:
            StoreError: it could not be written; the version before stays.
        """
        data = memory.encode()
        try:
            replace_document(
                self._files, self._path, sha256(data).digest() + data, keep_present=self._is_whole()
            )
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written", got=error.strerror) from error

    def _is_whole(self) -> bool:
        try:
            return _read(self._path) is not None
        except StoreDamagedError:
            return False


def _read(path: Path) -> Memory | None:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_MEMORY_BYTES + _HASH_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read", got=error.strerror) from error
    check, data = raw[:_HASH_BYTES], raw[_HASH_BYTES:]
    if sha256(data).digest() != check:
        raise StoreDamagedError(f"{path} is damaged: its hash is wrong")
    try:
        return memory_from_bytes(data)
    except RuleViolation as error:
        raise StoreDamagedError(f"{path} cannot be read", got=str(error)) from error
