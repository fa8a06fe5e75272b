"""Foreign Modbus slaves to read from: pymodbus' own server and libmodbus, unmodified, each in its own process.

A serial slave and we are joined by two ptys and a pump between them, so that what passes can be changed. They judge
our Modbus in tests and serve its bench; emulated homes have meters of our own.
"""

import contextlib
import ctypes.util
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

PYMODBUS: Final = """
import asyncio, json, sys
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext
try:
    from pymodbus.datastore import ModbusDeviceContext as Context
except ImportError:
    from pymodbus.datastore import ModbusSlaveContext as Context
from pymodbus.framer import FramerType
from pymodbus import server

kind, where, spec = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

def device(cells):
    first, last = min(map(int, cells)), max(map(int, cells))
    registers = ModbusSequentialDataBlock(first + 1, [cells.get(str(at), 0) for at in range(first, last + 1)])
    return Context(hr=registers, ir=registers)

devices = {int(unit): device(cells) for unit, cells in spec.items()}
try:
    context = ModbusServerContext(devices=devices, single=False)
except TypeError:
    context = ModbusServerContext(slaves=devices, single=False)

async def main():
    if kind == "serial":
        await server.StartAsyncSerialServer(context, framer=FramerType.RTU, port=where, baudrate=115200)
    else:
        framer = FramerType.RTU if kind == "rtu+tcp" else FramerType.SOCKET
        await server.StartAsyncTcpServer(context, framer=framer, address=("127.0.0.1", int(where)))

asyncio.run(main())
"""
LIBMODBUS: Final = """
import ctypes, json, sys
lib = ctypes.CDLL(sys.argv[4])
kind, where, spec = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
class Mapping(ctypes.Structure):
    _fields_ = [(n, ctypes.c_int) for n in ("nb_bits","start_bits","nb_input_bits","start_input_bits",
        "nb_input_registers","start_input_registers","nb_registers","start_registers")] + [
        ("tab_bits", ctypes.c_void_p), ("tab_input_bits", ctypes.c_void_p),
        ("tab_input_registers", ctypes.POINTER(ctypes.c_uint16)), ("tab_registers", ctypes.POINTER(ctypes.c_uint16))]
for name in ("modbus_new_rtu", "modbus_new_tcp", "modbus_mapping_new"):
    getattr(lib, name).restype = ctypes.c_void_p
lib.modbus_mapping_new.restype = ctypes.POINTER(Mapping)
(unit, cells), = spec.items()
mapping = lib.modbus_mapping_new(0, 0, 65536, 65536)
for address, value in cells.items():
    mapping.contents.tab_registers[int(address)] = value
    mapping.contents.tab_input_registers[int(address)] = value
if kind == "serial":
    ctx = ctypes.c_void_p(lib.modbus_new_rtu(where.encode(), 115200, ctypes.c_char(b"N"), 8, 1))
    lib.modbus_set_slave(ctx, int(unit))
    lib.modbus_connect(ctx)
else:
    ctx = ctypes.c_void_p(lib.modbus_new_tcp(b"127.0.0.1", int(where)))
    listening = ctypes.c_int(lib.modbus_tcp_listen(ctx, 1))
    print("ready", flush=True)
    lib.modbus_tcp_accept(ctx, ctypes.byref(listening))
print("ready", flush=True)
query = (ctypes.c_uint8 * 260)()
while True:
    size = lib.modbus_receive(ctx, query)
    if size > 0:
        lib.modbus_reply(ctx, query, size, mapping)
    elif size < 0 and kind != "serial":
        break
"""


class NoSlaveError(Exception):
    """The library that should answer is not installed, or its process does not answer."""


Cells: TypeAlias = Mapping[int, Mapping[int, int]]
"""Registers by unit and address."""


class PtyLink:
    """Two ptys joined: what one side writes the other reads, unless `change` says otherwise.

    Attributes:
        ours: path of the end that is tested.
        theirs: path of the end for the slave.
        change: maps what the slave sends to what arrives; may block to delay.
    """

    def __init__(self) -> None:
        self._fds = []
        paths = []
        self._masters = []
        for _ in range(2):
            master, slave = os.openpty()
            tty.setraw(slave)
            self._fds += [master, slave]
            self._masters.append(master)
            paths.append(os.ttyname(slave))
        self.ours, self.theirs = paths
        self.change: Callable[[bytes], bytes] = lambda data: data
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    def _pump(self) -> None:
        ours, theirs = self._masters
        while True:
            readable, _, _ = select.select([ours, theirs, self._stop_read], [], [])
            if self._stop_read in readable:
                return
            with contextlib.suppress(OSError):
                if ours in readable:
                    os.write(theirs, os.read(ours, 4096))
                if theirs in readable:
                    os.write(ours, self.change(os.read(theirs, 4096)))

    def close(self) -> None:
        """End the pump and close both."""
        os.write(self._stop_write, b"x")
        self._thread.join(5)
        for fd in (*self._fds, self._stop_read, self._stop_write):
            os.close(fd)


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def libmodbus() -> str:
    """Return the name of libmodbus.

    Raises:
        NoSlaveError: it is not installed.
    """
    found = ctypes.util.find_library("modbus")
    if found is None:
        raise NoSlaveError("no libmodbus here: apt-get install libmodbus5")
    return found


@contextlib.contextmanager
def slave(program: str, kind: str, where: str, cells: Cells) -> Iterator[None]:
    """A foreign slave in its own process, ready to answer."""
    spec = json.dumps(
        {str(unit): {str(at): value for at, value in row.items()} for unit, row in cells.items()}
    )
    words = [sys.executable, "-W", "ignore", "-c", program, kind, where, spec]
    if program == LIBMODBUS:
        words.append(libmodbus())
    process = subprocess.Popen(  # noqa: S603 - our own words
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _wait_until_ready(process, kind, where, next(iter(cells)))
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        if process.stderr is not None:
            process.stderr.close()


def _wait_until_ready(process: "subprocess.Popen[bytes]", kind: str, where: str, unit: int) -> None:
    """Wait until the slave's end is in use; the first request finds a listener then."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            text = process.stderr.read().decode() if process.stderr else ""
            raise NoSlaveError(f"the slave ended with {process.returncode}: {text[-2000:]}")
        if kind == "serial":
            if any(str(link) == where for link in _links(process.pid)):
                time.sleep(0.05)
                return
        elif any(f"{int(where):04X}" in line.split()[1] for line in _listening()):
            return
        time.sleep(0.02)
    raise NoSlaveError(f"the slave {unit} was not ready in 20 s")


def _links(pid: int) -> list[Path]:
    found = []
    with contextlib.suppress(OSError):
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(handle.readlink())
    return found


def _listening() -> list[str]:
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return [line for line in lines if line.split()[3] == "0A"]
