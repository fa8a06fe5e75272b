"""A virtual meter at work: a household's hurried clock, a meter's side of a protocol, and the reader's end."""

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from testbed.fleet.virtual_meters.ends import End
from testbed.fleet.virtual_meters.line import FaultyLine
from testbed.fleet.virtual_meters.script import FaultKind, Script
from testbed.fleet.virtual_meters.speaker import Emission, Speaker

_PAUSE_S: Final = 0.01


@dataclass(frozen=True)
class Clock:
    """The household's time: begins at `start_ms`, UTC, and runs `speed` times as fast as ours."""

    start_ms: int
    speed: int = 1
    monotonic_ns: Callable[[], int] = time.monotonic_ns
    began_ns: int = field(default_factory=time.monotonic_ns)

    def utc_ms(self) -> int:
        """Now."""
        return self.start_ms + (self.monotonic_ns() - self.began_ns) * self.speed // 1_000_000


class RunningMeter:
    """One meter and its end. Faults count in the household's time, delays on the wire in ours."""

    def __init__(self, speaker: Speaker, end: End, script: Script, clock: Clock, *, seed: int = 0) -> None:
        self._speaker = speaker
        self._end = end
        self._script = script
        self._clock = clock
        self._line = FaultyLine(script, start_ms=clock.start_ms, seed=seed)
        self._due: list[tuple[float, int, bytes]] = []
        self._said = 0
        self._renumbered: object = None

    def run(self, stopped: Callable[[], bool]) -> None:
        """Be a meter until `stopped` says so, asked a hundred times a second; unplugged at the end."""
        try:
            while not stopped():
                self.step()
        finally:
            self._end.unplug()

    def step(self) -> None:
        """Do what is due, then wait a moment for the reader."""
        now_ms = self._clock.utc_ms()
        self._plug(now_ms - self._clock.start_ms)
        if self._speaker.wake_ms is not None and self._speaker.wake_ms <= now_ms:
            self._post(self._speaker.speak(now_ms), now_ms)
        while self._due and self._due[0][0] <= time.monotonic():
            self._end.write(heapq.heappop(self._due)[2])
        if not self._end.is_plugged:
            time.sleep(_PAUSE_S)
            return
        data = self._end.read(_PAUSE_S)
        if data:
            now_ms = self._clock.utc_ms()
            self._post(self._speaker.hear(data, now_ms), now_ms)

    def _plug(self, since_ms: int) -> None:
        unplugged = self._script.active(FaultKind.UNPLUG, since_ms) is not None
        renumbered = self._script.latest(FaultKind.RENUMBER, since_ms)
        if self._end.is_plugged and (unplugged or renumbered is not self._renumbered):
            self._end.unplug()
            self._due.clear()
        self._renumbered = renumbered
        if not self._end.is_plugged and not unplugged:
            self._end.plug()

    def _post(self, emissions: list[Emission], now_ms: int) -> None:
        for emission in emissions:
            for arriving in self._line.carry(emission):
                self._said += 1
                due_s = time.monotonic() + (arriving.at_ms - now_ms) / 1_000
                heapq.heappush(self._due, (due_s, self._said, arriving.data))
