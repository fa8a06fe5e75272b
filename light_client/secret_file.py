"""Files that hold secrets: for their owner's eyes alone, checked at every reading, and never replaced by writing."""

import os
import stat
from pathlib import Path


class SecretFileError(Exception):
    """A secret cannot be used; one clause, which holds none of it."""


class OpenToOthersError(SecretFileError):
    """Others than its owner may read it, or it is somebody else's."""


def read_secret_file(path: Path, most: int) -> bytes:
    """Read the beginning of a file, so many bytes at the most.

    Raises:
        OpenToOthersError: others can read it.
        SecretFileError: it is not there, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            _check(path, os.fstat(file.fileno()))
            return file.read(most)
    except OSError as error:
        raise SecretFileError(f"{path} cannot be read: {type(error).__name__}") from None


def check_secret_file(path: Path) -> None:
    """Look whether a file is there that others cannot read; somebody else will read it.

    Raises:
        OpenToOthersError, SecretFileError: it is not.
    """
    try:
        _check(path, path.stat())
    except OSError as error:
        raise SecretFileError(f"{path} cannot be used: {error.strerror}") from None


def write_secret_file(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file that is not there yet, and wait until it is on the disk.

    Args:
        mode: another one only for what goes beside a secret, such as a public key.

    Raises:
        OSError: it is there, or cannot be written.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _check(path: Path, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 or status.st_uid != os.geteuid():
        raise OpenToOthersError(
            f"{path} is open to others (mode {mode:o}, owner {status.st_uid}): expected mode 600 and owner "
            f"{os.geteuid()}"
        )
