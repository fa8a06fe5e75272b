"""The password of the status page: a secret, so it stands in a file that nobody else can read, not in the document."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from light_client.secret_file import SecretFileError, read_secret_file

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
        password = read_secret_file(path, 4 * _MAX_CHARACTERS + 2).decode("utf-8").rstrip("\r\n")
    except SecretFileError as error:
        raise PasswordError(str(error)) from None
    except UnicodeDecodeError:
        raise PasswordError(f"{path} cannot be read: it is no UTF-8 text") from None
    if not MIN_CHARACTERS <= len(password) <= _MAX_CHARACTERS or "\n" in password:
        raise PasswordError(
            f"{path} holds no password: expected one line of {MIN_CHARACTERS} characters or more"
        )
    return password
