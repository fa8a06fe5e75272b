"""Settings and configuration documents: TinyDB over a file that is replaced as a whole, never rewritten in place.

    settings.json           the present version
    settings.json.previous  the one before; answers where the present one is torn or garbage
    settings.json.new       being written; never read
    settings.json.damaged   the last one that could not be read, for people

TinyDB's own storage overwrites its file and is not crash-safe, by its maintainer's word (msiemens/tinydb#467).
A checksum stands in the file, since a changed digit is still JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeAlias

from tinydb import Storage, TinyDB, where

from firmware_app.store.files import Files, previous_of, replace_document
from light_client.store.errors import StoreDamagedError, StoreError

SCHEMA: Final = "gridlight.settings/1"
MAX_BYTES: Final = 1 << 20
"""Largest file, bytes: settings are small, and every change writes all of them."""
_TABLE: Final = "documents"

Document: TypeAlias = Mapping[str, Any]
"""What JSON can hold."""
Notice: TypeAlias = Callable[[str, str], None]
"""Told of what happened: a stable name, and a sentence."""


class AtomicStorage(Storage):
    """TinyDB's view of the file."""

    def __init__(self, path: Path, files: Files, notice: Notice) -> None:
        """Bind the file; it need not exist.

        Args:
            files: the system calls.
            notice: told when an older version had to answer.
        """
        self._path: Final = path
        self._files = files
        self._notice = notice

    def read(self) -> dict[str, dict[str, Any]] | None:
        """Return the present tables, those before if the present file is damaged, None if there never were any.

        Raises:
            StoreError: the disk cannot be read.
            StoreDamagedError: both versions are damaged.
        """
        previous = previous_of(self._path)
        try:
            tables = _tables(self._path)
        except StoreDamagedError as damage:
            self._put_aside(self._path)
            older = _tables(previous)
            if older is None:
                raise
            self._notice("settings.fell-back", f"{damage}; the version before it answers")
            return older
        return _tables(previous) if tables is None else tables

    def write(self, data: Mapping[str, Mapping[str, Any]]) -> None:
        """Replace the file; when this returns, the new version stays.

        Raises:
            StoreError: the disk is full, read-only or failing, or the settings are too large; the present version
                stays.
            ValueError: JSON has no such value.
        """
        text = _written(data)
        if len(text) > MAX_BYTES:
            raise StoreError(
                "the settings are too large", got=len(text), expected=f"at most {MAX_BYTES} bytes"
            )
        try:
            replace_document(self._files, self._path, text, keep_present=_is_whole(self._path))
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written", got=error.strerror) from error

    def begin_anew(self) -> None:
        """Take both versions away, since neither can be read."""
        self._put_aside(self._path)
        self._put_aside(previous_of(self._path))

    def _put_aside(self, path: Path) -> None:
        """Keep a damaged file for people, where the disk permits it; it is never moved over a good one."""
        with suppress(OSError):
            self._files.replace(path, self._path.with_name(f"{self._path.name}.damaged"))


class Settings:
    """Documents by name, each durable when `put` returns. Close it, or use `with`."""

    def __init__(self, path: Path, notice: Notice, *, files: Files | None = None) -> None:
        """Open the file or begin with nothing. A file of which both versions are damaged begins anew, with a notice.

        Raises:
            StoreError: the disk cannot be read.
        """
        storage = AtomicStorage(path, files or Files(), notice)
        try:
            storage.read()
        except StoreDamagedError as damage:
            storage.begin_anew()
            notice("settings.lost", f"{damage}, and so is the version before it; all settings begin anew")
        self._database = TinyDB(storage=lambda: storage)

    def names(self) -> list[str]:
        """The names of all documents, ascending."""
        return sorted(row["name"] for row in self._database.table(_TABLE).all())

    def get(self, name: str) -> dict[str, Any] | None:
        """A document, or None."""
        row = self._database.table(_TABLE).get(where("name") == name)
        if row is None or isinstance(row, list):
            return None
        return dict(row["document"])

    def put(self, name: str, document: Document) -> None:
        """Store a document in the place of the one of this name.

        Raises:
            StoreError: it could not be stored; the one before stays.
            TypeError: it holds something that JSON has not.
        """
        row = {"name": name, "document": dict(document)}
        self._database.table(_TABLE).upsert(row, where("name") == name)

    def delete(self, name: str) -> None:
        """Forget a document; to forget what is not there changes nothing.

        Raises:
            StoreError: it could not be done.
        """
        if self.get(name) is not None:
            self._database.table(_TABLE).remove(where("name") == name)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def _written(data: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The text of a file.

    Raises:
        ValueError: JSON has no such value.
    """
    data = json.loads(json.dumps(data, allow_nan=False))  # keys become text, as they will be read
    document = {"schema": SCHEMA, "sha256": _check(data), "tables": data}
    return json.dumps(document, sort_keys=True, indent=1).encode()


def _check(data: Any) -> str:
    return sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _is_whole(path: Path) -> bool:
    try:
        return _tables(path) is not None
    except StoreDamagedError:
        return False


def _tables(path: Path) -> dict[str, dict[str, Any]] | None:
    """Read a version.

    Raises:
        StoreDamagedError: it is none of ours, or a bit of it changed.
        StoreError: the disk cannot be read.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read", got=error.strerror) from error
    try:
        document = json.loads(text)
        schema, check, tables = document["schema"], document["sha256"], document["tables"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreDamagedError(f"{path} is damaged", got=str(error)) from error
    if schema != SCHEMA:
        raise StoreDamagedError(f"{path} is of another format", got=schema, expected=SCHEMA)
    if type(tables) is not dict or check != _check(tables):
        raise StoreDamagedError(f"{path} is damaged: its checksum is wrong")
    return tables
