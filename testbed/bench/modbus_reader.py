"""One reader of the bench, alone in its process: `python -m testbed.bench.modbus_reader WHO PORT ROUNDS`.

Each reads the same 13 values of an SDM630 with one request of 76 registers and makes numbers of them. Ours does it with
every check, exact decimals and units; the others as their manuals show it, with floats.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

ADDRESSES = (0, 2, 4, 6, 8, 10, 12, 14, 16, 0x34, 0x46, 0x48, 0x4A)
COUNT = 76
BAUD = 115_200


def gridlight(port: str) -> Callable[[], list[float]]:
    """Our own stack: profile, round, framing, port."""
    from meter_io.modbus.poll import Exchanges
    from meter_io.ports.address import Line, PortAddress
    from meter_io.profiles import load
    from meter_io.wiring import Wiring

    profile = load.find("eastron-sdm630")
    line = Line(baud=BAUD)
    wiring = Wiring(profile=profile, address=PortAddress.parse(port), line=line, unit=1)
    opened = wiring.port()
    opened.open()
    meter, once = wiring.meter(Exchanges(tcp=False)), wiring.once(opened)

    def read() -> list[float]:
        said = once.converse(meter.begin(), reply_ms=1_000)
        return [float(value.number) for value in said.values.values()]

    return read


def pymodbus(port: str) -> Callable[[], list[float]]:
    """The synchronous client of pymodbus, bare."""
    from pymodbus.client import ModbusSerialClient

    client = ModbusSerialClient(port, baudrate=BAUD, timeout=1)
    client.connect()

    def read() -> list[float]:
        words = client.read_input_registers(0, count=COUNT, device_id=1).registers
        kind = client.DATATYPE.FLOAT32
        return [float(str(client.convert_from_registers(words[at : at + 2], kind))) for at in ADDRESSES]

    return read


def minimalmodbus(port: str) -> Callable[[], list[float]]:
    """An instrument of minimalmodbus, bare."""
    import minimalmodbus as library

    instrument = library.Instrument(port, 1)
    instrument.serial.baudrate = BAUD
    instrument.serial.timeout = 1

    def read() -> list[float]:
        words = instrument.read_registers(0, COUNT, 4)
        return [float(struct.unpack(">f", struct.pack(">HH", *words[at : at + 2]))[0]) for at in ADDRESSES]

    return read


READERS = {"gridlight": gridlight, "pymodbus": pymodbus, "minimalmodbus": minimalmodbus}


def resident_kb() -> int:
    """Memory of this process, kB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4


def main(words: list[str]) -> None:
    """Read so many rounds and print what it took."""
    who, port, rounds = words
    read = READERS[who](port)
    first = sorted(read())
    began, began_cpu = time.perf_counter(), time.process_time()
    for _ in range(int(rounds)):
        read()
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    json.dump({"wall_s": wall_s, "cpu_s": cpu_s, "resident_kb": resident_kb(), "values": first}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
