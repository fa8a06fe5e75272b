"""The time of a device that takes part in a hurried run: everybody agrees on it, so it is known from the beginning."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from firmware_app.clock.gate import ClockEvent
from firmware_app.runtime.board_time import real_monotonic_ms
from firmware_app.runtime.clock import Clock
from meter_io.reading import Moment, TimeBasis

_LOOK_S = 1.0


class HurriedTime:
    """A board's time by the clock of a live run."""

    is_known = True

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now_ms(self) -> int:
        """The run's time."""
        return self._clock.now_ms()

    def utc_ms(self) -> int:
        """The run's time: nobody doubts it."""
        return self._clock.now_ms()

    def monotonic_ms(self) -> int:
        """The run's time is as monotonic as the machine's."""
        return self._clock.now_ms()

    def real_seconds_until(self, at_ms: int) -> float:
        """How long to sleep."""
        return self._clock.real_seconds_until(at_ms)

    def moment(self, bus_ms: int) -> Moment:
        """The run's time when the bus's clock stood there."""
        ago_ms = (real_monotonic_ms() - bus_ms) * self._clock.speed
        at_ms = self._clock.now_ms() - ago_ms
        return Moment(utc_ms=at_ms, monotonic_ms=at_ms, basis=TimeBasis.RECEIVED)

    async def work(
        self, stop: asyncio.Event, on_event: Callable[[ClockEvent], None], on_look: Callable[[], None]
    ) -> None:
        """Nothing ever happens to it."""
        del on_event
        while not stop.is_set():
            on_look()
            try:
                await asyncio.wait_for(stop.wait(), _LOOK_S)
            except TimeoutError:
                continue
