"""Time is linear in the bytes, whatever they are: counted in executed lines, so that a busy machine changes nothing."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from meter_io.framing import Framer
from meter_io.iec62056 import Iec62056Parser
from meter_io.p1 import Decryptor, KeyMaterial, P1Parser
from meter_io.sml import SmlParser
from tests.meter_io.encoders import DSMR5, ESCAPE, encrypted, iec_data, p1_telegram, sml_frame

KEY = bytes(16)
MAKERS: dict[str, Callable[[], Framer]] = {
    "sml": SmlParser,
    "p1": P1Parser,
    "p1 with key": lambda: P1Parser(Decryptor(KeyMaterial(KEY, KEY))),
    "iec": Iec62056Parser,
}
HOSTILE = {
    "escapes": ESCAPE,
    "starts": ESCAPE + b"\x01" * 4,
    "almost starts": ESCAPE + b"\x01\x01\x01",
    "lists": b"\x71" * 8,
    "long lists": b"\xff\x8f\x0f",
    "frames of nothing": sml_frame(b""),
    "deep frames": sml_frame(b"\x76" * 200),
    "slashes": b"/",
    "marks": b"/!",
    "headers": b"/ABC5X\r\n\r\n",
    "requests": b"/?!\r\n",
    "text starts": b"\x02",
    "text ends": b"\x02\x03",
    "ciphers": b"\xdb\x08SYSTEMID\x82\x03\xe8\x30\x00\x00\x00\x01",
    "tags": b"\xdb",
    "parentheses": b"/ABC5X\r\n1-0:1.8.0(" + b")(" * 50,
    "newlines": b"\r\n",
    "p1 telegrams": p1_telegram("XYZ5X", DSMR5),
    "p1 ciphers": encrypted(p1_telegram("XYZ5X", DSMR5), key=KEY, authentication=KEY),
    "readouts": iec_data(["1.8.0(1*kWh)"] * 20),
}


def lines_for(framer: Framer, data: bytes, piece: int) -> int:
    """Lines that the parsers execute for a stream fed in pieces."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if "meter_io" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for first in range(0, len(data), piece):
            framer.feed(data[first : first + piece])
        framer.end()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("maker", MAKERS)
def test_twice_the_bytes_take_twice_the_work(maker: str) -> None:
    for name, unit in HOSTILE.items():
        for piece in (7, 4_096):
            size = 6_000
            once, twice = (
                lines_for(MAKERS[maker](), (unit * (total // len(unit) + 1))[:total], piece)
                for total in (size, 2 * size)
            )
            assert twice <= 2.3 * once + 500, (name, piece)
            assert once <= 60 * size, (name, piece)


class Quadratic(P1Parser):
    """A broken twin that begins every search anew."""

    def feed(self, data: bytes) -> list[Any]:
        self._seen = 0
        return [
            event
            for _ in range(1 + len(self._buffer) // 50)
            for event in super(Quadratic, self).feed(data[:0])
        ] + (super().feed(data))


def test_the_count_sees_a_parser_that_is_quadratic() -> None:
    data = b"/ABC5X\r\n" + b"1" * 12_000
    once, twice = (lines_for(Quadratic(), data[:total], 64) for total in (6_000, 12_000))
    assert twice > 3 * once
