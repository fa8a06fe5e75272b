"""Between SQLite and the disk: sees, and may refuse, every write of the SQLite library that Python itself uses.

A copy of the library's own file layer (its VFS) is registered as the default one, with the functions that change
something replaced. So the device's program runs unchanged, on the library that it will run on, and everything that is
not watched goes straight through. Directory syncs happen inside the library; they are seen by the system call
`openDirectory`, which it makes for nothing else.

Source: https://www.sqlite.org/vfs.html, https://www.sqlite.org/c3ref/vfs.html, https://www.sqlite.org/c3ref/io_methods.html.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

OK: Final = 0
IO_ERROR: Final = 10


class Watcher(Protocol):
    """Is told of everything that is about to change below its folder. What it answers but `OK` is SQLite's error."""

    def opened(self, name: str, *, created: bool) -> int:
        """Return a handle for a file that was opened; `name` is relative to the folder."""

    def write(self, handle: int, offset: int, data: bytes) -> int:
        """Bytes are about to be written."""

    def truncate(self, handle: int, size: int) -> int:
        """A file is about to be cut or lengthened."""

    def sync(self, handle: int) -> int:
        """A file is about to be synced to disk."""

    def unlink(self, name: str) -> int:
        """A file is about to be deleted."""

    def sync_folder(self) -> int:
        """The folder itself is about to be synced."""


class NoSeamError(Exception):
    """This Python keeps its SQLite library to itself: nothing can be put between it and the disk."""


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("iVersion", c_int),
        ("szOsFile", c_int),
        ("mxPathname", c_int),
        ("pNext", c_void_p),
        ("zName", c_char_p),
        ("pAppData", c_void_p),
        ("xOpen", c_void_p),
        ("xDelete", c_void_p),
        *((name, c_void_p) for name in ("xAccess", "xFullPathname", "xDlOpen", "xDlError", "xDlSym")),
        *((name, c_void_p) for name in ("xDlClose", "xRandomness", "xSleep", "xCurrentTime")),
        *((name, c_void_p) for name in ("xGetLastError", "xCurrentTimeInt64", "xSetSystemCall")),
        *((name, c_void_p) for name in ("xGetSystemCall", "xNextSystemCall")),
    )


class _Methods(ctypes.Structure):
    _fields_ = (
        ("iVersion", c_int),
        *((name, c_void_p) for name in ("xClose", "xRead", "xWrite", "xTruncate", "xSync", "xFileSize")),
        *((name, c_void_p) for name in ("xLock", "xUnlock", "xCheckReservedLock", "xFileControl")),
        *((name, c_void_p) for name in ("xSectorSize", "xDeviceCharacteristics", "xShmMap", "xShmLock")),
        *((name, c_void_p) for name in ("xShmBarrier", "xShmUnmap", "xFetch", "xUnfetch")),
    )


_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
_DELETE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)
_CLOSE = CFUNCTYPE(c_int, c_void_p)
_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)
_OPEN_FOLDER = CFUNCTYPE(c_int, c_char_p, POINTER(c_int))
_GET_CALL = CFUNCTYPE(c_void_p, c_void_p, c_char_p)
_SET_CALL = CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p)


class _Layer:
    """The layer of this process: registered once and for ever, since connections keep pointers into it."""

    def __init__(self) -> None:
        self.watchers: dict[Path, Watcher] = {}
        self.failure: BaseException | None = None
        self._handles: dict[int, tuple[Watcher, int]] = {}
        self._methods: dict[int, _Methods] = {}
        self._kept: list[Any] = []
        library = _library()
        self._base = library.sqlite3_vfs_find(None)
        base = _Vfs.from_address(self._base)
        self._open = _OPEN(base.xOpen)
        self._delete = _DELETE(base.xDelete)
        self._vfs = _Vfs.from_buffer_copy(base)
        self._vfs.zName = b"gridlight-powercut"
        self._vfs.pNext = None
        self._vfs.xOpen = self._pointer(_OPEN, self._on_open)
        self._vfs.xDelete = self._pointer(_DELETE, self._on_delete)
        self._hook_folder_syncs(base)
        if library.sqlite3_vfs_register(ctypes.byref(self._vfs), 1) != OK:
            raise NoSeamError("SQLite refused the layer")

    def _pointer(self, kind: Any, function: Callable[..., int]) -> int | None:
        """Make a function callable from C; what it raises is kept for `watched`, and an I/O error for SQLite."""

        def guarded(*args: Any) -> int:
            try:
                return function(*args)
            except BaseException as error:  # noqa: BLE001 - C code cannot carry it, `watched` raises it
                self.failure = error
                return IO_ERROR

        callback = kind(guarded)
        self._kept.append(callback)
        return ctypes.cast(callback, c_void_p).value

    def _hook_folder_syncs(self, base: _Vfs) -> None:
        original = _OPEN_FOLDER(_GET_CALL(base.xGetSystemCall)(self._base, b"openDirectory"))

        def on_open_folder(path: bytes, descriptor: Any) -> int:
            watcher = self.watchers.get(Path(os.fsdecode(path)).parent)
            code = OK if watcher is None else watcher.sync_folder()
            return code or int(original(path, descriptor))

        pointer = self._pointer(_OPEN_FOLDER, on_open_folder)
        if _SET_CALL(base.xSetSystemCall)(self._base, b"openDirectory", pointer) != OK:
            raise NoSeamError("SQLite does not let its system calls be watched")

    def _watcher_of(self, name: int | None) -> tuple[Watcher, str] | None:
        if name is None:
            return None  # a temporary file, nobody finds it again
        path = Path(os.fsdecode(ctypes.string_at(name)))
        watcher = self.watchers.get(path.parent)
        return None if watcher is None else (watcher, path.name)

    def _on_open(self, _: int, name: int | None, file: int, flags: int, out_flags: Any) -> int:
        found = self._watcher_of(name)
        existed = name is not None and Path(os.fsdecode(ctypes.string_at(name))).exists()
        code = int(self._open(self._base, name, file, flags, out_flags))
        if found is None or code != OK:
            return code
        watcher, relative = found
        self._handles[file] = watcher, watcher.opened(relative, created=not existed)
        place = c_void_p.from_address(file)  # the first member of every file is the table of its methods
        if place.value is None:
            return code
        if place.value not in self._methods:
            self._methods[place.value] = self._watched_methods(_Methods.from_address(place.value))
        place.value = ctypes.addressof(self._methods[place.value])
        return code

    def _on_delete(self, _: int, name: int, sync_folder: int) -> int:
        found = self._watcher_of(name)
        if found is not None and Path(os.fsdecode(ctypes.string_at(name))).exists():
            code = found[0].unlink(found[1])
            if code != OK:
                return code
        return int(self._delete(self._base, name, sync_folder))

    def _watched_methods(self, base: _Methods) -> _Methods:
        """A file's methods with those replaced that change something."""
        close, write = _CLOSE(base.xClose), _WRITE(base.xWrite)
        truncate, sync = _TRUNCATE(base.xTruncate), _SYNC(base.xSync)

        def on_close(file: int) -> int:
            self._handles.pop(file, None)
            return int(close(file))

        def on_write(file: int, data: int, length: int, offset: int) -> int:
            watcher, handle = self._handles[file]
            code = watcher.write(handle, offset, ctypes.string_at(data, length))
            return code or int(write(file, data, length, offset))

        def on_truncate(file: int, size: int) -> int:
            watcher, handle = self._handles[file]
            return watcher.truncate(handle, size) or int(truncate(file, size))

        def on_sync(file: int, flags: int) -> int:
            watcher, handle = self._handles[file]
            code = int(sync(file, flags))  # only what has returned is a promise
            return code or watcher.sync(handle)

        methods = _Methods.from_buffer_copy(base)
        methods.xClose = self._pointer(_CLOSE, on_close)
        methods.xWrite = self._pointer(_WRITE, on_write)
        methods.xTruncate = self._pointer(_TRUNCATE, on_truncate)
        methods.xSync = self._pointer(_SYNC, on_sync)
        return methods


def _library() -> ctypes.CDLL:
    """Return the SQLite library inside, or below, Python's own module.

    Raises:
        NoSeamError: its functions cannot be reached.
    """
    library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
    try:
        library.sqlite3_libversion.restype = c_char_p
        library.sqlite3_vfs_find.restype = c_void_p
        library.sqlite3_vfs_find.argtypes = [c_char_p]
        version = library.sqlite3_libversion().decode()
    except AttributeError:
        raise NoSeamError("the SQLite library of this Python shows no functions") from None
    if version != sqlite3.sqlite_version:
        raise NoSeamError(f"found SQLite {version}, but Python uses {sqlite3.sqlite_version}")
    return library


@cache
def _layer() -> _Layer:
    return _Layer()


@contextmanager
def watched(folder: Path, watcher: Watcher) -> Iterator[None]:
    """Tell a watcher of everything that SQLite changes directly below a folder, for files opened from now on.

    Raises:
        NoSeamError: this Python's SQLite cannot be watched.
        BaseException: whatever the watcher raised inside SQLite.
    """
    layer = _layer()
    place = folder.resolve()
    layer.watchers[place] = watcher
    try:
        yield
    finally:
        del layer.watchers[place]
        failure, layer.failure = layer.failure, None
        if failure is not None:
            raise failure
