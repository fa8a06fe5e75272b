"""A model's registers into values. What a device marks as not implemented is absent, never zero.

Source: SunSpec Alliance, Device Information Model Specification V1.1 (data types, unimplemented values).
"""

import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from meter_io.errors import GarbledReply
from meter_io.obis import Obis
from meter_io.profiles.registers import is_measurement, shortest
from meter_io.reading import Value
from meter_io.sunspec.models import SIZES, Model, Point, PointKind

_FORMS: Final[Mapping[PointKind, str]] = {
    "int16": ">h",
    "uint16": ">H",
    "uint32": ">I",
    "acc32": ">I",
    "uint64": ">Q",
    "float32": ">f",
}
_UNIMPLEMENTED: Final[Mapping[PointKind, int]] = {
    "int16": -0x8000,
    "uint16": 0xFFFF,
    "uint32": 0xFFFFFFFF,
    "uint64": 0xFFFFFFFFFFFFFFFF,
}
_ACC32_UNIMPLEMENTED: Final = frozenset({0, 0xFFFFFFFF, 0x80000000})
"""Zero is the standard's mark for accumulators; the other two are seen in the field."""
_SCALE_UNIMPLEMENTED: Final = -0x8000
_LARGEST_SCALE: Final = 10


def values_of(model: Model, registers: bytes, *, negate_power: bool) -> dict[Obis, Value]:
    """Return what a model says. Scale factors are read from the same registers: they move during the day.

    Args:
        model: whose points.
        registers: from the model's id on, as many as `reach` says.
        negate_power: turn the sign of power over.

    Raises:
        GarbledReply: a scale factor is none.
    """
    values = {}
    for point in model.points:
        number = _number(point, registers)
        if number is not None:
            turned = point.feeds_in != (negate_power and point.unit.value == "W")
            values[point.code] = Value(-number if turned and number else number, point.unit)
    return values


def _number(point: Point, registers: bytes) -> Decimal | None:
    start = 2 * point.offset
    raw: float = struct.unpack(_FORMS[point.kind], registers[start : start + 2 * SIZES[point.kind]])[0]
    if point.kind == "float32":
        return shortest(raw) if is_measurement(raw) else None
    if point.kind == "acc32":
        if raw in _ACC32_UNIMPLEMENTED:
            return None
    elif raw == _UNIMPLEMENTED[point.kind]:
        return None
    if not point.scale:
        return Decimal(raw)
    (exponent,) = struct.unpack_from(">h", registers, 2 * point.scale)
    if exponent == _SCALE_UNIMPLEMENTED:
        return None
    if not -_LARGEST_SCALE <= exponent <= _LARGEST_SCALE:
        raise GarbledReply(f"a SunSpec scale factor is -10 to 10, got {exponent} for {point.code}")
    return Decimal(raw).scaleb(exponent)
