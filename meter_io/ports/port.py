"""What the bus driver needs of a port. Every method raises `PortError` and nothing else of the operating system."""

from pathlib import Path
from typing import Protocol

from meter_io.ports.address import Line, PortAddress
from meter_io.ports.names import DEV


class Port(Protocol):
    """An open or closed connection to meters."""

    def open(self) -> None:
        """Open it, by its stable name."""

    def close(self) -> None:
        """Close it; nothing happens if it is closed."""

    def send(self, data: bytes) -> None:
        """Throw away what waits to be read, then send everything."""

    def set_speed(self, baud: int | None) -> None:
        """Go on at another speed, or with None at the line's own; everything sent has left before."""

    def receive(self, timeout_s: float) -> bytes:
        """Return what has come, after waiting at most so long for the first byte; empty if nothing came."""


def port_at(address: PortAddress, line: Line, *, dev: Path = DEV) -> Port:
    """Return the port for an address, closed."""
    if address.kind == "serial":
        from meter_io.ports.serial_port import SerialPort  # noqa: PLC0415 - a TCP meter needs no pyserial

        return SerialPort(address.device, line, dev=dev)
    from meter_io.ports.tcp_port import TcpPort  # noqa: PLC0415 - a serial meter needs no sockets

    return TcpPort(address.host, address.port)
