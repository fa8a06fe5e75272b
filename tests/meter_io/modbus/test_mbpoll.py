"""A foreign master beside ours: `mbpoll` and our reader read one slave, over a pty and over TCP, and say the same."""

import re
import shutil
import struct
import subprocess
from decimal import Decimal

import pytest

from meter_io import obis
from meter_io.bus.once import Once
from meter_io.modbus.poll import Exchanges, ModbusMeter
from meter_io.obis import Obis
from meter_io.ports.address import Line, PortAddress
from meter_io.ports.port import port_at
from meter_io.profiles import load
from testbed.fleet.foreign_slaves import PYMODBUS, PtyLink, free_port, slave

LINE = Line(baud=9_600)
WHERE = {
    0x00: obis.VOLTAGES[0],
    0x34: obis.POWER_NET,
    0x46: obis.FREQUENCY,
    0x48: obis.IMPORT_TOTAL,
    0x4A: obis.EXPORT_TOTAL,
}
"""Input registers of the Eastron SDM630, protocol document V1.8 page 4, and what they hold."""
TRUTH = {0x00: 229.75, 0x34: -512.0, 0x46: 50.02, 0x48: 14_382.5, 0x4A: 905.25}
_SHOWN = re.compile(r"^\[(\d+)\]:\s+(\S+)$", re.MULTILINE)


def cells() -> dict[int, int]:
    """Registers that hold the truth as 32-bit floats, high word first."""
    words = ((at, struct.unpack(">HH", struct.pack(">f", value))) for at, value in TRUTH.items())
    return {at + place: word for at, pair in words for place, word in enumerate(pair)}


def by_mbpoll(words: list[str], register: int) -> Decimal:
    """What `mbpoll` shows of one float."""
    command = [
        "mbpoll",
        *words[:-1],
        "-a",
        "1",
        "-0",
        "-r",
        str(register),
        "-t",
        "3:float",
        "-B",
        "-1",
        words[-1],
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    shown = _SHOWN.findall(done.stdout)
    assert len(shown) == 1, done.stdout + done.stderr
    assert int(shown[0][0]) == register
    return Decimal(shown[0][1])


def by_ours(address: PortAddress) -> dict[Obis, Decimal]:
    """What our reader says, by the shipped profile."""
    port = port_at(address, LINE)
    port.open()
    try:
        meter = ModbusMeter(load.find("eastron-sdm630"), unit=1, exchanges=Exchanges(tcp=address.frames_tcp))
        said = Once(port=port, character_us=LINE.character_us).converse(meter.begin(), reply_ms=2_000)
    finally:
        port.close()
    return {code: value.number for code, value in said.values.items()}


@pytest.mark.system
@pytest.mark.parametrize("kind", ["tcp", "serial"])
def test_both_masters_read_the_same(kind: str) -> None:
    if shutil.which("mbpoll") is None:
        pytest.skip("mbpoll is not installed: apt-get install mbpoll")
    link = PtyLink() if kind == "serial" else None
    where = link.theirs if link else str(free_port())
    address = PortAddress.parse(link.ours if link else f"tcp://127.0.0.1:{where}")
    words = (
        ["-m", "rtu", "-b", "9600", "-P", "none", link.ours]
        if link
        else ["-m", "tcp", "-p", where, "127.0.0.1"]
    )
    with slave(PYMODBUS, kind, where, {1: cells()}):
        ours = by_ours(address)
        for register, code in WHERE.items():
            scale = 1_000 if register >= 0x48 else 1  # these count kWh
            assert by_mbpoll(words, register) * scale == pytest.approx(ours[code], rel=Decimal("1e-5")), code
            assert ours[code] == pytest.approx(Decimal(str(TRUTH[register])) * scale, rel=Decimal("1e-6"))
    if link:
        link.close()
