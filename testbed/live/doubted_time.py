"""A board's clocks in a hurried run whose wall clock can be set: the clock gate itself is what is tried.

The wall clock is the run's time and what a file says in addition, in ms: whoever plays the week writes it there. No
time service holds the wall clock while the file says that it was set, as after somebody set it by hand.

Both clocks are read one after the other, and a millisecond between them is `speed` of them here: let `[clock] jump_ms`
be as large as it may.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from firmware_app.clock.gate import ClockGate, Sync
from firmware_app.clock.params import ClockParams
from firmware_app.runtime.board_time import GateTime
from firmware_app.runtime.clock import Clock
from meter_io.reading import Moment
from testbed.live.hurried_time import BusClock

_LOOK_S: Final = 0.1


class WallClock:
    """The wall clock of one board."""

    def __init__(self, clock: Clock, shift_file: Path) -> None:
        self._clock = clock
        self._shift_file = shift_file

    def shift_ms(self) -> int:
        """By how much somebody has set it, ms."""
        try:
            return int(self._shift_file.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):  # not set yet, or just being written
            return 0

    def now_ms(self) -> int:
        """What it shows, UTC ms."""
        return self._clock.now_ms() + self.shift_ms()

    def monotonic_ms(self) -> int:
        """Milliseconds of the run since its beginning."""
        return self._clock.now_ms() - self._clock.start_virtual_ms

    async def ask(self) -> Sync:
        """What a time service says of it."""
        wrong = bool(self.shift_ms())
        return Sync(
            source="kernel",
            synchronised=not wrong,
            error_us=None if wrong else 1_000,
            reason="somebody set the clock" if wrong else "",
        )


class DoubtedTime(GateTime):
    """The gate's time in a hurried run."""

    def __init__(self, clock: Clock, params: ClockParams, *, max_drift_ms: int, shift_file: Path) -> None:
        """Begin with a closed gate."""
        wall = WallClock(clock, shift_file)
        self._speed = clock.speed
        self._bus = BusClock(clock)
        self._began_ms = clock.start_virtual_ms
        super().__init__(
            ClockGate(params, max_drift_ms=max_drift_ms, monotonic_ms=wall.monotonic_ms()),
            monotonic=wall.monotonic_ms,
            wall=wall.now_ms,
            service=wall.ask,
            look_s=_LOOK_S,
            ask_every=1,
        )

    def real_seconds_until(self, at_ms: int) -> float:
        """How long to sleep, in the machine's time."""
        return super().real_seconds_until(at_ms) / self._speed

    def moment(self, bus_ms: int) -> Moment:
        """The gate's stamp of when the bus's clock stood there."""
        return super().moment(self._bus.at(bus_ms) - self._began_ms)
