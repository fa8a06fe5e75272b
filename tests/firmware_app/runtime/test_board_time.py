"""The board's time never jumps while it is known, goes on while it is not, and says which of both it is."""

import asyncio
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from firmware_app.clock.gate import ClockEvent, ClockGate, Closed, Jumped, Opened, Sync
from firmware_app.clock.params import ClockParams
from firmware_app.runtime.board_time import GateTime, both_clocks
from meter_io.reading import TimeBasis

_UTC_MS = 1_790_000_000_000


@dataclass
class _Machine:
    """Its two clocks, and what a time service says."""

    monotonic_ms: int = 1_000
    wall_ms: int = 0
    synchronised: bool = False

    def pass_time(self, by_ms: int) -> None:
        self.monotonic_ms += by_ms
        self.wall_ms += by_ms

    async def service(self) -> Sync:
        return Sync(
            source="kernel", synchronised=self.synchronised, reason="" if self.synchronised else "none"
        )


def _time(machine: _Machine, params: ClockParams | None = None) -> GateTime:
    gate = ClockGate(
        params or ClockParams(settle_ms=0), max_drift_ms=10_000, monotonic_ms=machine.monotonic_ms
    )
    return GateTime(
        gate,
        monotonic=lambda: machine.monotonic_ms,
        wall=lambda: machine.wall_ms,
        service=machine.service,
        look_s=0.001,
    )


def _look(time: GateTime, machine: _Machine, looks: int = 20) -> list[ClockEvent]:
    """Let it look at the clocks so many times, a second apart."""
    events: list[ClockEvent] = []

    async def scene() -> None:
        stop = asyncio.Event()
        left = looks

        def looked() -> None:
            nonlocal left
            left -= 1
            machine.pass_time(1_000)
            if not left:
                stop.set()

        async with asyncio.timeout(5):
            await time.work(stop, events.append, looked)

    asyncio.run(scene())
    return events


def test_before_the_time_is_known_it_goes_on_and_says_that_it_is_not() -> None:
    machine = _Machine(wall_ms=5_000)
    time = _time(machine)
    assert (time.is_known, time.utc_ms(), time.now_ms()) == (False, None, 5_000)
    assert _look(time, machine) == []
    assert time.now_ms() == 25_000
    moment = time.moment(machine.monotonic_ms)
    assert (moment.utc_ms, moment.basis) == (None, TimeBasis.MONOTONIC)


def test_a_time_service_makes_it_known_and_whoever_waits_is_told() -> None:
    machine = _Machine(wall_ms=_UTC_MS, synchronised=True)
    time = _time(machine)
    (opened,) = _look(time, machine)
    assert isinstance(opened, Opened)
    assert time.is_known
    assert time.now_ms() == time.utc_ms() == machine.wall_ms
    assert time.real_seconds_until(machine.wall_ms + 1_500) == 1.5
    assert time.real_seconds_until(machine.wall_ms - 1) == 0.0
    moment = time.moment(machine.monotonic_ms - 250)
    assert (moment.utc_ms, moment.basis) == (machine.wall_ms - 250, TimeBasis.RECEIVED)


@given(st.integers(-86_400_000, 86_400_000).filter(lambda by_ms: abs(by_ms) > 5_000))
def test_a_clock_that_is_set_is_never_handed_out(by_ms: int) -> None:
    machine = _Machine(wall_ms=_UTC_MS, synchronised=True)
    time = _time(machine)
    _look(time, machine)
    before_ms = time.now_ms()
    machine.wall_ms += by_ms
    assert time.now_ms() == before_ms, "between two looks"
    machine.synchronised = False
    events = _look(time, machine, 3)
    assert [type(event) for event in events] == [Jumped, Closed]
    assert not time.is_known
    assert time.now_ms() == before_ms + 3_000, "it goes on from where it was"


class _Stalling:
    """Clocks of a machine that stops the program for a while between two readings."""

    def __init__(self, *stalls_ms: int) -> None:
        self._stalls_ms = list(stalls_ms)
        self.now_ms = 0

    def monotonic(self) -> int:
        return self.now_ms

    def wall(self) -> int:
        seen_ms = _UTC_MS + self.now_ms
        self.now_ms += self._stalls_ms.pop(0)
        return seen_ms


def test_a_busy_machine_between_two_clocks_does_not_look_like_a_clock_that_was_set() -> None:
    once = _Stalling(4_000, 3)
    assert both_clocks(once.wall, once.monotonic, 500) == (_UTC_MS + 4_000, 4_000)
    always = _Stalling(4_000, 4_000, 4_000)
    assert both_clocks(always.wall, always.monotonic, 500) is None


def test_a_look_that_a_busy_machine_spoilt_is_no_look() -> None:
    machine = _Machine(wall_ms=_UTC_MS, synchronised=True)
    time = _time(machine)
    _look(time, machine)
    stalls = iter((9_000,) * 9 + (0,) * 100)
    honest = time._wall

    def wall() -> int:
        seen_ms = honest()
        machine.pass_time(next(stalls))
        return seen_ms

    time._wall = wall
    assert _look(time, machine) == []
    assert time.is_known
