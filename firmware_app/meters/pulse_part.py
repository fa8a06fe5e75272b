"""One pulse input as a part of the running device: edges are counted in a thread, readings come on the event loop.

every `poll_ms`            a round with the total so far, and the total to be kept: the store writes it with its next
                           batch, so that a power cut costs the pulses of one batch at most
the wire is noisy          a round that failed, instead: what is counted then is not the meter, and nothing is traded
the source is gone         the port is broken: this life ends, and the supervision begins another
the end is asked for       the total once more, without a round: right after the last one it would prove nothing
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from typing import Final

from firmware_app.config.schema import MeterSection
from firmware_app.meters.pulse_source import IDLE_S, Arrivals, arrivals_at
from firmware_app.store.device_store import DeviceStore
from meter_io.bus.dialogue import Said
from meter_io.bus.driver import monotonic_ms
from meter_io.bus.events import Broken, Failed, Round
from meter_io.errors import GarbledReply, MeterError, PortError
from meter_io.pulse import PulseCounter, PulseInput
from meter_io.reading import MeterId, Moment, TimeBasis

_MAX_DIGITS: Final = 20
Report = Callable[[Round | Failed | Broken], None]
Keep = Callable[[int], None]
Tell = Callable[[Round | Failed | Broken | None], None]


class KeptPulses:
    """The total of an input in the ring: written with the next batch, and read back at the next start."""

    def __init__(self, store: DeviceStore, meter: str) -> None:
        self._store = store
        self._meter = meter
        self._name = f"pulses:{meter}"

    def load(self) -> int:
        """The total; 0 the very first time, and with an event where what was kept is no number."""
        value = self._store.kept(self._name)
        if value is None:
            return 0
        if value.isdigit() and len(value) <= _MAX_DIGITS:
            return int(value)
        self._store.event("meter.total-lost", f"{self._meter}: the kept total is damaged; it begins anew")
        return 0

    def keep(self, pulses: int) -> None:
        """Have the total written with the next batch."""
        self._store.keep(self._name, b"%d" % pulses)


async def run_pulses(
    section: MeterSection, settings: PulseInput, total: int, hear: Report, keep: Keep, stop: asyncio.Event
) -> None:
    """Count until the event is set.

    Args:
        total: pulses counted in earlier lives.
        hear: is told what the input reports, on the event loop, in order.
        keep: is told the total with each round, likewise; before it, so that both go in one batch.

    Raises:
        MeterError: the source cannot be used; it was reported.
        Exception: whatever a listener raised.
    """
    loop = asyncio.get_running_loop()
    told: asyncio.Queue[tuple[int, Round | Failed | Broken | None]] = asyncio.Queue()
    halted = threading.Event()
    counter = PulseCounter(settings, total)

    def tell(what: Round | Failed | Broken | None) -> None:
        loop.call_soon_threadsafe(told.put_nowait, (counter.pulses, what))

    counting = asyncio.create_task(asyncio.to_thread(_count, section, counter, tell, halted))
    hearing = asyncio.create_task(_hear_all(told, hear, keep))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({counting, hearing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if hearing.done():
            hearing.result()
    finally:
        halted.set()
        try:
            await counting
        finally:
            stopping.cancel()
            hearing.cancel()
            await asyncio.gather(stopping, hearing, return_exceptions=True)
            while not told.empty():
                _pass_on(told.get_nowait(), hear, keep)


async def _hear_all(
    told: asyncio.Queue[tuple[int, Round | Failed | Broken | None]], hear: Report, keep: Keep
) -> None:
    while True:
        _pass_on(await told.get(), hear, keep)


def _pass_on(told: tuple[int, Round | Failed | Broken | None], hear: Report, keep: Keep) -> None:
    pulses, what = told
    keep(pulses)
    if what is not None:
        hear(what)


def _count(section: MeterSection, counter: PulseCounter, tell: Tell, halted: threading.Event) -> None:
    """Count and report until told to halt, in a thread of its own."""
    meter = MeterId(section.name)
    try:
        with arrivals_at(section.port, counter.settings, lasting=True) as arrivals:
            _count_from(arrivals, meter, counter, tell, halted, every_ms=section.poll_ms)
    except MeterError as error:
        tell(Broken(error=error, retry_ms=0))
        raise


def _count_from(
    arrivals: Arrivals,
    meter: MeterId,
    counter: PulseCounter,
    tell: Tell,
    halted: threading.Event,
    *,
    every_ms: int,
) -> None:
    """Edges have a clock of their own, which goes on from the last edge as ours does."""
    last_ns = now_ns = 0
    came_ns = time.monotonic_ns()
    due_ms, failures = monotonic_ms() + every_ms, 0
    while not halted.is_set():
        try:
            edge = arrivals.next(IDLE_S)
        except queue.Empty:
            now_ns = last_ns + time.monotonic_ns() - came_ns
            counter.tick(now_ns)
        else:
            if edge is None:
                raise PortError("the source of pulses has ended", hint="a wire or a FIFO does not end")
            counter.edge(edge)
            last_ns = now_ns = max(last_ns, edge.at_ns)
            came_ns = time.monotonic_ns()
        if monotonic_ms() >= due_ms:
            due_ms += every_ms
            failures = failures + 1 if counter.is_noisy else 0
            tell(_round(meter, counter, now_ns, failures=failures, every_ms=every_ms))
    tell(None)


def _round(
    meter: MeterId, counter: PulseCounter, now_ns: int, *, failures: int, every_ms: int
) -> Round | Failed:
    if failures:
        words = ", ".join(f"{count} {what.value}" for what, count in counter.phantoms().items() if count)
        error = GarbledReply(
            f"the wire is noisy, much of it was not counted: {words}",
            hint="shield the wire, or raise debounce_ms and min_pulse_ms in a profile of your own",
        )
        return Failed(meter=meter, error=error, failures=failures, retry_ms=every_ms)
    at_ms = monotonic_ms()
    moment = Moment(utc_ms=None, monotonic_ms=at_ms, basis=TimeBasis.MONOTONIC)
    sample = counter.sample(meter=meter, moment=moment, now_ns=now_ns)
    return Round(meter=meter, said=Said(sample.model, sample.values), began_ms=at_ms, ended_ms=at_ms)
