"""A meter with an optical head, IEC 62056-21 mode C: it is asked, names itself, waits to be told the speed, and sends.

    IDLE      --"/?!"-->             NAMED     the identification, after the reaction time
    NAMED     --ACK 0 baud 0-->      IDLE      the data message
    NAMED     --1.5 s without-->     IDLE      the data message all the same, at 300 baud

Bytes are those of a 7E1 line as a port set to 8N1 sees them, the eighth bit makes them even. A pty is quick where a
line is slow, so the time on the line is added. Source: IEC 62056-21, clause 6.
"""

import re
from typing import Final

from testbed.fleet.virtual_meters.checksums import block_check
from testbed.fleet.virtual_meters.display import Display, Shown
from testbed.fleet.virtual_meters.speaker import Emission

_REQUEST: Final = re.compile(rb"/\?([0-9A-Za-z ]*)!\r\n")
_ACKNOWLEDGED: Final = re.compile(rb"\x06(\d)([0-9A-I])(\d)\r\n")
_REACTION_MS: Final = 200
_SETTLING_MS: Final = 500
"""From the acknowledgement to the data, with the change of speed between them."""
_ACKNOWLEDGEMENT_MS: Final = 200
"""Six characters at 300 baud."""
_WAIT_MS: Final = 1_500
_HELD_BYTES: Final = 64
_EVEN: Final = bytes(byte ^ (byte.bit_count() & 1) << 7 for byte in range(256))
IDENTIFICATION: Final = b"/GLT5VIRTUAL.M1\r\n"


class Iec62056Meter:
    """Answers a reader in mode C."""

    def __init__(self, display: Display, *, address: str = "00000001") -> None:
        """Wait to be asked, by `address` or by none."""
        self._display = display
        self._address = address
        self._held = b""
        self._named = False
        self.wake_ms: int | None = None

    def hear(self, data: bytes, utc_ms: int) -> list[Emission]:
        """Take a request or an acknowledgement, in whatever pieces it comes."""
        self._held = (self._held + bytes(byte & 0x7F for byte in data))[-_HELD_BYTES:]
        request = _REQUEST.search(self._held)
        if request is not None:
            self._held = self._held[request.end() :]
            if request[1].strip() not in (b"", self._address.encode()):
                return []
            self._named, self.wake_ms = True, utc_ms + _WAIT_MS
            return [Emission(utc_ms + _REACTION_MS, IDENTIFICATION.translate(_EVEN))]
        acknowledged = _ACKNOWLEDGED.search(self._held)
        if acknowledged is not None and self._named:
            self._held = b""
            return self._data(utc_ms + _ACKNOWLEDGEMENT_MS + _SETTLING_MS)
        return []

    def speak(self, utc_ms: int) -> list[Emission]:
        """Nobody acknowledged: send at the first speed."""
        return self._data(utc_ms) if self._named else []

    def _data(self, utc_ms: int) -> list[Emission]:
        self._named, self.wake_ms = False, None
        data = data_message(self._display.shown(utc_ms), self._address)
        return [Emission(utc_ms, data.translate(_EVEN))]


def data_message(shown: Shown, address: str) -> bytes:
    """Write one data message."""
    rows = [
        "F.F(00)",
        f"0.0.0({address})",
        f"1.8.0({shown.import_wh // 1_000:06d}.{shown.import_wh % 1_000:03d}*kWh)",
        f"2.8.0({shown.export_wh // 1_000:06d}.{shown.export_wh % 1_000:03d}*kWh)",
        f"16.7.0({shown.power_w / 1_000:.3f}*kW)",
        f"32.7.0({shown.voltage_dv // 10}.{shown.voltage_dv % 10}*V)",
    ]
    block = "".join(f"{row}\r\n" for row in rows).encode("ascii") + b"!\r\n\x03"
    return b"\x02" + block + bytes([block_check(block)])
