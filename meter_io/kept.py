"""A short text that outlives restarts, in a file of its own that is replaced in one step."""

import os
from pathlib import Path
from typing import Final

from meter_io.errors import MeterError

MAX_BYTES: Final = 8_192
"""No text that is kept comes near it: a file beyond it is somebody else's."""


class KeptText:
    """One line of ASCII text in a file."""

    def __init__(self, path: Path, *, what: str, hint: str) -> None:
        """Name the file; its folder exists.

        Args:
            path: of the file.
            what: what the text is, for messages.
            hint: what to do about a file that cannot be used.
        """
        self._path = path
        self._what = what
        self._hint = hint

    def load(self) -> str | None:
        """Return the line without its end, or None if there is no file.

        Raises:
            MeterError: the file cannot be read, or does not hold exactly one whole line.
        """
        try:
            with self._path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self.unusable(f"cannot be read: {error.strerror}") from error
        try:
            text = data.decode("ascii").replace("\r\n", "\n")  # people write into these files, too
        except UnicodeDecodeError:
            raise self.unusable(f"holds {data[:20].hex(' ')}, expected one line of text") from None
        line = text.removesuffix("\n")
        if line == text or "\n" in line or len(data) > MAX_BYTES:
            raise self.unusable(f"holds {text[:40]!r}, expected one whole line")
        return line

    def save(self, line: str) -> None:
        """Keep a line: after this returns, a power cut does not lose it.

        Raises:
            MeterError: it could not be written.
        """
        beside = self._path.with_name(f"{self._path.name}.new")
        try:
            with beside.open("w", encoding="ascii") as file:
                file.write(f"{line}\n")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise self.unusable(f"cannot be written: {error.strerror}") from error

    def unusable(self, complaint: str) -> MeterError:
        """The error for this file."""
        return MeterError(f"{self._what} in {self._path} {complaint}", hint=self._hint)
