"""Ports: what people write, stable names after renumbering, unplugging, permissions, and who holds a device."""

import errno
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from meter_io.bus.driver import drive
from meter_io.bus.events import Broken, Failed, Round
from meter_io.bus.scheduler import Bus
from meter_io.bus.slave import Poll
from meter_io.bus.timing import BusTiming
from meter_io.errors import PortError
from meter_io.modbus.poll import Exchanges, ModbusMeter
from meter_io.ports import serial_port
from meter_io.ports.address import Line, PortAddress
from meter_io.ports.busy import holders
from meter_io.ports.names import DeviceName, serial_ports, stable_name
from meter_io.ports.port import port_at
from meter_io.ports.serial_port import SerialPort
from meter_io.ports.tcp_port import TcpPort
from meter_io.profiles import load
from meter_io.reading import MeterId
from testbed.fleet.foreign_slaves import PYMODBUS, PtyLink, free_port, slave
from tests.meter_io.modbus.test_peers import CELLS


@pytest.mark.parametrize(
    ("text", "kind", "host", "port"),
    [
        ("/dev/serial/by-id/usb-FTDI", "serial", "", 0),
        ("tcp://meter.lan", "tcp", "meter.lan", 502),
        ("tcp://10.0.0.7:1502", "tcp", "10.0.0.7", 1502),
        ("tcp://[fe80::1]:503", "tcp", "fe80::1", 503),
        ("rtu+tcp://gateway:4001", "rtu+tcp", "gateway", 4001),
    ],
)
def test_what_people_write(text: str, kind: str, host: str, port: int) -> None:
    address = PortAddress.parse(text)
    assert (address.kind, address.host, address.port) == (kind, host, port)
    assert address.text == text


@pytest.mark.parametrize(
    "text",
    [
        *("ttyUSB0", "COM3", "http://x", "tcp://x:0", "tcp://x:99999", "rtu+tcp://x", "tcp://x:y", ""),
        *("tcp://", "tcp://:502", "rtu+tcp://:4001", "tcp://[]:502", f"tcp://x:{'1' * 5_000}"),
    ],
)
def test_what_is_no_port_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(PortError) as caught:
        PortAddress.parse(text)
    assert "a port is a device such as" in caught.value.sentence + caught.value.hint
    assert caught.value.hint


def test_a_character_s_time_follows_from_the_line() -> None:
    assert Line().character_us == 1042
    assert Line(baud=9_600, parity="E").character_us == 1146
    assert str(Line(baud=300, parity="E", data_bits=7)) == "300 7E1"
    with pytest.raises(ValueError, match="baud"):
        Line(baud=1)


class Dev:
    """A /dev of our own: ttys as plain files, links as udev makes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "serial" / "by-id").mkdir(parents=True)
        (folder / "serial" / "by-path").mkdir()

    def plug(self, tty: str, name: str, path: str = "") -> Path:
        device = self.folder / tty
        device.touch()
        (self.folder / "serial" / "by-id" / name).symlink_to(device)
        if path:
            (self.folder / "serial" / "by-path" / path).symlink_to(device)
        return device

    def unplug(self, tty: str) -> None:
        device = self.folder / tty
        for folder in ("by-id", "by-path"):
            for link in (self.folder / "serial" / folder).iterdir():
                if link.resolve() == device:
                    link.unlink()
        device.unlink()


@pytest.fixture
def dev(tmp_path: Path) -> Dev:
    """An empty /dev."""
    return Dev(tmp_path)


def test_ports_are_listed_once_under_their_stable_names(dev: Dev) -> None:
    dev.plug("ttyUSB0", "usb-A", "pci-1")
    (dev.folder / "ttyAMA0").touch()
    assert [port.name for port in serial_ports(dev.folder)] == ["usb-A", "ttyAMA0"]
    assert stable_name(dev.folder / "ttyUSB0", dev.folder) == dev.folder / "serial" / "by-id" / "usb-A"
    assert stable_name(dev.folder / "ttyAMA0", dev.folder) is None


def test_after_renumbering_the_same_adapter_is_opened_under_its_new_number(dev: Dev) -> None:
    dev.plug("ttyUSB0", "usb-A")
    name = DeviceName(str(dev.folder / "ttyUSB0"), dev.folder)
    assert name.resolve() == dev.folder / "ttyUSB0"
    dev.unplug("ttyUSB0")
    dev.plug("ttyUSB1", "usb-A")
    assert name.resolve() == dev.folder / "ttyUSB1"


def test_a_different_adapter_under_the_old_number_is_never_opened(dev: Dev) -> None:
    """victronenergy/venus#1680: a renumbering may open a different device."""
    dev.plug("ttyUSB0", "usb-A")
    name = DeviceName(str(dev.folder / "ttyUSB0"), dev.folder)
    name.resolve()
    dev.unplug("ttyUSB0")
    dev.plug("ttyUSB0", "usb-B")
    with pytest.raises(PortError, match="is now a different adapter: usb-A is unplugged"):
        name.resolve()
    by_number = dev.folder / "ttyUSB0"  # what a broken twin that trusts the number would open
    assert stable_name(by_number, dev.folder) == dev.folder / "serial" / "by-id" / "usb-B"


def test_a_link_is_followed_anew_each_time(dev: Dev) -> None:
    dev.plug("ttyUSB0", "usb-A")
    name = DeviceName(str(dev.folder / "serial/by-id/usb-A"), dev.folder)
    assert name.resolve().name == "ttyUSB0"
    dev.unplug("ttyUSB0")
    with pytest.raises(PortError, match="there is no port"):
        name.resolve()
    dev.plug("ttyUSB7", "usb-A")
    assert name.resolve().name == "ttyUSB7"


@pytest.mark.parametrize(
    ("number", "sentence", "hint"),
    [
        (errno.EACCES, "no permission", "dialout"),
        (errno.EBUSY, "in use by", "one owner"),
        (errno.ENXIO, "there is no port", "plug"),
        (errno.ENOTTY, "is no serial port", ""),
        (errno.ENOMEM, "cannot open", "doctor"),
    ],
)
def test_what_stands_between_us_and_a_device_is_said(number: int, sentence: str, hint: str) -> None:
    error = serial_port._refused(Path("/dev/ttyUSB0"), OSError(number, os.strerror(number)))
    assert sentence in error.sentence
    assert hint in error.hint


def test_a_port_has_one_owner_and_it_is_named() -> None:
    link = PtyLink()
    script = (
        "import serial, sys, time; port = serial.Serial(sys.argv[1], exclusive=True);"
        "print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", script, link.ours], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == b"held"
        with pytest.raises(PortError, match=rf"in use by .*\({other.pid}\)"):
            SerialPort(link.ours, Line()).open()
    finally:
        other.kill()
        other.wait(10)
        if other.stdout is not None:
            other.stdout.close()
    port = SerialPort(link.ours, Line())
    port.open()
    assert holders(Path(link.ours)) == []
    port.close()
    port.close()
    link.close()


def test_a_file_that_is_no_serial_port_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes").touch()
    with pytest.raises(PortError, match="no serial port"):
        SerialPort(str(tmp_path / "notes"), Line()).open()


def test_a_socket_that_is_not_there_or_closes_is_an_own_error() -> None:
    with pytest.raises(PortError, match="cannot connect"):
        TcpPort("127.0.0.1", free_port()).open()
    with pytest.raises(PortError, match="not open"):
        TcpPort("127.0.0.1", 1).receive(0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = TcpPort(*server.getsockname()[:2])
        port.open()
        server.accept()[0].close()
        with pytest.raises(PortError, match="closed the connection"):
            port.receive(5)
        port.close()


def test_a_meter_is_read_again_after_its_adapter_was_pulled_and_renumbered(tmp_path: Path) -> None:
    """The whole stack in real time: driver, bus, pty, pymodbus; the link moves to another pty meanwhile."""
    first, second = PtyLink(), PtyLink()
    link = tmp_path / "usb-A"
    link.symlink_to(first.ours)
    meter = ModbusMeter(load.find("eastron-sdm630"), unit=1, exchanges=Exchanges(tcp=False))
    poll = Poll(meter=MeterId("house"), begin=meter.begin, interval_ms=100, reply_ms=400)
    reports: list[Round | Failed | Broken] = []
    stop = threading.Event()
    bus = Bus([poll], timing=BusTiming(character_us=87), now_ms=time.monotonic_ns() // 1_000_000)
    port = port_at(PortAddress.parse(str(link)), Line(baud=115_200))
    owner = threading.Thread(
        target=drive, args=(bus, port), kwargs={"report": reports.append, "stopped": stop.is_set}
    )

    def rounds() -> int:
        return sum(isinstance(report, Round) for report in reports)

    def wait_for(count: int) -> None:
        deadline = time.monotonic() + 20
        while rounds() < count and time.monotonic() < deadline:
            time.sleep(0.02)
        assert rounds() >= count, reports[-3:]

    with slave(PYMODBUS, "serial", first.theirs, CELLS), slave(PYMODBUS, "serial", second.theirs, CELLS):
        owner.start()
        wait_for(3)
        link.unlink()
        link.symlink_to(second.ours)
        first.close()  # hang-up: reading raises from here on
        wait_for(rounds() + 3)
        stop.set()
        owner.join(5)
    second.close()
    assert not owner.is_alive()
    broken = [report for report in reports if isinstance(report, Broken)]
    assert broken
    assert "gone" in broken[0].error.sentence
    assert not [report for report in reports if isinstance(report, Failed)], "the slave is not blamed"
