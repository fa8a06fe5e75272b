"""How a reading looks: a table for people, a document for programs."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from firmware_app.console import Console, Paint
from meter_io.bus.dialogue import Said
from meter_io.obis import CURRENTS, EXPORT_TOTAL, FREQUENCY, IMPORT_TOTAL, POWER_NET, POWERS, VOLTAGES, Obis
from meter_io.reading import Quality, Reading, Unit, Value

NAMES: Final[Mapping[Obis, str]] = {
    POWER_NET: "Active power",
    **{code: f"Power L{place}" for place, code in enumerate(POWERS, start=1)},
    IMPORT_TOTAL: "Import A+",
    EXPORT_TOTAL: "Export A-",
    **{code: f"Voltage L{place}" for place, code in enumerate(VOLTAGES, start=1)},
    **{code: f"Current L{place}" for place, code in enumerate(CURRENTS, start=1)},
    FREQUENCY: "Frequency",
}
_KILO: Final = {Unit.WATT: "kW", Unit.WATT_HOUR: "kWh", Unit.VAR: "kvar", Unit.VAR_HOUR: "kvarh"}
_MISSING: Final = (POWER_NET, IMPORT_TOTAL, EXPORT_TOTAL)
"""Shown as absent where a meter does not have them."""


def spelled(value: Value, *, sign: bool = False) -> str:
    """A value for people: 14 382.417 kWh."""
    number, unit = value.number, value.unit.value
    if value.unit in _KILO:
        number, unit = number.scaleb(-3), _KILO[value.unit]
        number = number.quantize(Decimal("0.001"))
    text = f"{number:+,f}" if sign else f"{number:,f}"
    return f"{text.replace(',', ' ')} {unit}"


def rows(said: Said, before: Mapping[Obis, Value]) -> Iterator[tuple[str, str, str, str]]:
    """Name, code, value and change since the reading before, in the order of `NAMES`, others after."""
    order = [code for code in NAMES if code in said.values or code in _MISSING]
    order += sorted(code for code in said.values if code not in NAMES)
    for code in order:
        value = said.values.get(code)
        if value is None:
            yield NAMES.get(code, ""), _short(code), "absent", ""
            continue
        change = ""
        if code in before and before[code].unit is value.unit:
            change = spelled(Value(value.number - before[code].number, value.unit), sign=True)
        yield NAMES.get(code, ""), _short(code), spelled(value), change


def _short(code: Obis) -> str:
    text = str(code)
    return text.removeprefix("1-0:")


def lines(
    console: Console, said: Said, reading: Reading, before: Mapping[Obis, Value], *, took_ms: int
) -> list[str]:
    """The table of one reading."""
    good = reading.quality is Quality.GOOD
    word = console.paint(reading.quality.value, Paint.GREEN if good else Paint.YELLOW)
    flow = ""
    power = reading.power_w
    if power is not None and power:
        flow = "   drawn from the grid" if power > 0 else "   fed into the grid"
    shown = [f"{'':<14} {'OBIS':>8} {'Value':>20} {'Change':>14}"]
    shown += [
        f"{name:<14} {code:>8} {value:>20} {change:>14}".rstrip()
        for name, code, value, change in rows(said, before)
    ]
    why = f": {reading.reason}" if reading.reason else ""
    shown.append(f"quality {word}{why}   read in {took_ms} ms{flow}")
    return shown


def document(said: Said, reading: Reading, *, where: Mapping[str, Any], took_ms: int) -> dict[str, Any]:
    """The reading for programs; what is absent is null."""
    utc_ms = reading.moment.utc_ms
    return {
        **where,
        "ok": True,
        "error": None,
        "model": said.model,
        "time_utc_ms": utc_ms,
        "quality": reading.quality.value,
        "reason": reading.reason or None,
        "import_j": reading.import_j,
        "export_j": reading.export_j,
        "power_w": None if reading.power_w is None else round(reading.power_w),
        "read_ms": took_ms,
        "values": [
            {"obis": str(code), "value": json_number(value.number), "unit": value.unit.value or None}
            for code, value in said.values.items()
        ],
    }


def json_number(number: Decimal) -> int | float:
    """A number as JSON has it: whole where it is whole, otherwise exact to 15 digits."""
    return int(number) if number == number.to_integral_value() else float(number)
