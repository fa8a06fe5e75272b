"""The password of the status page: a secret, so it stands in a file that nobody else can read, not in the document."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

MIN_CHARACTERS: Final = 12
_MAX_CHARACTERS: Final = 256


class PasswordError(ValueError):
    """The file is missing, open to others, or holds no password; no message holds any of it."""


def read_password(path: Path) -> str:
    """Read the first line of a file.

    Raises:
        PasswordError: it cannot be used.
    """
    try:
        with path.open(encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            password = file.read(_MAX_CHARACTERS + 1).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise PasswordError(f"{path} cannot be read: {type(error).__name__}") from None
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 or status.st_uid != os.geteuid():
        raise PasswordError(
            f"{path} is open to others (mode {mode:o}, owner {status.st_uid}): expected mode 600 and owner "
            f"{os.geteuid()}"
        )
    if not MIN_CHARACTERS <= len(password) <= _MAX_CHARACTERS or "\n" in password:
        raise PasswordError(
            f"{path} holds no password: expected one line of {MIN_CHARACTERS} characters or more"
        )
    return password
