"""The time of a device that takes part in a hurried run: everybody agrees on it, so it is known from the beginning."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from firmware_app.clock.gate import ClockEvent
from firmware_app.runtime.board_time import real_monotonic_ms
from firmware_app.runtime.clock import Clock
from meter_io.reading import Moment, TimeBasis

_LOOK_S = 1.0
_PAIRS = 8


class BusClock:
    """The run's time by the clock of buses, which is the machine's monotonic one: they go at one pace."""

    def __init__(self, clock: Clock) -> None:
        """Hold both clocks against each other once."""
        pairs = [(real_monotonic_ms(), clock.now_ms(), real_monotonic_ms()) for _ in range(_PAIRS)]
        before_ms, self._now_ms, after_ms = min(pairs, key=lambda pair: pair[2] - pair[0])
        self._bus_ms = (before_ms + after_ms) // 2
        self._speed = clock.speed

    def at(self, bus_ms: int) -> int:
        """The run's time when the clock of buses stood there, UTC ms."""
        return self._now_ms + (bus_ms - self._bus_ms) * self._speed


class HurriedTime:
    """A board's time by the clock of a live run."""

    is_known = True

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bus = BusClock(clock)

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
        at_ms = self._bus.at(bus_ms)
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
