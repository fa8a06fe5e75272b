"""`gridlight read` of a pulse output: edges in, a reading every interval, the total kept in a file."""

import argparse
import queue
import time

from firmware_app.console import Exit
from firmware_app.meters.pulse_source import IDLE_S, Arrivals, arrivals_at
from firmware_app.meters.read import METER, Reader
from firmware_app.meters.target import in_a_folder, meter_errors
from meter_io.bus.dialogue import Said
from meter_io.bus.driver import monotonic_ms
from meter_io.bus.events import Round
from meter_io.profiles.model import Profile
from meter_io.pulse import FileTotal, PulseCounter, PulseInput, TotalKeeper
from meter_io.reading import Moment, TimeBasis


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
    with meter_errors(), arrivals_at(args.port, settings) as arrivals:
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


def _count(
    arrivals: Arrivals,
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
            edge = arrivals.next(IDLE_S)
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
