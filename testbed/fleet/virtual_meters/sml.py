"""A German meter's optical port: an SML file with a value list, pushed every so often.

Source: SML 1.04 (messages, binary encoding, transport protocol version 1). The counters have a
tenth of a watt hour, as those of real meters.
"""

from collections.abc import Sequence

from testbed.fleet.virtual_meters.checksums import x25
from testbed.fleet.virtual_meters.display import Display, Shown
from testbed.fleet.virtual_meters.speaker import Emission

_ESCAPE = b"\x1b\x1b\x1b\x1b"
_WATT_HOUR, _WATT = 30, 27
_OPEN, _LIST, _CLOSE = 0x0101, 0x0701, 0x0201
SERVER_ID = bytes.fromhex("0a01474c540001020304")
"""DIN 43863-5: ten bytes, electricity, manufacturer GLT (nobody's), block 0, a number."""


class SmlMeter:
    """Pushes a file every `every_ms`; hears nothing."""

    def __init__(self, display: Display, *, every_ms: int = 10_000, server_id: bytes = SERVER_ID) -> None:
        self._display = display
        self._every_ms = every_ms
        self._server_id = server_id
        self._files = 0
        self.wake_ms: int | None = display.household.start_ms

    def hear(self, data: bytes, utc_ms: int) -> list[Emission]:
        """Nothing is ever asked on this port."""
        del data, utc_ms
        return []

    def speak(self, utc_ms: int) -> list[Emission]:
        """The file of this moment."""
        self.wake_ms = utc_ms - utc_ms % self._every_ms + self._every_ms
        self._files += 1
        seconds = (utc_ms - self._display.household.start_ms) // 1_000
        data = sml_file(self._display.shown(utc_ms), self._server_id, self._files, seconds)
        return [Emission(utc_ms, data)]


def sml_file(shown: Shown, server_id: bytes, number: int, seconds: int) -> bytes:
    """Write one file: open, list, close, in their frame."""
    rows = [
        _row("0100600100ff", _octets(server_id)),
        _row("0100010800ff", _signed(shown.import_wh * 10, 8), unit=_WATT_HOUR, scaler=-1),
        _row("0100020800ff", _signed(shown.export_wh * 10, 8), unit=_WATT_HOUR, scaler=-1),
        _row("0100100700ff", _signed(shown.power_w, 4), unit=_WATT, scaler=0),
    ]
    when = _sequence([_unsigned(1, 1), _unsigned(seconds, 4)])
    listed = [_OMITTED, _octets(server_id), _octets(b"\x01\x00\x62\x0a\xff\xff"), when]
    file_id = _octets(number.to_bytes(4, "big"))
    messages = [
        _message(number, 0, _OPEN, [_OMITTED, _OMITTED, file_id, _octets(server_id), _OMITTED, _OMITTED]),
        _message(number, 1, _LIST, [*listed, _sequence(rows), _OMITTED, _OMITTED]),
        _message(number, 2, _CLOSE, [_OMITTED]),
    ]
    return _frame(b"".join(messages))


_OMITTED = b"\x01"


def _row(code: str, value: bytes, *, unit: int | None = None, scaler: int | None = None) -> bytes:
    """One entry: name, status, time, unit, scaler, value, signature."""
    shown_unit = _OMITTED if unit is None else _unsigned(unit, 1)
    shown_scaler = _OMITTED if scaler is None else _signed(scaler, 1)
    name = _octets(bytes.fromhex(code))
    return _sequence([name, _OMITTED, _OMITTED, shown_unit, shown_scaler, value, _OMITTED])


def _message(number: int, place: int, tag: int, body: Sequence[bytes]) -> bytes:
    """Transaction, group, abort on error, body, check, end."""
    transaction = _octets(number.to_bytes(4, "big") + bytes([place]))
    head = bytes([0x76]) + transaction + _unsigned(0, 1) + _unsigned(0, 1)
    covered = head + _sequence([_unsigned(tag, 2), _sequence(body)])
    return covered + b"\x63" + x25(covered).to_bytes(2, "little") + b"\x00"


def _frame(messages: bytes) -> bytes:
    padding = -len(messages) % 4
    escaped = (messages + bytes(padding)).replace(_ESCAPE, _ESCAPE + _ESCAPE)
    covered = _ESCAPE + b"\x01\x01\x01\x01" + escaped + _ESCAPE + bytes([0x1A, padding])
    return covered + x25(covered).to_bytes(2, "little")


def _length(kind: int, length: int) -> bytes:
    """A type and length field; every byte but the last says that another follows."""
    if length < 16:
        return bytes([kind | length])
    return bytes([0x80 | kind | length >> 4, length & 0x0F])


def _octets(data: bytes) -> bytes:
    own = 1 if len(data) < 15 else 2
    return _length(0x00, len(data) + own) + data


def _unsigned(number: int, size: int) -> bytes:
    return _length(0x60, size + 1) + number.to_bytes(size, "big")


def _signed(number: int, size: int) -> bytes:
    return _length(0x50, size + 1) + number.to_bytes(size, "big", signed=True)


def _sequence(items: Sequence[bytes]) -> bytes:
    return _length(0x70, len(items)) + b"".join(items)
