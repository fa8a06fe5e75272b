"""What is fuzzed of Modbus, SunSpec and profiles; the contract is that of `targets.py`."""

import struct
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from meter_io.bus.dialogue import Ask, Said
from meter_io.errors import MeterError, ProfileError
from meter_io.modbus.crc import crc16
from meter_io.modbus.exchange import MAX_HELD, RtuExchange, TcpExchange
from meter_io.modbus.pdu import Function, ReadRequest
from meter_io.modbus.poll import Exchanges, ModbusMeter
from meter_io.profiles import load
from meter_io.profiles.model import Profile
from meter_io.profiles.table import File
from meter_io.sunspec.poll import SunSpecMeter

_REQUEST: Final = ReadRequest(unit=3, function=Function.INPUT, address=0x34, count=2)
_MAX_QUESTIONS: Final = 100
_PROFILE: Final = load.path_of("carlo-gavazzi-em24-e1").read_bytes()


def _exchange(exchange: RtuExchange | TcpExchange, data: bytes) -> None:
    """Feed in pieces whose sizes the data choose: an answer of the right size, an own error, or bounded waiting."""
    position = 0
    while position < len(data):
        size = 1 + data[position] % 64
        try:
            answer = exchange.feed(data[position : position + size])
        except MeterError as error:
            assert 0 < len(error.sentence) < 400
            return
        if answer is not None:
            assert len(answer) == 2 * _REQUEST.count
            return
        assert len(exchange._held) <= MAX_HELD
        position += size
    assert 0 < len(exchange.expired().sentence) < 400


def rtu(data: bytes) -> None:
    """Anything on the line after a question; then the same behind a valid frame of another slave."""
    _exchange(RtuExchange(_REQUEST), data)
    body = b"\x07" + data[:200]
    _exchange(RtuExchange(_REQUEST), body + crc16(body).to_bytes(2, "little"))


def tcp(data: bytes) -> None:
    """Anything on the connection; then any PDU in a valid frame."""
    _exchange(TcpExchange(_REQUEST, 1), data)
    pdu = data[:200]
    _exchange(TcpExchange(_REQUEST, 1), struct.pack(">HHHB", 1, 0, 1 + len(pdu), 3) + pdu)


class _Registers:
    """A slave whose registers are the data, over and over; from the third question on it is damaged by them."""

    def __init__(self, data: bytes) -> None:
        self._data = data or b"\0"

    def answer(self, question: bytes, start: int) -> bytes:
        """Answer one RTU question."""
        unit, function = question[:2]
        size = 2 * int.from_bytes(question[4:6], "big")
        repeated = self._data[start % len(self._data) :] + self._data * (size // len(self._data) + 1)
        body = bytes((unit, function, size)) + repeated[:size]
        return body + crc16(body).to_bytes(2, "little")


def _round(meter: ModbusMeter | SunSpecMeter, slave: _Registers, mark: bytes) -> None:
    dialogue = meter.begin()
    step: Ask | Said | None = dialogue.begin()
    for number in range(_MAX_QUESTIONS):
        if not isinstance(step, Ask):
            break
        answer = slave.answer(step.data, 2 * number)
        if number == 0 and mark:
            body = bytes((step.data[0], step.data[1], len(mark))) + mark
            answer = body + crc16(body).to_bytes(2, "little")
        try:
            step = dialogue.receive(answer)
        except MeterError as error:
            assert error.sentence
            return
    assert isinstance(step, Said), "a round ends"
    assert all(value.number.is_finite() for value in step.values.values())


@cache
def _profile(name: str) -> Profile:
    """A shipped profile, read once: reading it takes a hundred times as long as what is fuzzed here."""
    return load.find(name)


def registers(data: bytes) -> None:
    """Any registers of meters of several kinds, read by their profiles."""
    for name in ("eastron-sdm630", "abb-b23", "carlo-gavazzi-em24", "siemens-pac2200", "schneider-iem3155"):
        meter = ModbusMeter(_profile(name), unit=1, exchanges=Exchanges(tcp=False))
        _round(meter, _Registers(data), b"")


def sunspec(data: bytes) -> None:
    """Any chain of models behind the mark, then any registers of the model."""
    meter = SunSpecMeter(_profile("sunspec-103"), unit=1, exchanges=Exchanges(tcp=False))
    _round(meter, _Registers(data), b"SunS")
    meter.found = (103, 40_002, 50)
    _round(meter, _Registers(struct.pack(">HH", 103, 50) + data), b"")


def profile(data: bytes) -> None:
    """Any text as a profile, and a shipped one with a piece of the data in its middle."""
    cut = (data[0] * len(_PROFILE)) >> 8 if data else 0
    for candidate in (data, _PROFILE[:cut] + data[1:] + _PROFILE[cut:]):
        try:
            text = candidate.decode("utf-8")
            tables = tomllib.loads(text)
        except (UnicodeDecodeError, tomllib.TOMLDecodeError):
            continue
        try:
            assert load.parse("fuzzed", tables, File("fuzzed.toml", text)).models
        except ProfileError as error:
            assert error.sentence.startswith("fuzzed.toml, line ")


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "modbus-rtu": rtu,
    "modbus-tcp": tcp,
    "modbus-registers": registers,
    "sunspec": sunspec,
    "profile": profile,
}
_ANSWER: Final = b"\x03\x04\x04\x43\x66\x80\x00"
SEEDS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "modbus-rtu": (_ANSWER + crc16(_ANSWER).to_bytes(2, "little"), b"\x03\x84\x02\x22\xc7"),
    "modbus-tcp": (struct.pack(">HHHB", 1, 0, 7, 3) + _ANSWER[1:], b"\x00\x01\x00\x00\x00\x03\x03\x84\x02"),
    "modbus-registers": (struct.pack(">13f", *(230.5 + place for place in range(13))),),
    "sunspec": (struct.pack(">4H", 103, 50, 0xFFFF, 0) + bytes(96),),
    "profile": (_PROFILE[:200], b"\x80absent = [1, 2]\n"),
}
