"""Keeping the total of a pulse input over restarts, without wearing out the flash."""

from pathlib import Path
from typing import Final, Protocol

from meter_io.kept import KeptText
from meter_io.pulse.counter import PulseCounter

_MAX_DIGITS: Final = 20
_MS: Final = 1_000_000


class TotalStore(Protocol):
    """Where a total is kept."""

    def load(self) -> int | None:
        """Return the total, or None if there never was one.

        Raises:
            MeterError: there is one and it cannot be read.
        """
        ...

    def save(self, pulses: int) -> None:
        """Keep a total: after this returns, a power cut does not lose it.

        Raises:
            MeterError: it could not be written.
        """
        ...


class FileTotal:
    """A total in a file of its own, replaced in one step."""

    def __init__(self, path: Path) -> None:
        """Name the file; its folder exists."""
        hint = "read the meter's own display and write the total of pulses into the file"
        self._text = KeptText(path, what="the total of pulses", hint=hint)

    def load(self) -> int | None:
        """Return the total, or None if there is no file. A damaged file is never taken for zero."""
        digits = self._text.load()
        if digits is None:
            return None
        if not (digits.isdigit() and len(digits) <= _MAX_DIGITS):
            raise self._text.unusable(f"holds {digits[:40]!r}, expected a whole number")
        return int(digits)

    def save(self, pulses: int) -> None:
        """Keep a total."""
        self._text.save(str(pulses))


class TotalKeeper:
    """Saves a counter's total now and then: a power cut loses at most what `every_pulses` and `every_ms` allow."""

    def __init__(self, store: TotalStore, *, every_pulses: int = 1_000, every_ms: int = 900_000) -> None:
        """Set how often.

        Args:
            store: where to.
            every_pulses: at the latest after so many.
            every_ms: at the latest after so long, if there was any.
        """
        self._store = store
        self._every_pulses = every_pulses
        self._every_ns = every_ms * _MS
        self._saved_pulses = 0
        self._saved_ns: int | None = None

    def load(self) -> int:
        """Return the total to begin with, 0 the very first time."""
        self._saved_pulses = self._store.load() or 0
        return self._saved_pulses

    def keep(self, counter: PulseCounter, now_ns: int) -> bool:
        """Save the total if it is time, and say whether it was."""
        if self._saved_ns is None:
            self._saved_ns = now_ns
        fresh = counter.pulses - self._saved_pulses
        if fresh < self._every_pulses and (fresh == 0 or now_ns - self._saved_ns < self._every_ns):
            return False
        self._store.save(counter.pulses)
        self._saved_pulses, self._saved_ns = counter.pulses, now_ns
        return True
