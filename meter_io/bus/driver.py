"""The thin shell around a bus: one loop in one thread that moves bytes between a port and its state machine."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from meter_io.bus.dialogue import Send, Speed
from meter_io.bus.events import Broken, Close, Effect, Failed, Lost, Open, Opened, Received, Round, Time
from meter_io.bus.scheduler import Bus
from meter_io.errors import MeterError
from meter_io.ports.port import Port

LONGEST_WAIT_MS: Final = 500
"""How soon a request to stop is noticed."""


def monotonic_ms() -> int:
    """The clock of buses."""
    return time.monotonic_ns() // 1_000_000


def drive(
    bus: Bus,
    port: Port,
    *,
    report: Callable[[Round | Failed | Broken], None],
    stopped: Callable[[], bool],
    clock_ms: Callable[[], int] = monotonic_ms,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Run a bus until `stopped` says so; close the port whatever happens.

    Args:
        bus: the state machine.
        port: closed or open; opened when the bus wants it.
        report: takes what was read and what failed, in this thread.
        stopped: asked at least every half second.
        clock_ms: the clock that the bus was made with.
        pause: waits while the port is closed, seconds.
    """
    shell = _Shell(bus, port, report, clock_ms)
    try:
        while not stopped():
            wait_ms = min(bus.wake_ms - clock_ms(), LONGEST_WAIT_MS)
            if wait_ms > 0:
                shell.listen(wait_ms, pause)
            if clock_ms() >= bus.wake_ms:
                shell.handle_time()
    finally:
        port.close()


class _Shell:
    """Carries out effects, and hands what comes of them back to the bus."""

    def __init__(
        self,
        bus: Bus,
        port: Port,
        report: Callable[[Round | Failed | Broken], None],
        clock_ms: Callable[[], int],
    ) -> None:
        self._bus = bus
        self._port = port
        self._report = report
        self._clock_ms = clock_ms
        self._is_open = False

    def listen(self, wait_ms: int, pause: Callable[[float], None]) -> None:
        """Wait for bytes, or just wait while the port is closed."""
        if not self._is_open:
            pause(wait_ms / 1000)
            return
        try:
            data = self._port.receive(wait_ms / 1000)
        except MeterError as error:
            self._carry_out(self._bus.handle(Lost(error), self._clock_ms()))
            return
        if data:
            self._carry_out(self._bus.handle(Received(data), self._clock_ms()))

    def handle_time(self) -> None:
        """Tell the bus that its time has come."""
        self._carry_out(self._bus.handle(Time(), self._clock_ms()))

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(data):
                    if not self._tried(partial(self._port.send, data)):
                        return
                case Speed(baud):
                    if not self._tried(partial(self._port.set_speed, baud)):
                        return
                case Open():
                    if not self._tried(self._port.open):
                        return
                    self._is_open = True
                    self._carry_out(self._bus.handle(Opened(), self._clock_ms()))
                case Close():
                    self._is_open = False
                    self._port.close()
                case Round() | Failed() | Broken():
                    self._report(effect)

    def _tried(self, act: Callable[[], None]) -> bool:
        """Do it; a port's error goes to the bus and ends this round of effects."""
        try:
            act()
        except MeterError as error:
            self._carry_out(self._bus.handle(Lost(error), self._clock_ms()))
            return False
        return True
