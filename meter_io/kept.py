"""A short text that outlives restarts, in a file of its own that is replaced in one step."""

import os
from pathlib import Path

from meter_io.errors import MeterError


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
            text = self._path.read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise self.unusable(f"cannot be read: {error}") from error
        line = text.removesuffix("\n")
        if line == text or "\n" in line:
            raise self.unusable(f"holds {text[:40]!r}, expected one whole line")
        return line

    def save(self, line: str) -> None:
        """Keep a line: after this returns, a power cut does not lose it.

        Raises:
            MeterError: it could not be written.
        """
        beside = self._path.with_suffix(".new")
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
            raise self.unusable(f"cannot be written: {error}") from error

    def unusable(self, complaint: str) -> MeterError:
        """The error for this file."""
        return MeterError(f"{self._what} in {self._path} {complaint}", hint=self._hint)
