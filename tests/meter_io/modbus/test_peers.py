"""Foreign slaves, unmodified: pymodbus' own server and libmodbus, over a pty and over TCP."""

import struct
from collections.abc import Iterator
from decimal import Decimal

import pytest

from meter_io import obis
from meter_io.bus.once import Once
from meter_io.errors import GarbledReply, MeterError, NoReply, Refused
from meter_io.modbus.pdu import Function, ReadRequest
from meter_io.modbus.poll import Exchanges, ModbusMeter, ReadRound
from meter_io.obis import Obis
from meter_io.ports.address import Line, PortAddress
from meter_io.ports.port import Port, port_at
from meter_io.profiles import load
from testbed.fleet.foreign_slaves import LIBMODBUS, PYMODBUS, PtyLink, free_port, slave

LINE = Line(baud=115_200)
TRUTH = {0x00: 230.5, 0x34: -1234.5, 0x46: 49.98, 0x48: 14_382.417, 0x4A: 3_905.22}


def floats(values: dict[int, float]) -> dict[int, int]:
    """Registers that hold these 32-bit floats, high word first."""
    return {
        address + place: word
        for address, value in values.items()
        for place, word in enumerate(struct.unpack(">HH", struct.pack(">f", value)))
    }


CELLS = {1: floats(TRUTH)}


@pytest.fixture(
    params=["pymodbus serial", "pymodbus tcp", "pymodbus rtu+tcp", "libmodbus serial", "libmodbus tcp"]
)
def reach(request: pytest.FixtureRequest) -> Iterator[tuple[Port, bool, PtyLink | None]]:
    """An open port to a foreign slave, whether it frames by TCP, and the link where it is serial."""
    name, kind = request.param.split()
    if name == "libmodbus":
        request.getfixturevalue("libmodbus")
    program = PYMODBUS if name == "pymodbus" else LIBMODBUS
    link = PtyLink() if kind == "serial" else None
    where = link.theirs if link else str(free_port())
    address = PortAddress.parse(link.ours if link else f"{kind}://127.0.0.1:{where}")
    with slave(program, kind, where, CELLS):
        port = port_at(address, LINE)
        port.open()
        yield port, address.frames_tcp, link
        port.close()
    if link:
        link.close()


def test_a_whole_profile_is_read(reach: tuple[Port, bool, PtyLink | None]) -> None:
    port, tcp, _ = reach
    meter = ModbusMeter(load.find("eastron-sdm630"), unit=1, exchanges=Exchanges(tcp=tcp))
    once = Once(port=port, character_us=LINE.character_us)
    for _ in range(3):
        said = once.converse(meter.begin(), reply_ms=2_000)
        assert said.model == "SDM630-Modbus V2"
        assert said.values[obis.VOLTAGES[0]].number == Decimal("230.5")
        assert said.values[obis.POWER_NET].number == Decimal("-1234.5")
        assert said.values[obis.IMPORT_TOTAL].number == Decimal(14_382_417)
        assert said.values[obis.EXPORT_TOTAL].number == Decimal(3_905_220)
        assert said.values[Obis.parse("1-0:14.7.0")].number == Decimal("49.98")


class OneRead(ReadRound):
    """Reads one request and keeps what came."""

    def read(self, request: ReadRequest, answer: bytes) -> None:
        self.answer = answer

    def finished(self) -> MeterError | None:  # type: ignore[override]
        raise Finished


class Finished(Exception):
    """The answer is complete."""


def test_a_register_that_is_not_there_is_refused_in_words(reach: tuple[Port, bool, PtyLink | None]) -> None:
    port, tcp, _ = reach
    request = ReadRequest(unit=1, function=Function.HOLDING, address=65_535, count=1)
    dialogue = OneRead(Exchanges(tcp=tcp), [request])
    try:
        Once(port=port, character_us=87).converse(dialogue, reply_ms=2_000)
    except Refused as error:
        assert "refused 1 holding registers from 0xFFFF" in error.sentence
    except Finished:
        assert dialogue.answer == b"\0\0"  # libmodbus maps all 65,536


def test_a_slave_that_is_not_there_does_not_answer() -> None:
    link = PtyLink()
    with slave(PYMODBUS, "serial", link.theirs, CELLS):
        port = port_at(PortAddress.parse(link.ours), LINE)
        port.open()
        request = ReadRequest(unit=9, function=Function.HOLDING, address=0, count=1)
        with pytest.raises((NoReply, Refused)):
            Once(port=port, character_us=87).converse(OneRead(Exchanges(tcp=False), [request]), reply_ms=300)
        port.close()
    link.close()


def test_noise_on_the_line_is_survived_once_and_reported_twice() -> None:
    link = PtyLink()
    spoiled: list[bytes] = []

    def spoil_first(data: bytes) -> bytes:
        if len(spoiled) < 1:
            spoiled.append(data)
            return data[:-1] + bytes((data[-1] ^ 0x40,))
        return data

    with slave(PYMODBUS, "serial", link.theirs, CELLS):
        port = port_at(PortAddress.parse(link.ours), LINE)
        port.open()
        once = Once(port=port, character_us=87)
        meter = ModbusMeter(load.find("eastron-sdm630"), unit=1, exchanges=Exchanges(tcp=False))
        link.change = spoil_first
        assert once.converse(meter.begin(), reply_ms=1_000).values[obis.VOLTAGES[0]].number == Decimal(
            "230.5"
        )
        assert spoiled
        link.change = lambda data: data[:-1] + bytes((data[-1] ^ 0x40,))
        with pytest.raises(GarbledReply):
            once.converse(meter.begin(), reply_ms=500)
        port.close()
    link.close()
