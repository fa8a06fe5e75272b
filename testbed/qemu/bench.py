"""A bench for one board: a meter on its adapter, the time, a configuration on its card; all gone afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import meter_io.profiles
from light_client.rules.encoding import encode
from testbed.fleet.virtual_meters.display import Display
from testbed.fleet.virtual_meters.ends import TcpEnd
from testbed.fleet.virtual_meters.household import Household
from testbed.fleet.virtual_meters.modbus_slave import Layout, ModbusSlave
from testbed.fleet.virtual_meters.running import Clock, RunningMeter
from testbed.fleet.virtual_meters.script import Script
from testbed.live.deployment import HOST as HERE
from testbed.live.deployment import free_ports
from testbed.live.staging import Staging, cast_for
from testbed.qemu import cards
from testbed.qemu.counting import Counter
from testbed.qemu.emulator import EmulatedBoard
from testbed.qemu.machine import HOST, Machine
from testbed.qemu.page import PASSWORD
from testbed.qemu.time_server import TimeServer, time_sources
from testbed.qemu.trial import document
from testbed.scenarios.catalogue import SHIPPED

_PROFILE: Final = "eastron-sdm630"
_NOBODY: Final = "0" * 40
"""A transport key of servers that are not there."""


class Answers:
    """When a meter answered, by this machine's monotonic clock, s: a witness outside of the board."""

    def __init__(self) -> None:
        """None yet."""
        self._times_s: list[float] = []

    def note(self) -> None:
        """It answers now."""
        self._times_s.append(time.monotonic())

    def after(self, moment_s: float) -> float | None:
        """How long after a moment it answered first, s; None if it has not."""
        return next((at_s - moment_s for at_s in self._times_s if at_s >= moment_s), None)


class _WitnessedEnd(TcpEnd):
    def __init__(self, port: int, note: Callable[[], None]) -> None:
        super().__init__(port)
        self._note = note

    def write(self, data: bytes) -> None:
        self._note()
        super().write(data)


@contextmanager
def meter_at(port: int, answers: Answers) -> Iterator[None]:
    """A household's meter at a port of the loopback interface, by the machine's own clock."""
    start_ms = int(time.time()) * 1_000
    midnight_ms = start_ms - start_ms % 86_400_000
    display = Display(
        household=Household.synthetic(1, start_ms=midnight_ms), script=Script(()), script_start_ms=start_ms
    )
    layout = Layout.of_profile(Path(meter_io.profiles.__file__).parent / "data" / f"{_PROFILE}.toml")
    meter = RunningMeter(
        ModbusSlave(display, layout, address=1),
        _WitnessedEnd(port, answers.note),
        Script(()),
        Clock(start_ms),
    )
    unplugged = threading.Event()
    thread = threading.Thread(target=meter.run, args=(unplugged.is_set,), name="meter")
    thread.start()
    try:
        yield
    finally:
        unplugged.set()
        thread.join(10)


def integrators_files(name: str, time_port: int) -> dict[str, bytes]:
    """What an integrator lays on the card: a configuration for a chain whose servers are not there yet."""
    staging = Staging(
        scenario=str(SHIPPED / "village.toml"),
        data=None,
        seed=1,
        skip=0,
        intervals=8,
        miners=4,
        solvers=1,
        speed=1,
    )
    cast = cast_for(staging, SHIPPED)
    nowhere = {
        miner: (f"tcp://{HOST}:{19_001 + seat}", _NOBODY) for seat, miner in enumerate(cast.miner_names)
    }
    text = document(
        name,
        fingerprint=cast.genesis.chain_id().hex(),
        feeder=1,
        dso=(f"tcp://{HOST}:19000", _NOBODY),
        servers=nowhere,
    )
    return {
        "gridlight.toml": text.encode("utf-8"),
        "genesis.cbor": encode(cast.genesis.to_wire()),
        "page.password": f"{PASSWORD}\n".encode("ascii"),
        "time.sources": time_sources(time_port),
    }


@contextmanager
def bench(
    machine: Machine,
    image: Path,
    folder: Path,
    *,
    counts: bool = False,
    more: tuple[str, ...] = (),
    answers: Answers | None = None,
) -> Iterator[EmulatedBoard]:
    """Everything around a board that is off; it is cut off at the end.

    Args:
        image: of the card, which is copied.
        folder: for the copy, console and log.
        counts: whether its instructions are counted, which makes it slower.
        more: further words for QEMU.
        answers: told of each answer of the meter.

    Raises:
        BoardError: the card cannot be used.
    """
    card = cards.copy_of(image, folder / "card.img")
    boot = cards.boot_of(machine, image, card, folder)
    with ExitStack() as stack:
        page_port, meter_port = free_ports(2, HERE)
        stack.enter_context(meter_at(meter_port, answers or Answers()))
        server = stack.enter_context(TimeServer())
        cards.lay_on(card, integrators_files("meter-0101", server.port))
        board = EmulatedBoard(
            machine,
            card,
            boot,
            folder=folder,
            page_port=page_port,
            meter_port=meter_port,
            counter=Counter(folder) if counts else None,
            more=more,
        )
        stack.callback(board.discard)
        yield board
