"""A Modbus meter: registers laid out as a profile says, and the slave that answers for them.

The layout is read from the profile's file as it stands, not through `meter_io`, so that both sides can be wrong only
apart. Source: MODBUS Application Protocol V1.1b3, sections 6.3, 6.4, 7; MODBUS over Serial Line V1.02, section 2.5.
"""

import struct
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from testbed.fleet.virtual_meters.checksums import modbus
from testbed.fleet.virtual_meters.display import Display, Shown
from testbed.fleet.virtual_meters.script import FaultKind
from testbed.fleet.virtual_meters.speaker import Emission

_CODES: Final = {
    "u16": "H",
    "s16": "h",
    "u32": "I",
    "s32": "i",
    "u64": "Q",
    "s64": "q",
    "f32": "f",
    "f64": "d",
}
_KILO: Final = {"k": Decimal(1_000), "M": Decimal(1_000_000), "m": Decimal("0.001")}
_FUNCTIONS: Final = {"holding": 3, "input": 4}
_REPLY_MS: Final = 25
_LATEST: Final = 0x7FFF
"""A firmware later than any."""
_UNKNOWN_FUNCTION, _NO_REGISTER = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One value of the layout.

    Attributes:
        obis: which.
        address: first register, from 0.
        code: letter of `struct`.
        scale: what one count is worth, in watts, watt hours, volts and so on.
        negate: the meter counts the other direction as positive.
    """

    obis: str
    address: int
    code: str
    scale: Decimal
    negate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The registers of a model.

    Attributes:
        functions: function codes that read them.
        rows: the values.
        low_word_first: for values of several registers.
        constants: address -> word of what says who the meter is.
    """

    functions: frozenset[int]
    rows: tuple[Row, ...]
    low_word_first: bool = False
    constants: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of_profile(cls, path: Path) -> "Layout":
        """Read the registers of a profile for Modbus.

        Raises:
            ValueError: the file has none.
        """
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        if document.get("protocol") != "modbus":
            raise ValueError(f"{path.name} is no profile for Modbus")
        common = document["modbus"]
        registers = document["register"]
        spaces = {register.get("function", common["function"]) for register in registers}
        constants = {
            check["address"]: check["codes"][0] for check in document.get("identify", ()) if "codes" in check
        }
        if "firmware_register" in document:
            constants[document["firmware_register"]["address"]] = _LATEST
        return cls(
            functions=frozenset(_FUNCTIONS[space] for space in spaces),
            rows=tuple(_row(register) for register in registers),
            low_word_first=common.get("word_order", "big") == "little",
            constants=constants,
        )

    def registers(self, shown: Shown) -> dict[int, int]:
        """Return address -> word for what the meter shows."""
        words = dict(self.constants)
        values = values_of(shown)
        for row in self.rows:
            value = values.get(row.obis, Decimal(0)) / row.scale
            number = -value if row.negate else value
            data = struct.pack(
                f">{row.code}", float(number) if row.code in "fd" else int(number.to_integral_value())
            )
            parts = struct.unpack(f">{len(data) // 2}H", data)
            for place, word in enumerate(reversed(parts) if self.low_word_first else parts):
                words[row.address + place] = word
        return words


def _row(register: Mapping[str, object]) -> Row:
    unit = str(register["unit"])
    kilo = _KILO.get(unit[:-1][:1], Decimal(1)) if unit != "m3" else Decimal(1)
    return Row(
        obis=str(register["obis"]),
        address=int(str(register["address"])),
        code=_CODES[str(register["type"])],
        scale=kilo * Decimal(str(register.get("scale", "1"))),
        negate=bool(register.get("negate", False)),
    )


def values_of(shown: Shown) -> dict[str, Decimal]:
    """What a three-phase meter could say of a moment, in plain units, by OBIS code."""
    volt, ampere = Decimal(shown.voltage_dv) / 10, Decimal(shown.current_ma) / 1_000
    values = {
        "1-0:1.8.0": Decimal(shown.import_wh),
        "1-0:1.8.1": Decimal(shown.import_wh - shown.import_wh // 3),
        "1-0:1.8.2": Decimal(shown.import_wh // 3),
        "1-0:2.8.0": Decimal(shown.export_wh),
        "1-0:2.8.1": Decimal(shown.export_wh - shown.export_wh // 3),
        "1-0:2.8.2": Decimal(shown.export_wh // 3),
        "1-0:16.7.0": Decimal(shown.power_w),
        "1-0:14.7.0": Decimal(shown.frequency_dhz) / 10,
    }
    for phase in range(3):
        values[f"1-0:{32 + 20 * phase}.7.0"] = volt
        values[f"1-0:{31 + 20 * phase}.7.0"] = ampere
        values[f"1-0:{36 + 20 * phase}.7.0"] = Decimal(shown.power_w // 3)
    return values


class ModbusSlave:
    """Answers for one address on a serial line."""

    def __init__(
        self, display: Display, layout: Layout, *, address: int = 1, character_us: int = 1_146
    ) -> None:
        self._display = display
        self._layout = layout
        self._address = address
        self._character_us = character_us
        self.wake_ms: int | None = None

    def hear(self, data: bytes, utc_ms: int) -> list[Emission]:
        """Answer a request that is whole and ours; anything else is no business of a slave."""
        if (
            len(data) != 8
            or data[0] != self._address
            or modbus(data[:-2]) != int.from_bytes(data[-2:], "little")
        ):
            return []
        function, first, count = struct.unpack(">BHH", data[1:-2])
        body = self._answer(function, first, count, utc_ms)
        address = self._address
        if self._display.script.active(FaultKind.WRONG_SLAVE, self._display.since_ms(utc_ms)) is not None:
            address += 1
        reply = bytes([address]) + body
        reply += modbus(reply).to_bytes(2, "little")
        line_ms = -(-(len(data) + len(reply)) * self._character_us // 1_000)
        return [Emission(utc_ms + _REPLY_MS + line_ms, reply)]

    def speak(self, utc_ms: int) -> list[Emission]:
        """A slave only answers."""
        del utc_ms
        return []

    def _answer(self, function: int, first: int, count: int, utc_ms: int) -> bytes:
        if function not in self._layout.functions:
            return bytes([function | 0x80, _UNKNOWN_FUNCTION])
        registers = self._layout.registers(self._display.shown(utc_ms))
        if not 1 <= count <= 125 or first + count - 1 > max(registers):
            return bytes([function | 0x80, _NO_REGISTER])
        words = [registers.get(address, 0) for address in range(first, first + count)]
        return struct.pack(f">BB{count}H", function, 2 * count, *words)
