"""Virtual meters behind real interfaces, read with the device's own ports: ptys, TCP, unplugging, renumbering."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

import meter_io.profiles
from meter_io.bus.once import Once
from meter_io.errors import MeterError, PortError
from meter_io.modbus.poll import Exchanges, ModbusMeter
from meter_io.obis import IMPORT_TOTAL
from meter_io.p1 import P1Parser
from meter_io.ports.address import Line
from meter_io.ports.serial_port import SerialPort
from meter_io.ports.tcp_port import TcpPort
from meter_io.profiles.load import find
from meter_io.telegram import Telegram
from testbed.fleet.virtual_meters.display import Display
from testbed.fleet.virtual_meters.ends import End, PtyEnd, TcpEnd
from testbed.fleet.virtual_meters.household import Household
from testbed.fleet.virtual_meters.modbus_slave import Layout
from testbed.fleet.virtual_meters.p1 import P1Meter
from testbed.fleet.virtual_meters.pymodbus_server import PymodbusServer
from testbed.fleet.virtual_meters.running import Clock, RunningMeter
from testbed.fleet.virtual_meters.script import Fault, Script
from testbed.fleet.virtual_meters.speaker import Speaker

START_MS = 1_799_971_200_000
SDM630 = Path(meter_io.profiles.__file__).parent / "data" / "eastron-sdm630.toml"


@contextmanager
def running(speaker: Speaker, end: End, script: Script, clock: Clock) -> Iterator[None]:
    """A meter in a thread of its own."""
    stop = threading.Event()
    meter = RunningMeter(speaker, end, script, clock)
    thread = threading.Thread(target=meter.run, args=(stop.is_set,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
    assert not end.is_plugged


def display(*faults: str) -> Display:
    """A household with faults."""
    household = Household.synthetic(4, start_ms=START_MS, days=2)
    return Display(household=household, script=Script(map(Fault.parse, faults)))


def telegrams(port: SerialPort, wanted: int, within_s: float = 10) -> list[Telegram]:
    """Read a pushing meter."""
    parser, found, end_s = P1Parser(), list[Telegram](), time.monotonic() + within_s
    while len(found) < wanted and time.monotonic() < end_s:
        found += [event for event in parser.feed(port.receive(0.2)) if isinstance(event, Telegram)]
    return found


def test_p1_on_a_pty_in_hurried_time(tmp_path: Path) -> None:
    shown, clock = display(), Clock(START_MS, 100)
    end = PtyEnd(tmp_path / "p1")
    with running(P1Meter(shown, every_ms=10_000), end, shown.script, clock):
        port = SerialPort(end.name, Line(baud=115_200))
        port.open()
        found = telegrams(port, 3)
        port.close()
    assert len(found) >= 3
    times = [telegram.meter_time_ms for telegram in found]
    assert times == sorted(set(times), key=lambda at: at or 0)
    assert not (tmp_path / "p1").is_symlink()


def test_unplugged_and_renumbered(tmp_path: Path) -> None:
    shown, clock = display("unplug@30+60", "renumber@150"), Clock(START_MS, 60)
    end = PtyEnd(tmp_path / "p1")
    first = end.device
    with running(P1Meter(shown, every_ms=5_000), end, shown.script, clock):
        port = SerialPort(end.name, Line(baud=115_200))
        lost, seen = 0, 0
        until_s = time.monotonic() + 20
        while (lost < 2 or not seen) and time.monotonic() < until_s:
            try:
                port.open()
                seen = 0
                while time.monotonic() < until_s:
                    seen += len(port.receive(0.1))
                    if lost >= 2 and seen:
                        break
            except PortError:
                lost += bool(seen)
                port.close()
                time.sleep(0.05)
        port.close()
    assert lost == 2
    assert seen
    assert first


@pytest.mark.parametrize("tcp", [False, True])
def test_pymodbus_itself_is_the_meter(tmp_path: Path, tcp: bool) -> None:
    shown, clock = display("false-zero@1000+100000"), Clock(START_MS, 1)
    server = PymodbusServer(shown, Layout.of_profile(SDM630), clock, address=3, tcp=tcp)
    end: End = TcpEnd() if tcp else PtyEnd(tmp_path / "rtu")
    try:
        with running(server, end, shown.script, clock):
            port = (
                TcpPort("127.0.0.1", int(end.name.rpartition(":")[2]))
                if tcp
                else SerialPort(end.name, Line(baud=115_200))
            )
            port.open()
            once = Once(port=port, character_us=0)
            meter = ModbusMeter(find("eastron-sdm630"), unit=3, exchanges=Exchanges(tcp=tcp))
            said = once.converse(meter.begin(), reply_ms=3_000)
            port.close()
    finally:
        server.close()
    assert said.values[IMPORT_TOTAL].number == Decimal(shown.shown(clock.utc_ms()).import_wh)


def test_a_silent_line_before_pymodbus(tmp_path: Path) -> None:
    shown, clock = display("silence@0+1000"), Clock(START_MS, 1)
    server = PymodbusServer(shown, Layout.of_profile(SDM630), clock)
    end = PtyEnd(tmp_path / "rtu")
    try:
        with running(server, end, shown.script, clock):
            port = SerialPort(end.name, Line(baud=115_200))
            port.open()
            meter = ModbusMeter(find("eastron-sdm630"), unit=1, exchanges=Exchanges(tcp=False))
            with pytest.raises(MeterError, match="slave 1 did not answer"):
                Once(port=port, character_us=0).converse(meter.begin(), reply_ms=300)
            port.close()
    finally:
        server.close()


def test_a_link_that_is_taken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(FileExistsError):
        PtyEnd(tmp_path / "taken")
