"""A time server for emulated boards: SNTP on the loopback interface, with the time of whoever runs it.

Source: RFC 5905 (packet format, modes 3 and 4, stratum).
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from testbed.qemu.machine import HOST

_PACKET: Final = struct.Struct("!BBbb3I4Q")
_TO_1900_S: Final = 2_208_988_800
_CLIENT: Final = 3
_SERVER: Final = 4
_VERSION: Final = 4
_STRATUM: Final = 1
_ERA: Final = (1 << 64) - 1
"""Stamps begin anew in 2036: whoever reads one knows the era."""
_PRECISION: Final = -20
"""About a microsecond, as a power of two of seconds."""
_REFERENCE: Final = int.from_bytes(b"LOCL", "big")


def time_sources(port: int) -> bytes:
    """What makes a board ask this machine for the time: a file for its card."""
    return f"server {HOST} port {port} iburst minpoll 0 maxpoll 4\n".encode("ascii")


def real_ns() -> int:
    """The machine's own time, ns UTC."""
    return time.time_ns()


def stamp(ns: int) -> int:
    """A time as NTP writes it: seconds since 1900 in the upper 32 bits, their fraction below."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return ((seconds + _TO_1900_S) << 32 | (rest << 32) // 1_000_000_000) & _ERA


def answer(request: bytes, received_ns: int, now_ns: int) -> bytes | None:
    """What a client is answered; None if it did not ask for the time.

    Args:
        request: untrusted bytes.
        received_ns: when it came, ns UTC.
        now_ns: when the answer leaves, ns UTC.
    """
    if len(request) < _PACKET.size:
        return None
    first, *_, asked = _PACKET.unpack(request[: _PACKET.size])
    if first & 0b111 != _CLIENT:
        return None
    leading = (first & 0b00111000) or _VERSION << 3
    return _PACKET.pack(
        leading | _SERVER,
        _STRATUM,
        0,
        _PRECISION,
        0,
        0,
        _REFERENCE,
        stamp(now_ns),
        asked,
        stamp(received_ns),
        stamp(now_ns),
    )


class TimeServer:
    """Answers until it is left; a thread of its own."""

    def __init__(self, now_ns: Callable[[], int] = real_ns) -> None:
        """Listen on a free port.

        Raises:
            OSError: there is none.
        """
        self._now_ns = now_ns
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind(("127.0.0.1", 0))
        self.port: Final[int] = self._socket.getsockname()[1]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="time server", daemon=True)

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Answer no more."""
        self._stopped.set()
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        self._socket.settimeout(0.2)
        while not self._stopped.is_set():
            try:
                request, peer = self._socket.recvfrom(512)
            except TimeoutError:
                continue
            said = answer(request, self._now_ns(), self._now_ns())
            if said is not None:
                self._socket.sendto(said, peer)
