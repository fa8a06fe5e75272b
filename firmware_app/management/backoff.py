"""When to try again: later each time, and never all devices at one moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FIRST_S: Final = 4.0
LONGEST_S: Final = 600.0
HELD_S: Final = 120.0
"""After a connection that held so long the next failure counts as the first."""


class Backoff:
    """Full jitter: a pause between a tenth and the whole of a bound that doubles.

    After a broker's restart ten thousand devices come back over the whole span instead of at once.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        """Begin with no failure.

        Args:
            chance: uniform in [0, 1).
        """
        self._chance = chance
        self.failures = 0
        """In a row."""

    def after(self, held_s: float) -> float:
        """How long to wait after a connection that held for so long (0 for none), s."""
        self.failures = 1 if held_s >= HELD_S else self.failures + 1
        bound_s = min(LONGEST_S, FIRST_S * 2 ** min(self.failures - 1, 16))
        return float(bound_s * (0.1 + 0.9 * self._chance()))
