"""The time of the board: what actors and readings are stamped with, and how it is looked after.

While the clock gate is open the time is the gate's: the monotonic clock and the difference that was believed, so it
never jumps. While it is closed, time goes on from where it was, or begins at the wall clock; then nothing is traded
and no reading gets a UTC time. Whoever holds timers has to begin anew when the time is set, see ``GateTime.work``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from firmware_app.clock.gate import ClockEvent, ClockGate, Sync
from firmware_app.clock.sources import ask, libc_adjtimex
from meter_io.reading import Moment

_LOOK_S: Final = 1.0
_ASK_EVERY: Final = 16
"""A time service is asked at every so many looks, unless told otherwise."""
_TRIES: Final = 3


class BoardTime(Protocol):
    """What the parts of the device know of the time."""

    @property
    def is_known(self) -> bool:
        """Whether the time is to be believed."""

    def now_ms(self) -> int:
        """The time for timers and actors, UTC ms; it never stands still, believed or not."""

    def utc_ms(self) -> int | None:
        """The time, UTC ms; None while it is not believed."""

    def monotonic_ms(self) -> int:
        """Milliseconds that only ever pass."""

    def real_seconds_until(self, at_ms: int) -> float:
        """How long to sleep until a time, s; 0 if it has passed."""

    def moment(self, bus_ms: int) -> Moment:
        """The stamp of something that a bus saw at an instant of its clock, ms."""

    async def work(
        self, stop: asyncio.Event, on_event: Callable[[ClockEvent], None], on_look: Callable[[], None]
    ) -> None:
        """Look after the clock until the event is set; every look is told, and whatever it brought."""


def real_monotonic_ms() -> int:
    """The machine's monotonic clock, ms; also the clock of buses."""
    return time.monotonic_ns() // 1_000_000


def real_wall_ms() -> int:
    """The machine's wall clock, UTC ms."""
    return time.time_ns() // 1_000_000


def both_clocks(
    wall: Callable[[], int], monotonic: Callable[[], int], apart_ms: int
) -> tuple[int, int] | None:
    """Wall and monotonic clock at one instant; None if a busy machine came between them each time.

    Two clocks are read one after the other; what passes in between would look as if one of them had been set.

    Args:
        apart_ms: how much may pass between them.
    """
    for _ in range(_TRIES):
        before_ms, wall_ms = monotonic(), wall()
        if monotonic() - before_ms <= apart_ms:
            return wall_ms, before_ms
    return None


async def ask_service() -> Sync:
    """What the kernel and chrony say; they may take two seconds, so in a thread."""
    return await asyncio.to_thread(ask, libc_adjtimex())


class GateTime:
    """The time by a clock gate."""

    def __init__(
        self,
        gate: ClockGate,
        *,
        monotonic: Callable[[], int] = real_monotonic_ms,
        wall: Callable[[], int] = real_wall_ms,
        service: Callable[[], Awaitable[Sync]] = ask_service,
        look_s: float = _LOOK_S,
        ask_every: int = _ASK_EVERY,
    ) -> None:
        """Begin with a closed gate.

        Args:
            monotonic: the clock that the gate was made with, ms.
            wall: the system's clock, UTC ms.
            service: asks a time service.
            look_s: pause between two looks at the clocks, s.
            ask_every: the time service is asked at every so many looks.
        """
        self.gate = gate
        self.monotonic_ms = monotonic
        self._wall = wall
        self._service = service
        self._look_s = look_s
        self._ask_every = ask_every
        self._offset_ms = wall() - monotonic()

    @property
    def is_known(self) -> bool:
        """Whether the gate is open."""
        return self.gate.is_open

    def now_ms(self) -> int:
        """The time, or where it would be if it had gone on."""
        monotonic_ms = self.monotonic_ms()
        known_ms = self.gate.utc_ms(monotonic_ms)
        if known_ms is not None:
            self._offset_ms = known_ms - monotonic_ms
        return monotonic_ms + self._offset_ms

    def utc_ms(self) -> int | None:
        """The time; None while the gate is closed."""
        return self.gate.utc_ms(self.monotonic_ms())

    def real_seconds_until(self, at_ms: int) -> float:
        """How long to sleep."""
        return max(0.0, (at_ms - self.now_ms()) / 1_000)

    def moment(self, bus_ms: int) -> Moment:
        """The gate's stamp: without a UTC time while it is closed."""
        return self.gate.moment(bus_ms)

    async def work(
        self, stop: asyncio.Event, on_event: Callable[[ClockEvent], None], on_look: Callable[[], None]
    ) -> None:
        """Look at both clocks once a second, and ask a time service now and then."""
        looks = 0
        while not stop.is_set():
            sync = await self._service() if looks % self._ask_every == 0 else None
            looks += 1
            both = both_clocks(self._wall, self.monotonic_ms, self.gate.params.jump_ms // 4)
            if both is not None:
                for event in self.gate.look(wall_ms=both[0], monotonic_ms=both[1], sync=sync):
                    on_event(event)
            on_look()
            try:
                await asyncio.wait_for(stop.wait(), self._look_s)
            except TimeoutError:
                continue
