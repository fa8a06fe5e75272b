"""One bus in virtual time: the reader's own state machine on one end, virtual meters on the other, faults between."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from meter_io.bus.dialogue import Send, Speed
from meter_io.bus.events import (
    Broken,
    Close,
    Effect,
    Event,
    Failed,
    Lost,
    Open,
    Opened,
    Received,
    Round,
    Time,
)
from meter_io.bus.scheduler import Bus
from meter_io.errors import PortError
from meter_io.reading import MeterId
from testbed.fleet.virtual_meters.line import FaultyLine
from testbed.fleet.virtual_meters.script import PORT, Script
from testbed.fleet.virtual_meters.speaker import Emission, Speaker

_NEVER: Final = 1 << 62
Report = Round | Failed | Broken


@dataclass(frozen=True, kw_only=True)
class Member:
    """A virtual meter on a bus.

    Attributes:
        meter: its name.
        speaker: its side of the protocol.
        line: its way to the reader.
    """

    meter: MeterId
    speaker: Speaker
    line: FaultyLine


class Wire:
    """The bus, its members, and the time of both: milliseconds since `start_ms`, UTC."""

    def __init__(
        self,
        bus: Bus,
        members: Sequence[Member],
        port: Script,
        *,
        start_ms: int,
        report: Callable[[Report, int], None],
    ) -> None:
        self._bus = bus
        self._members = tuple(members)
        self._start_ms = start_ms
        self._report = report
        self._is_open = False
        self._is_there = True
        self._arriving: list[tuple[int, int, bytes]] = []
        self._posted = 0
        changes = [(fault.start_ms, False) for fault in port.faults if fault.kind in PORT]
        changes += [(fault.end_ms, True) for fault in port.faults if fault.kind in PORT]
        self._changes = sorted(changes, reverse=True)
        self.now_ms = 0

    def run_until(self, end_ms: int) -> None:
        """Let time pass."""
        while True:
            change_ms = self._changes[-1][0] if self._changes else _NEVER
            arrival_ms = self._arriving[0][0] if self._arriving else _NEVER
            speech_ms = min(self._wake_ms(member) for member in self._members)
            wake_ms = max(self._bus.wake_ms, self.now_ms)
            next_ms = min(change_ms, arrival_ms, speech_ms, wake_ms)
            if next_ms > end_ms:
                self.now_ms = end_ms
                return
            self.now_ms = max(next_ms, self.now_ms)
            if next_ms == change_ms:
                self._plug(there=self._changes.pop()[1])
            elif next_ms == arrival_ms:
                _, _, data = heapq.heappop(self._arriving)
                if self._is_open:
                    self._tell(Received(data))
            elif next_ms == speech_ms:
                self._speak()
            else:
                self._tell(Time())

    def _wake_ms(self, member: Member) -> int:
        wake_ms = member.speaker.wake_ms
        return _NEVER if wake_ms is None else wake_ms - self._start_ms

    def _plug(self, *, there: bool) -> None:
        self._is_there = there
        if not there:
            self._arriving.clear()
            if self._is_open:
                self._is_open = False
                self._tell(Lost(PortError("the port is gone")))

    def _speak(self) -> None:
        for member in self._members:
            if self._wake_ms(member) <= self.now_ms:
                self._post(member, member.speaker.speak(self._start_ms + self.now_ms))

    def _post(self, member: Member, emissions: list[Emission]) -> None:
        for emission in emissions:
            for arriving in member.line.carry(emission):
                self._posted += 1
                heapq.heappush(self._arriving, (arriving.at_ms - self._start_ms, self._posted, arriving.data))

    def _tell(self, event: Event) -> None:
        for effect in self._bus.handle(event, self.now_ms):
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Open():
                self._is_open = self._is_there
                self._tell(Opened() if self._is_there else Lost(PortError("there is no port")))
            case Close():
                self._is_open = False
                self._arriving.clear()
            case Send(data):
                for member in self._members:
                    self._post(member, member.speaker.hear(data, self._start_ms + self.now_ms))
            case Speed():
                pass  # the members are heard at every speed
            case Round() | Failed() | Broken():
                self._report(effect, self.now_ms)
