"""Looking for meters that push: each is heard in its own time, and encrypted ones are told from silence."""

from collections.abc import Callable

import pytest

from meter_io.ports.address import Line, PortAddress
from meter_io.survey import Found, Plan, survey
from tests.meter_io.encoders import DSMR5, encrypted, p1_telegram, sml_telegram

FAST = Line(baud=115_200)
ADDRESS = PortAddress.parse("/dev/ttyUSB0")
P1 = p1_telegram("XMX5LGBBFG", DSMR5)
OLD_P1 = p1_telegram(
    "KMP5 KA6U001585575011", ("0-0:96.1.1(4B38)", "1-0:1.8.1(00185.000*kWh)"), checksum=False
)
SERVER = b"\x0a\x01DZG\x00" + bytes(4)


class Pushing:
    """A line on which something is sent every so often, at one speed."""

    def __init__(self, telegram: bytes, *, line: Line, every_ms: int) -> None:
        self.now_ms = 0
        self._telegram = telegram
        self._sends = line
        self._every_ms = every_ms
        self._next_ms = every_ms
        self._line = Line()

    def at(self, address: PortAddress, line: Line) -> "Pushing":
        self._line = line
        return self

    def open(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def set_speed(self, baud: int | None) -> None:
        """Nothing to do."""

    def send(self, data: bytes) -> None:
        raise AssertionError("nobody is asked where somebody pushes")

    def receive(self, timeout_s: float) -> bytes:
        until_ms = self.now_ms + max(1, round(timeout_s * 1_000))
        if self._next_ms > until_ms:
            self.now_ms = until_ms
            return b""
        self.now_ms = self._next_ms
        self._next_ms += self._every_ms
        return self._telegram if self._line == self._sends else b"\x00\xff" * 9


@pytest.mark.parametrize(
    ("telegram", "line", "every_ms", "profile", "model"),
    [
        (sml_telegram(SERVER, []), Line(baud=9_600), 5_000, "sml", "DZG"),
        (P1, FAST, 1_000, "p1-dsmr5", "XMX5LGBBFG"),
        (P1, FAST, 10_000, "p1-dsmr5", "XMX5LGBBFG"),
        (encrypted(P1, key=bytes(16), authentication=bytes(16)), FAST, 10_000, "p1-dsmr5", "--key-file"),
        (OLD_P1, Line(baud=9_600, parity="E", data_bits=7), 10_000, "p1-dsmr22", "KMP5"),
    ],
)
def test_whoever_pushes_is_heard(
    telegram: bytes, line: Line, every_ms: int, profile: str, model: str
) -> None:
    wire = Pushing(telegram, line=line, every_ms=every_ms)
    plan = Plan(address=ADDRESS, lines=(Line(),), units=(1,), reply_ms=100)
    clock: Callable[[], int] = lambda: wire.now_ms  # noqa: E731 - the clock of this line
    (found,) = (
        what for what in survey(plan, [], open_port=wire.at, clock_ms=clock) if isinstance(what, Found)
    )
    assert (found.right, found.sure, found.unit) == ((profile,), True, None)
    assert model in found.model
    assert wire.now_ms / 1_000 <= plan.at_most_s
