"""The contract of all virtual meters: bytes in, bytes out at a time. No I/O, no clock."""

from typing import NamedTuple, Protocol


class Emission(NamedTuple):
    """Bytes that leave the meter.

    Attributes:
        at_ms: when the last of them is on the wire, UTC.
        data: what.
    """

    at_ms: int
    data: bytes


class Speaker(Protocol):
    """A meter's side of a protocol.

    Attributes:
        wake_ms: when `speak` wants to be called next, UTC; None for a meter that only answers.
    """

    wake_ms: int | None

    def hear(self, data: bytes, utc_ms: int) -> list[Emission]:
        """Take bytes off the wire."""

    def speak(self, utc_ms: int) -> list[Emission]:
        """Say what is due."""
