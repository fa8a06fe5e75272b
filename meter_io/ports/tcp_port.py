"""A TCP connection to a meter or a gateway."""

import select
import socket
from typing import Final

from meter_io.errors import PortError

_CHUNK: Final = 4096
_CONNECT_TIMEOUT_S: Final = 3.0
_DISCARD_READS: Final = 64


class TcpPort:
    """One connection."""

    def __init__(self, host: str, port: int, *, connect_timeout_s: float = _CONNECT_TIMEOUT_S) -> None:
        self._where = (host, port)
        self._connect_timeout_s = connect_timeout_s
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Connect."""
        self.close()
        host, port = self._where
        try:
            opened = socket.create_connection(self._where, timeout=self._connect_timeout_s)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TimeoutError as error:
            raise PortError(
                f"{host} port {port} does not answer", hint="check the address, the cable and the firewall"
            ) from error
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise PortError(
                f"cannot connect to {host} port {port}: {reason}",
                hint="check host and port; many meters allow one connection only",
            ) from error
        self._socket = opened

    def close(self) -> None:
        """Close it."""
        opened, self._socket = self._socket, None
        if opened is not None:
            opened.close()

    def send(self, data: bytes) -> None:
        """Throw away what waits to be read, then send everything."""
        for _ in range(_DISCARD_READS):
            if not self.receive(0):
                break
        try:
            self._open_socket().sendall(data)
        except OSError as error:
            raise _lost(error) from error

    def set_speed(self, baud: int | None) -> None:
        """Refuse: the speed of a line behind a socket is not ours to set."""
        host, port = self._where
        raise PortError(
            f"{host} port {port} has no speed that could be set to {baud or 'its own'}",
            hint="plug the meter's optical head into a serial port of this board",
        )

    def receive(self, timeout_s: float) -> bytes:
        """Return what has come."""
        opened = self._open_socket()
        try:
            readable, _, _ = select.select([opened], [], [], timeout_s)
            if not readable:
                return b""
            data = opened.recv(_CHUNK)
        except (OSError, ValueError) as error:
            raise _lost(error) from error
        if not data:
            raise PortError(
                "the other side closed the connection", hint="many meters allow one connection only"
            )
        return data

    def _open_socket(self) -> socket.socket:
        if self._socket is None:
            raise PortError("the connection is not open")
        return self._socket


def _lost(error: Exception) -> PortError:
    return PortError(f"the connection is lost: {getattr(error, 'strerror', None) or error}")
