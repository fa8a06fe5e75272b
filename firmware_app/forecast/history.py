"""The energies of the last days, one per interval: all that the forecast remembers of a home, and no more."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from typing import Final

MISSING: Final = -(1 << 31)
"""Stands in the ring for an interval that was not measured."""


class History:
    """A ring of the last ``slots * days`` intervals, by absolute interval index.

    The last interval recorded bounds what is known: recording an earlier one says that the clock was set back, and
    takes back everything later; recording one beyond the ring forgets everything before.
    """

    def __init__(self, slots: int, days: int) -> None:
        """An empty one of ``days`` days with ``slots`` intervals each."""
        self.slots = slots
        self.days = days
        self._ring = array("i", [MISSING]) * (slots * days)
        self.last: int | None = None
        self.measured = 0
        """How many of the intervals in the ring were measured."""

    def record(self, interval: int, energy_j: int | None) -> None:
        """Say what an interval held, J; None where nobody measured it."""
        size = len(self._ring)
        if self.last is not None:
            low, high = sorted((self.last, interval))
            first = low + 1 if interval > self.last else interval
            for stale in range(max(first, high - size + 1), high + 1):
                self._put(stale, MISSING)
        self.last = interval
        self._put(interval, MISSING if energy_j is None else energy_j)

    def _put(self, interval: int, value: int) -> None:
        place = interval % len(self._ring)
        self.measured += (value != MISSING) - (self._ring[place] != MISSING)
        self._ring[place] = value

    def energy(self, interval: int) -> int | None:
        """What an interval held, J; None where it was not measured, is forgotten or is still to come."""
        last, size = self.last, len(self._ring)
        if last is None or not last - size < interval <= last:
            return None
        value = self._ring[interval % size]
        return None if value == MISSING else value

    def intervals(self) -> Iterator[tuple[int, int]]:
        """Every measured interval with its energy, J, the oldest first."""
        if self.last is None:
            return
        for interval in range(self.last - len(self._ring) + 1, self.last + 1):
            energy_j = self.energy(interval)
            if energy_j is not None:
                yield interval, energy_j

    def packed(self) -> bytes:
        """The ring as it lies, four bytes for each interval, most significant first."""
        return _big_endian(self._ring).tobytes()

    def unpack(self, last: int | None, ring: bytes) -> None:
        """Become what was packed when ``last`` was the last interval.

        Raises:
            ValueError: the ring has another length.
        """
        kept = array("i")
        kept.frombytes(ring)
        if len(kept) != len(self._ring):
            raise ValueError(f"a ring of {len(kept)} intervals, expected {len(self._ring)}")
        self._ring = _big_endian(kept)
        self.measured = len(kept) - self._ring.count(MISSING)
        self.last = last


def _big_endian(ring: array[int]) -> array[int]:
    swapped = array("i", ring)
    if sys.byteorder == "little":
        swapped.byteswap()
    return swapped
