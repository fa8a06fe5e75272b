"""The clock of a live run: the real one, or one that runs faster.

A board has the real one. All processes of an accelerated run are on one machine and reckon from the same two numbers,
so that they agree on virtual time without talking. Why a faster clock and not a skipped one:
docs/adr/0007-accelerated-time.md.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from light_client.rules.errors import LocalError

MAX_SPEED: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Virtual UTC milliseconds: `start_virtual_ms + (real - start_real_ms) * speed`."""

    start_real_ms: int
    """UTC milliseconds of the machine's clock at which the run began."""
    start_virtual_ms: int
    """UTC milliseconds that the run pretended it was then."""
    speed: int = 1
    """Virtual seconds in a real one."""
    real_ns: Callable[[], int] = field(default=time.time_ns, repr=False, compare=False)
    """The machine's clock, UTC nanoseconds."""

    def __post_init__(self) -> None:
        if type(self.speed) is not int or not 1 <= self.speed <= MAX_SPEED:
            raise LocalError("speed of the clock", got=self.speed, expected=f"1..{MAX_SPEED}")

    @classmethod
    def real(cls) -> "Clock":
        """The machine's own clock."""
        return cls(start_real_ms=0, start_virtual_ms=0)

    def now_ms(self) -> int:
        """Virtual time, UTC milliseconds, rounded down."""
        elapsed_ns = self.real_ns() - self.start_real_ms * 1_000_000
        return self.start_virtual_ms + elapsed_ns * self.speed // 1_000_000

    def real_seconds_until(self, at_ms: int) -> float:
        """How long to sleep until a virtual time, real seconds; 0 if it has passed."""
        return max(0.0, (at_ms - self.now_ms()) / (self.speed * 1_000))
