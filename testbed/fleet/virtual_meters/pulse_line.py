"""A virtual pulse output: a household's energy as edges on a wire, written into a FIFO as they happen."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from testbed.fleet.virtual_meters.household import Household
from testbed.fleet.virtual_meters.running import Clock

PULSE_MS: Final = 30
_JOULES_PER_KWH: Final = 3_600_000
_MS: Final = 1_000_000
_STEP_S: Final = 0.02


class PulseLine:
    """The wire of one meter: rests high, is low for 30 ms with every pulse."""

    def __init__(self, household: Household, pulses_per_kwh: int) -> None:
        """Begin at the household's beginning, with no pulse given."""
        self._household = household
        self._per_kwh = pulses_per_kwh
        self._at_ms = household.start_ms
        self.given = 0
        """Pulses so far."""

    def until(self, utc_ms: int) -> list[str]:
        """The edges up to a moment, one a line; pulses of one step are spread over it."""
        wanted = self._household.at(utc_ms).import_j * self._per_kwh // _JOULES_PER_KWH
        fresh, began_ms = wanted - self.given, self._at_ms
        self.given, self._at_ms = wanted, utc_ms
        lines = []
        for number in range(fresh):
            at_ms = began_ms + (utc_ms - began_ms) * number // fresh
            lines += [f"{at_ms * _MS} 0\n", f"{(at_ms + PULSE_MS) * _MS} 1\n"]
        return lines


def run_into(fifo: Path, line: PulseLine, clock: Clock, stopped: Callable[[], bool]) -> None:
    """Be the wire until `stopped` says so. The FIFO exists; nobody has to read it yet."""
    end = os.open(fifo, os.O_RDWR)
    try:
        while not stopped():
            os.write(end, "".join(line.until(clock.utc_ms())).encode())
            time.sleep(_STEP_S)
    finally:
        os.close(end)
