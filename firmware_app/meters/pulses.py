"""`gridlight read` of a pulse output: edges in, a reading every interval, the total kept in a file."""

import argparse
import os
import queue
import re
import select
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from firmware_app.console import CommandError, Exit
from firmware_app.meters.read import METER, Reader
from firmware_app.meters.target import in_a_folder, meter_errors
from meter_io.bus.dialogue import Said
from meter_io.bus.driver import monotonic_ms
from meter_io.bus.events import Round
from meter_io.errors import MeterError
from meter_io.profiles.model import Profile
from meter_io.pulse import Edge, FileTotal, PulseCounter, PulseInput, TotalKeeper
from meter_io.pulse.edges import EdgeLines, EdgeSource, GpioEdges
from meter_io.reading import Moment, TimeBasis

_GPIO: Final = re.compile(r"(/dev/gpiochip[0-9]+):([0-9]{1,4})")
_FORMS: Final = (
    "pulses come from /dev/gpiochipN:LINE, a file or FIFO of lines 'NANOSECONDS LEVEL', or - for stdin"
)
_IDLE_S: Final = 0.1
"""So long without an edge, and the present level counts as standing."""
_CHUNK: Final = 4_096
_WAITING: Final = 4_096
"""Edges that may wait to be counted, before the source has to."""


def read_pulses(args: argparse.Namespace, profile: Profile, settings: PulseInput, count: int | None) -> int:
    """Count until enough readings are shown, the source ends, or Ctrl-C; the total is kept whatever ends it."""
    reader = Reader(
        args.console,
        profile,
        port=args.port,
        unit=None,
        place=args.port,
        count=count,
        interval_ms=round(args.interval * 1000),
    )
    state = in_a_folder("--state", args.state)
    store = FileTotal(state) if state else None
    with meter_errors(), _arrivals(args.port, settings) as arrivals:
        keeper = TotalKeeper(store) if store else None
        counter = PulseCounter(settings, keeper.load() if keeper else 0)
        began = counter.pulses
        try:
            _count(arrivals, counter, keeper, reader, interval_s=args.interval)
        finally:
            if store is not None and counter.pulses != began:
                store.save(counter.pulses)
    if counter.is_noisy:
        words = ", ".join(
            f"{number} {verdict.value}" for verdict, number in counter.phantoms().items() if number
        )
        args.console.warn(f"the wire is noisy, much of it was not counted: {words}")
        return Exit.FAILED
    return reader.end()


@contextmanager
def _arrivals(port: str, settings: PulseInput) -> "Iterator[_Arrivals]":
    """Open a source by its name, and read it in the background until the end of the block."""
    line = _GPIO.fullmatch(port)
    stop = threading.Event()
    if line is not None:
        yield _Arrivals(GpioEdges(Path(line[1]), int(line[2]), pull_up=not settings.active_high), stop)
        return
    try:
        fd = os.dup(sys.stdin.fileno()) if port == "-" else os.open(port, os.O_RDONLY)
    except OSError as error:
        raise CommandError(f"cannot read {port}: {error.strerror}", hint=_FORMS) from None
    arrivals = _Arrivals(EdgeLines(_lines(fd, stop)), stop)
    try:
        yield arrivals
    finally:
        stop.set()
        arrivals.join()
        os.close(fd)


def _lines(fd: int, stop: threading.Event) -> Iterator[str]:
    """Yield the lines of a file, a FIFO or a pipe as they come; a source that says nothing can be left at any time."""
    held = b""
    while not stop.is_set():
        if not select.select([fd], [], [], _IDLE_S)[0]:
            continue
        data = os.read(fd, _CHUNK)
        *lines, held = (held + data).split(b"\n")
        if held and (not data or len(held) > _CHUNK):
            lines, held = [*lines, held], b""
        yield from (line.decode("ascii", "replace") for line in lines)
        if not data:
            return


class _Arrivals:
    """Edges of a source that blocks, read in a thread of its own."""

    def __init__(self, source: EdgeSource, stop: threading.Event) -> None:
        self._source = source
        self._stop = stop
        self._queue: queue.Queue[Edge | MeterError | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until the source is left; it was told so."""
        self._thread.join()

    def _run(self) -> None:
        try:
            for edge in self._source.edges():
                self._put(edge)
        except MeterError as error:
            self._put(error)
        except OSError as error:
            self._put(MeterError(f"the source of pulses is gone: {error.strerror}", hint=_FORMS))
        self._put(None)

    def _put(self, item: Edge | MeterError | None) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_IDLE_S)
            except queue.Full:
                continue
            return

    def next(self, timeout_s: float) -> Edge | None:
        """Return the next edge; None if the source has ended.

        Raises:
            queue.Empty: nothing came in time.
            MeterError: the source failed.
        """
        item = self._queue.get(timeout=timeout_s)
        if isinstance(item, MeterError):
            raise item
        return item


def _count(
    arrivals: _Arrivals,
    counter: PulseCounter,
    keeper: TotalKeeper | None,
    reader: Reader,
    *,
    interval_s: float,
) -> None:
    """Count and show. Edges have a clock of their own, which goes on from the last edge as ours does."""
    last_ns, came_ns = 0, time.monotonic_ns()
    due_ns = came_ns + round(interval_s * 1e9)
    while not reader.is_done():
        try:
            edge = arrivals.next(_IDLE_S)
        except queue.Empty:
            now_ns = last_ns + time.monotonic_ns() - came_ns
            counter.tick(now_ns)
        else:
            if edge is None:
                counter.tick(last_ns + counter.settings.debounce_ms * 1_000_000)
                reader.report(_reading(counter, last_ns))
                return
            counter.edge(edge)
            last_ns = now_ns = max(last_ns, edge.at_ns)
            came_ns = time.monotonic_ns()
        if keeper is not None:
            keeper.keep(counter, time.monotonic_ns())
        if time.monotonic_ns() >= due_ns:
            due_ns += round(interval_s * 1e9)
            reader.report(_reading(counter, now_ns))


def _reading(counter: PulseCounter, now_ns: int) -> Round:
    at_ms = monotonic_ms()
    moment = Moment(utc_ms=None, monotonic_ms=at_ms, basis=TimeBasis.MONOTONIC)
    sample = counter.sample(meter=METER, moment=moment, now_ns=now_ns)
    said = Said(sample.model, sample.values)
    return Round(meter=METER, said=said, began_ms=at_ms, ended_ms=at_ms)
