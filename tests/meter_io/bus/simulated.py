"""A bus in virtual time: the second driver, without a port, a thread or a clock."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from meter_io import obis
from meter_io.bus.dialogue import Ask, Said, Send, Speed
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
from meter_io.errors import GarbledReply, MeterError, NoReply, PortError
from meter_io.reading import MeterId, Unit, Value


class Question:
    """One question, one answer: `ask NAME` and `NAME` back."""

    def __init__(self, name: str) -> None:
        self.name = name

    def begin(self) -> Ask:
        return Ask(f"ask {self.name}".encode(), 10)

    def again(self) -> Ask:
        return self.begin()

    def receive(self, data: bytes) -> Said | None:
        if data == b"noise":
            raise GarbledReply("noise")
        if data != self.name.encode():
            return None
        return Said(self.name, {obis.POWER_NET: Value(Decimal(1), Unit.WATT)})

    def expired(self) -> MeterError:
        return NoReply(f"{self.name} did not answer")


@dataclass
class Behaviour:
    """How a slave answers at present: after `delay_ms` with `answer`, or never."""

    delay_ms: int = 20
    dead: bool = False
    noises: int = 0


@dataclass
class World:
    """The line with its slaves.

    Attributes:
        slaves: by name.
        openable: whether the port can be opened.
        reports: what the bus reported, with the time.
        asked: who was asked when.
    """

    bus: Bus
    slaves: dict[str, Behaviour]
    now_ms: int = 0
    openable: bool = True
    is_open: bool = False
    reports: list[tuple[int, Round | Failed | Broken]] = field(default_factory=list)
    asked: list[tuple[int, str]] = field(default_factory=list)
    speeds: list[tuple[int, int | None]] = field(default_factory=list)
    turns: int = 0
    _mail: list[tuple[int, int, bytes]] = field(default_factory=list)

    def run_until(self, end_ms: int, watch: Callable[[], None] | None = None) -> None:
        """Let virtual time pass."""
        while True:
            wake_ms = max(self.bus.wake_ms, self.now_ms)
            mail_ms = self._mail[0][0] if self._mail else end_ms + 1
            next_ms = min(wake_ms, mail_ms)
            if next_ms > end_ms:
                self.now_ms = end_ms
                return
            self.turns += 1
            if self.turns > 2_000_000:
                raise AssertionError(f"the bus spins at {self.now_ms} ms")
            self.now_ms = next_ms
            if mail_ms <= wake_ms:
                _, _, data = heapq.heappop(self._mail)
                if self.is_open:
                    self.tell(Received(data))
            else:
                self.tell(Time())
            if watch is not None:
                watch()

    def tell(self, event: Event) -> None:
        """Hand an event to the bus and carry out what it wants."""
        for effect in self.bus.handle(event, self.now_ms):
            self._carry_out(effect)

    def unplug(self) -> None:
        """The adapter is pulled out."""
        self.openable = False
        if self.is_open:
            self.tell(Lost(PortError("the port is gone")))

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Open():
                self.is_open = self.openable
                self.tell(Opened() if self.openable else Lost(PortError("there is no port")))
            case Close():
                self.is_open = False
                self._mail.clear()
            case Send(data):
                self._answer(data.decode().removeprefix("ask "))
            case Speed(baud):
                self.speeds.append((self.now_ms, baud))
            case _:
                self.reports.append((self.now_ms, effect))

    def _answer(self, name: str) -> None:
        self.asked.append((self.now_ms, name))
        slave = self.slaves[name]
        if slave.noises:
            slave.noises -= 1
            self.post(slave.delay_ms, b"noise")
        elif not slave.dead:
            self.post(slave.delay_ms, name.encode())

    def post(self, delay_ms: int, data: bytes) -> None:
        """Let bytes arrive later."""
        heapq.heappush(self._mail, (self.now_ms + delay_ms, len(self.asked), data))

    def rounds_of(self, name: str) -> list[int]:
        """When a meter was read."""
        return [
            at for at, report in self.reports if isinstance(report, Round) and report.meter == MeterId(name)
        ]

    def failures_of(self, name: str) -> list[Failed]:
        """What went wrong with a meter."""
        return [report for _, report in self.reports if isinstance(report, Failed) and report.meter == name]
