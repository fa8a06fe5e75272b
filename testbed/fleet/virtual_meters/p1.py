"""A Dutch meter's P1 port: a DSMR 5 telegram, pushed every so often.

Source: DSMR P1 companion standard 5.0.2, section 6 (frame; time: local, S or W behind it; lines: 6.12).
"""

from datetime import UTC, datetime, timedelta

from testbed.fleet.virtual_meters.checksums import p1
from testbed.fleet.virtual_meters.display import Display, Shown
from testbed.fleet.virtual_meters.speaker import Emission

_WINTER_H = 1


class P1Meter:
    """Pushes a telegram every `every_ms`; hears nothing."""

    def __init__(
        self, display: Display, *, every_ms: int = 10_000, serial: str = "E0000000000000001"
    ) -> None:
        self._display = display
        self._every_ms = every_ms
        self._serial = serial
        self.wake_ms: int | None = display.household.start_ms

    def hear(self, data: bytes, utc_ms: int) -> list[Emission]:
        """Nothing is ever asked on a P1 port."""
        del data, utc_ms
        return []

    def speak(self, utc_ms: int) -> list[Emission]:
        """The telegram of this moment."""
        self.wake_ms = utc_ms - utc_ms % self._every_ms + self._every_ms
        return [Emission(utc_ms, telegram(self._display.shown(utc_ms), utc_ms, self._serial))]


def telegram(shown: Shown, utc_ms: int, serial: str) -> bytes:
    """Write one telegram. Dutch meters divide their totals over two tariffs, and send no sum."""
    night_wh, fed_night_wh = shown.import_wh // 3, shown.export_wh // 3
    drawn_w, fed_w = max(0, shown.power_w), max(0, -shown.power_w)
    lines = [
        "/GLT5\\253833635_A",
        "",
        "1-3:0.2.8(50)",
        f"0-0:1.0.0({local_time(utc_ms)})",
        f"0-0:96.1.1({serial.encode().hex().upper()})",
        f"1-0:1.8.1({_kilo(night_wh, 6)}*kWh)",
        f"1-0:1.8.2({_kilo(shown.import_wh - night_wh, 6)}*kWh)",
        f"1-0:2.8.1({_kilo(fed_night_wh, 6)}*kWh)",
        f"1-0:2.8.2({_kilo(shown.export_wh - fed_night_wh, 6)}*kWh)",
        "0-0:96.14.0(0002)",
        f"1-0:1.7.0({_kilo(drawn_w, 2)}*kW)",
        f"1-0:2.7.0({_kilo(fed_w, 2)}*kW)",
        "0-0:96.7.21(00004)",
        "0-0:96.7.9(00002)",
        "0-0:96.13.0()",
    ]
    for number, phase_w in enumerate(_thirds(shown.power_w)):
        lines += [
            f"1-0:{32 + 20 * number}.7.0({shown.voltage_dv // 10:03d}.{shown.voltage_dv % 10}*V)",
            f"1-0:{31 + 20 * number}.7.0({shown.current_ma // 1_000:03d}*A)",
            f"1-0:{21 + 20 * number}.7.0({_kilo(max(0, phase_w), 2)}*kW)",
            f"1-0:{22 + 20 * number}.7.0({_kilo(max(0, -phase_w), 2)}*kW)",
        ]
    covered = "\r\n".join([*lines, "!"]).encode("ascii")
    return covered + f"{p1(covered):04X}\r\n".encode("ascii")


def local_time(utc_ms: int) -> str:
    """Local time of the Netherlands, with S in summer and W in winter."""
    utc = datetime.fromtimestamp(utc_ms // 1_000, UTC)
    summer = _changes(utc.year, 3) <= utc < _changes(utc.year, 10)
    local = utc + timedelta(hours=_WINTER_H + summer)
    return f"{local:%y%m%d%H%M%S}{'S' if summer else 'W'}"


def _changes(year: int, month: int) -> datetime:
    """The last Sunday of March or October, 01:00 UTC: directive 2000/84/EC."""
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return last - timedelta(days=(last.weekday() + 1) % 7)


def _kilo(number: int, digits: int) -> str:
    return f"{number // 1_000:0{digits}d}.{number % 1_000:03d}"


def _thirds(power_w: int) -> tuple[int, int, int]:
    """Power of each phase; their sum is the whole."""
    first = power_w // 3
    second = (power_w - first) // 2
    return first, second, power_w - first - second
