"""What people write for a port, and what it means."""

from dataclasses import dataclass
from typing import Final, Literal, Self, TypeAlias

from meter_io.errors import PortError

Parity: TypeAlias = Literal["N", "E", "O"]
MODBUS_TCP_PORT: Final = 502
_DIGITS: Final = 5
_FORMS: Final = "a port is a device such as /dev/serial/by-id/NAME, tcp://HOST or rtu+tcp://HOST:PORT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How a serial line is set.

    Attributes:
        baud: bits per second.
        parity: none, even or odd.
        stop_bits: 1 or 2.
        data_bits: 7 or 8.
    """

    baud: int = 9_600
    parity: Parity = "N"
    stop_bits: int = 1
    data_bits: int = 8

    def __post_init__(self) -> None:
        if not 50 <= self.baud <= 4_000_000:
            raise ValueError(f"a baud rate is 50 to 4000000, got {self.baud}")
        if self.parity not in {"N", "E", "O"} or self.stop_bits not in {1, 2} or self.data_bits not in {7, 8}:
            raise ValueError(f"a line is 7 or 8 bits, N, E or O, 1 or 2 stop bits, got {self}")

    @property
    def character_us(self) -> int:
        """One character on the line, microseconds, rounded up: start, data, parity and stop bits."""
        bits = 1 + self.data_bits + (self.parity != "N") + self.stop_bits
        return -(-bits * 1_000_000 // self.baud)

    def __str__(self) -> str:
        return f"{self.baud} {self.data_bits}{self.parity}{self.stop_bits}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortAddress:
    """Where a port is.

    Attributes:
        text: as it was written; names the port for people.
        kind: a serial device, Modbus TCP, or RTU frames over TCP.
        device: path of the device, as it was written, not resolved.
        host: name or number.
        port: TCP port.
    """

    text: str
    kind: Literal["serial", "tcp", "rtu+tcp"]
    device: str = ""
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `/dev/...`, `tcp://host[:502]` or `rtu+tcp://host:port`.

        Raises:
            PortError: it is none of these.
        """
        if text.startswith("/"):
            return cls(text=text, kind="serial", device=text)
        scheme, found, rest = text.partition("://")
        if not found or scheme not in {"tcp", "rtu+tcp"}:
            raise PortError(
                f"there is no port {text!r}: {_FORMS}", hint="gridlight scan lists the ports here"
            )
        host, number = _split(rest)
        if not host:
            raise PortError(f"{text!r} names no host", hint=_FORMS)
        if scheme == "tcp":
            return cls(text=text, kind="tcp", host=host, port=_number(text, number or str(MODBUS_TCP_PORT)))
        return cls(text=text, kind="rtu+tcp", host=host, port=_number(text, number))

    @property
    def frames_tcp(self) -> bool:
        """Whether Modbus speaks its TCP framing here."""
        return self.kind == "tcp"


def _split(rest: str) -> tuple[str, str]:
    """Return host and port of `host:port`, `[v6]:port` or `host`."""
    if rest.startswith("["):
        host, _, number = rest[1:].partition("]")
        return host, number.removeprefix(":")
    host, _, number = rest.partition(":")
    return host, number


def _number(text: str, number: str) -> int:
    if not (number.isascii() and number.isdecimal() and len(number) <= _DIGITS and 1 <= int(number) <= 65535):
        raise PortError(f"{text[:80]!r} names no TCP port from 1 to 65535", hint=_FORMS)
    return int(number)
