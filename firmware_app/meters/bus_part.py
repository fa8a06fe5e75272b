"""One bus as a part of the running device: its driver in a thread of its own, what it reports on the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_app.config.schema import MeterSection
from meter_io.bus.driver import drive, monotonic_ms
from meter_io.bus.events import Broken, Failed, Round
from meter_io.bus.scheduler import Bus
from meter_io.bus.slave import Poll
from meter_io.errors import ProfileError
from meter_io.modbus.poll import Exchanges
from meter_io.ports.port import Port
from meter_io.profiles.model import TelegramForm
from meter_io.reading import MeterId
from meter_io.wiring import Wiring

if TYPE_CHECKING:
    from meter_io.p1 import Decryptor


def bus_of(
    sections: tuple[MeterSection, ...], wirings: dict[str, Wiring], decryptor: Decryptor | None = None
) -> Bus:
    """The bus of all meters at one port.

    Args:
        sections: one or more of one port.
        wirings: meter -> its wiring.
        decryptor: for a P1 port that encrypts.

    Raises:
        ProfileError: the meters cannot share a port.
    """
    first, now_ms = wirings[sections[0].name], monotonic_ms()
    if len(sections) == 1:
        meter = MeterId(sections[0].name)
        return first.bus(meter, interval_ms=sections[0].poll_ms, now_ms=now_ms, decryptor=decryptor)
    exchanges = Exchanges(tcp=first.address.frames_tcp)
    polls = [_poll(section, wirings[section.name], first, exchanges) for section in sections]
    timings = [wirings[section.name].timing for section in sections]
    return Bus(polls, timing=max(timings, key=lambda timing: timing.gap_ms), now_ms=now_ms)


@contextmanager
def encryption_of(
    section: MeterSection, document: Path, data: Path, *, keep: bool = True
) -> Iterator[Decryptor | None]:
    """What decrypts a P1 port, from where its last life ended; None where nothing is encrypted.

    The counter is kept at the end of a life. After a power cut the telegrams since then could be played to the meter
    once more: they say what it has counted already, and time never runs backwards there.

    Args:
        document: folder of the configuration, which the key file is relative to.
        data: folder of the device.
        keep: whether the counter is kept at the end; not for somebody who only looks.

    Raises:
        CommandError: the keys cannot be used.
        MeterError: the kept counter cannot be read or written.
    """
    if section.key_file is None:
        yield None
        return
    from firmware_app.meters.keys import KeptCounter, decryptor_of  # noqa: PLC0415 - encrypted ports alone need it

    kept = KeptCounter(data / f"p1-{section.name}.seen")
    decryptor = decryptor_of(str(document / section.key_file), kept.load())
    try:
        yield decryptor
    finally:
        if decryptor is not None and keep:
            kept.save(decryptor.seen)


def _poll(section: MeterSection, wiring: Wiring, first: Wiring, exchanges: Exchanges) -> Poll:
    if isinstance(wiring.profile.form, TelegramForm):
        raise ProfileError(
            f"{section.name} at {section.port}: a meter that sends telegrams has its port for itself",
            hint="give it a port of its own",
        )
    if wiring.line != first.line:
        raise ProfileError(
            f"{section.name} at {section.port}: {wiring.line} beside {first.line} on one line",
            hint="set both meters to the same speed and parity",
        )
    return Poll(
        meter=MeterId(section.name),
        begin=wiring.meter(exchanges).begin,
        interval_ms=section.poll_ms,
        reply_ms=wiring.profile.timing.reply_ms,
    )


async def run_bus(
    bus: Bus, port: Port, hear: Callable[[Round | Failed | Broken], None], stop: asyncio.Event
) -> None:
    """Drive a bus until the event is set.

    Args:
        hear: is told what the bus reports, on the event loop, in order.

    Raises:
        Exception: whatever driver or listener raised; the port is closed then.
    """
    loop = asyncio.get_running_loop()
    reports: asyncio.Queue[Round | Failed | Broken] = asyncio.Queue()
    halted = threading.Event()

    def report(what: Round | Failed | Broken) -> None:
        loop.call_soon_threadsafe(reports.put_nowait, what)

    driving = asyncio.create_task(asyncio.to_thread(drive, bus, port, report=report, stopped=halted.is_set))
    hearing = asyncio.create_task(_hear_all(reports, hear))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({driving, hearing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if hearing.done():
            hearing.result()
    finally:
        halted.set()
        stopping.cancel()
        hearing.cancel()
        await asyncio.gather(stopping, hearing, return_exceptions=True)
        await driving


async def _hear_all(
    reports: asyncio.Queue[Round | Failed | Broken], hear: Callable[[Round | Failed | Broken], None]
) -> None:
    while True:
        hear(await reports.get())
