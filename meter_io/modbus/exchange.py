"""One request and the search for its answer in whatever bytes come: the same contract for RTU and TCP.

On a serial line anything may precede the answer: the echo of our own request (adapters that hear themselves), a
glitch from switching the driver, the late answer of a slave we gave up on. An answer is therefore searched for: slave,
function and byte count must be the expected ones *and* the checksum must hold, which chance meets once in 2^40.
What was thrown away is remembered only to say afterwards what was wrong.
"""

import struct
from typing import Final, Protocol

from meter_io.errors import GarbledReply, MeterError, NoReply
from meter_io.modbus.crc import closes, crc16
from meter_io.modbus.pdu import REASONS, REFUSED_BIT, ReadRequest, refusal, registers_of

MAX_HELD: Final = 512
"""Bytes kept while an answer is searched for: the longest frame (256) twice."""
_MBAP: Final = struct.Struct(">HHHB")
_LONGEST_ADU: Final = 254
WIRING_HINT: Final = "check baud rate, parity and the A and B wires: gridlight doctor --port PORT"


class Exchange(Protocol):
    """A request under way.

    Attributes:
        data: the bytes to send.
        reply_size: bytes of the expected answer, for the time it needs on the line.
    """

    data: bytes
    reply_size: int

    def feed(self, data: bytes) -> bytes | None:
        """Take what came; return the register bytes once the answer is complete.

        Raises:
            Refused: the slave declined.
            GarbledReply: an answer came that must not be believed.
        """

    def expired(self) -> MeterError:
        """What to report when time is over: nothing came, or what came instead of an answer."""


class RtuExchange:
    """A request in RTU framing."""

    __slots__ = ("_echo_gone", "_held", "_refusal", "_reply", "_request", "data", "reply_size")

    def __init__(self, request: ReadRequest) -> None:
        body = bytes((request.unit,)) + request.pdu
        self.data = body + crc16(body).to_bytes(2, "little")
        self.reply_size = 5 + 2 * request.count
        self._request = request
        self._reply = bytes((request.unit, request.function, 2 * request.count))
        self._refusal = bytes((request.unit, request.function | REFUSED_BIT))
        self._held = bytearray()
        self._echo_gone = False

    def feed(self, data: bytes) -> bytes | None:
        """Take what came; return the register bytes once the answer is complete."""
        held = self._held
        held += data
        if not self._echo_gone and held.startswith(self.data):
            del held[: len(self.data)]
            self._echo_gone = True
        damaged = waiting = False
        for start in _places(held, self._reply):
            frame = held[start : start + self.reply_size]
            if len(frame) < self.reply_size:
                waiting = True
            elif closes(frame):
                return bytes(frame[3:-2])
            elif not self.data.startswith(
                held[start : start + len(self.data)]
            ):  # an echo looks like an answer
                damaged = True
        for start in _places(held, self._refusal):
            frame = held[start : start + 5]
            if len(frame) == 5 and frame[2] in REASONS and closes(frame):
                raise refusal(self._request, frame[2])
        if damaged and not waiting:
            raise GarbledReply(
                f"the answer of slave {self._request.unit} has a wrong checksum", hint=WIRING_HINT
            )
        if len(held) > MAX_HELD:
            raise GarbledReply(f"slave {self._request.unit} was asked, and noise came", hint=WIRING_HINT)
        return None

    def expired(self) -> MeterError:
        """What to report when time is over."""
        held, unit = bytes(self._held), self._request.unit
        if not held:
            return NoReply(
                f"slave {unit} did not answer",
                hint="check power, address and wiring: gridlight scan --port PORT",
            )
        other = speaker(held)
        if other is not None and other != unit:
            return GarbledReply(
                f"slave {other} answered where slave {unit} was asked",
                hint="give every meter on the bus its own address, and keep one master",
            )
        return GarbledReply(
            f"slave {unit} was asked, and {len(held)} bytes came that are no answer: {held[:8].hex(' ')}",
            hint=WIRING_HINT,
        )


def _places(held: bytearray, start: bytes) -> list[int]:
    """Where a frame may begin."""
    found = []
    at = held.find(start)
    while at >= 0:
        found.append(at)
        at = held.find(start, at + 1)
    return found


def speaker(noise: bytes) -> int | None:
    """Return the slave address of the first whole RTU reply in these bytes, whoever was asked."""
    for start in range(len(noise) - 4):
        function = noise[start + 1]
        if function & REFUSED_BIT:
            size = 5
        elif function in {3, 4}:
            size = 5 + noise[start + 2]
        else:
            continue
        if start + size <= len(noise) and closes(noise[start : start + size]):
            return noise[start]
    return None


class TcpExchange:
    """A request in TCP framing. Its transaction number tells its answer from late ones."""

    __slots__ = ("_held", "_request", "_stray", "_transaction", "data", "reply_size")

    def __init__(self, request: ReadRequest, transaction: int) -> None:
        """Build the request; `transaction` is any number, taken modulo 65536, not used lately on this connection."""
        self._transaction = transaction & 0xFFFF
        pdu = request.pdu
        self.data = _MBAP.pack(self._transaction, 0, 1 + len(pdu), request.unit) + pdu
        self.reply_size = _MBAP.size + 2 + 2 * request.count
        self._request = request
        self._held = bytearray()
        self._stray = 0

    def feed(self, data: bytes) -> bytes | None:
        """Take what came; return the register bytes once the answer is complete."""
        held = self._held
        held += data
        while len(held) >= _MBAP.size:
            transaction, protocol, length, unit = _MBAP.unpack_from(held)
            if protocol != 0 or not 3 <= length <= _LONGEST_ADU:
                raise GarbledReply(
                    f"no Modbus TCP: got {bytes(held[:8]).hex(' ')}",
                    hint="a gateway that passes RTU frames through wants rtu+tcp://HOST:PORT instead of tcp://",
                )
            size = _MBAP.size - 1 + length
            if len(held) < size:
                return None
            pdu = bytes(held[_MBAP.size : size])
            del held[:size]
            if transaction != self._transaction:
                self._stray += 1  # the answer to something we gave up on
            elif unit != self._request.unit:
                raise GarbledReply(f"slave {unit} answered where slave {self._request.unit} was asked")
            else:
                return registers_of(self._request, pdu)
        return None

    def expired(self) -> MeterError:
        """What to report when time is over."""
        unit = self._request.unit
        if self._held:
            return GarbledReply(f"slave {unit} answered with {len(self._held)} bytes and stopped")
        late = f"; {self._stray} late answers to earlier questions came" if self._stray else ""
        return NoReply(
            f"slave {unit} did not answer{late}",
            hint="check the unit address, and that no other program holds the meter's only connection",
        )
