"""pymodbus' own server, unmodified, as the meter: it takes its registers from the display at every request.

It runs in a thread of its own behind a pty or a socket that nobody else sees; what passes between that and the reader's
end goes through the faulty line.
"""

import asyncio
import os
import select
import socket
import threading
import tty
from collections.abc import Awaitable, Callable
from typing import Final

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from testbed.fleet.virtual_meters.display import Display
from testbed.fleet.virtual_meters.modbus_slave import Layout
from testbed.fleet.virtual_meters.running import Clock
from testbed.fleet.virtual_meters.speaker import Emission

_REGISTERS: Final = 0x2000
_START_S: Final = 10.0


class PymodbusServer:
    """A slave for one meter; `tcp` chooses the framing."""

    def __init__(
        self, display: Display, layout: Layout, clock: Clock, *, address: int = 1, tcp: bool = False
    ) -> None:
        """Start the server.

        Raises:
            TimeoutError: it did not come up.
        """
        self._display = display
        self._layout = layout
        self._clock = clock
        self.wake_ms: int | None = 0
        self._fds: list[int] = []
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._server: ModbusTcpServer | ModbusSerialServer | None = None
        self._device = SimDevice(
            id=address,
            simdata=[SimData(address=0, count=_REGISTERS, values=0, datatype=DataType.REGISTERS)],
            action=self._refresh,
        )
        where, port = ("127.0.0.1", 0), ""
        if tcp:
            with socket.create_server(where) as probe:
                where = probe.getsockname()[:2]
        else:
            self._fds += os.openpty()
            tty.setraw(self._fds[1])
            port = os.ttyname(self._fds[1])
        self._thread = threading.Thread(target=self._run, args=(where, port), daemon=True)
        self._thread.start()
        if not self._up.wait(_START_S):
            raise TimeoutError("the Modbus server did not start")
        if tcp:
            connection = socket.create_connection(where, timeout=_START_S)
            connection.settimeout(None)
            self._fds.append(connection.detach())

    def hear(self, data: bytes, utc_ms: int) -> list[Emission]:
        """Hand a request to the server."""
        del utc_ms
        os.write(self._fds[0], data)
        return []

    def speak(self, utc_ms: int) -> list[Emission]:
        """Return what the server answered meanwhile."""
        self.wake_ms = utc_ms
        if not select.select([self._fds[0]], [], [], 0)[0]:
            return []
        return [Emission(utc_ms, os.read(self._fds[0], 4_096))]

    def close(self) -> None:
        """Stop the server and its thread."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(_START_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_S)
        self._loop.close()
        for fd in self._fds:
            os.close(fd)

    async def _refresh(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        written: list[int] | list[bool] | None,
    ) -> None:
        """Fill in what the meter shows now."""
        del function, address, count, written
        for where, word in self._layout.registers(self._display.shown(self._clock.utc_ms())).items():
            registers[where - start] = word

    async def _start(self, where: tuple[str, int], port: str) -> None:
        self._server = (
            ModbusSerialServer(self._device, framer=FramerType.RTU, port=port, baudrate=115_200)
            if port
            else ModbusTcpServer(self._device, framer=FramerType.SOCKET, address=where)
        )
        await self._server.serve_forever(background=True)
        self._up.set()

    async def _stop(self) -> None:
        if self._server is not None:
            shutdown: Callable[[], Awaitable[None]] = self._server.shutdown
            await shutdown()

    def _run(self, where: tuple[str, int], port: str) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start(where, port))
        self._loop.run_forever()
