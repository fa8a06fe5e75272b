"""Readings that were taken before the time was known, until it is."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Final

from meter_io.reading import Reading, TimeBasis

MAX_WAITING: Final = 4_096
"""Readings that may wait: over an hour of one meter at one a second, 1.5 MB; the oldest goes when there are more.

Energy is not lost with them: the interval books wait by themselves (`meter_io.intervals`) and join spans instead.
"""


class WaitingReadings:
    """Holds readings without a UTC time, and stamps them from the monotonic clock when the gate opens."""

    def __init__(self, limit: int = MAX_WAITING) -> None:
        """Begin empty; `limit` is at least 1."""
        if limit < 1:
            raise ValueError(f"at least one reading can wait, got {limit}")
        self._waiting: deque[Reading] = deque(maxlen=limit)
        self.dropped = 0
        """Readings that had to go since the start, to be counted where gaps are recorded."""

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def hold(self, reading: Reading) -> None:
        """Keep a reading of basis `MONOTONIC`.

        Raises:
            ValueError: the reading knows its time already.
        """
        if reading.moment.utc_ms is not None:
            raise ValueError("a reading with a UTC time has nothing to wait for")
        self.dropped += len(self._waiting) == self._waiting.maxlen
        self._waiting.append(reading)

    def release(self, *, utc_ms: int, monotonic_ms: int) -> list[Reading]:
        """Return all of them, oldest first, with the times that they were taken at.

        Args:
            utc_ms: the time now, of `Opened`.
            monotonic_ms: the same instant on the monotonic clock.
        """
        offset_ms = utc_ms - monotonic_ms
        stamped = [
            replace(
                reading,
                moment=replace(
                    reading.moment,
                    utc_ms=reading.moment.monotonic_ms + offset_ms,
                    basis=TimeBasis.RECEIVED,
                ),
            )
            for reading in self._waiting
        ]
        self._waiting.clear()
        return stamped
