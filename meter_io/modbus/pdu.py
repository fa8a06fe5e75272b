"""Requests to read registers, and what may come back for one.

Source: MODBUS Application Protocol V1.1b3, sections 6.3, 6.4 (functions 3 and 4) and 7 (exception responses).
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from meter_io.errors import GarbledReply, Refused

MAX_REGISTERS: Final = 125
"""Most registers in one reply: its byte count is one byte and the frame at most 256."""
REFUSED_BIT: Final = 0x80
REASONS: Final = {
    1: "it does not know the function",
    2: "it has no register there",
    3: "it does not accept the number of registers",
    4: "it failed",
    5: "it needs longer",
    6: "it is busy",
    8: "its memory is damaged",
    10: "the gateway has no path to it",
    11: "behind the gateway it does not answer",
}
"""What an exception code means, as the end of a sentence about the meter."""
_REQUEST: Final = struct.Struct(">BHH")


class Function(IntEnum):
    """The two ways to read 16-bit registers; they are separate address spaces."""

    HOLDING = 3
    INPUT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """One question to one slave.

    Attributes:
        unit: the slave's address, 1 to 247 on a serial line; behind TCP 0 and 255 stand for the device itself.
        function: which register space.
        address: first register as it stands in the frame, counted from 0.
        count: how many registers, 1 to 125.
    """

    unit: int
    function: Function
    address: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.unit <= 255:
            raise ValueError(f"a Modbus address is 0 to 255, got {self.unit}")
        if not 1 <= self.count <= MAX_REGISTERS:
            raise ValueError(f"a request reads 1 to {MAX_REGISTERS} registers, got {self.count}")
        if self.address < 0 or self.address + self.count > 0x10000:
            raise ValueError(f"registers are 0 to 65535, got {self.count} from {self.address}")

    @property
    def pdu(self) -> bytes:
        """Function, address, count."""
        return _REQUEST.pack(self.function, self.address, self.count)

    @property
    def words(self) -> str:
        """For error sentences."""
        space = "input" if self.function is Function.INPUT else "holding"
        return f"{self.count} {space} registers from 0x{self.address:04X}"


def refusal(request: ReadRequest, code: int) -> Refused:
    """The error for an exception response."""
    reason = REASONS.get(code, "of a reason Modbus does not define")
    return Refused(
        f"slave {request.unit} refused {request.words}: {reason} (exception {code})",
        hint="check that the profile is the one of this meter: gridlight scan --port PORT",
        code=code,
    )


def registers_of(request: ReadRequest, pdu: bytes) -> bytes:
    """Return the register bytes of a reply's PDU.

    Raises:
        Refused: the slave answered with an exception.
        GarbledReply: it is not a reply to this request.
    """
    if len(pdu) == 2 and pdu[0] == request.function | REFUSED_BIT:
        raise refusal(request, pdu[1])
    expected = 2 * request.count
    if len(pdu) < 2 or pdu[0] != request.function or pdu[1] != expected or len(pdu) != 2 + expected:
        raise GarbledReply(
            f"slave {request.unit} did not answer what was asked: got {pdu[:4].hex(' ')} ({len(pdu)} bytes), "
            f"expected function {int(request.function)} with {expected} bytes"
        )
    return pdu[2:]
