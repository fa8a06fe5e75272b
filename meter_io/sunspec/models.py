"""The points of the SunSpec models that a trading meter wants, as tables.

An offset counts registers from the model's id. Source: SunSpec Alliance, Information Model Reference; the models'
machine-readable definitions (`model_101.json` and so on), whose sizes and offsets these tables follow.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from meter_io import obis
from meter_io.obis import Obis
from meter_io.reading import Unit

PointKind: TypeAlias = Literal["int16", "uint16", "uint32", "acc32", "uint64", "float32"]


class Point(NamedTuple):
    """One value of a model.

    Attributes:
        code: what it is.
        offset: first register, counted from the model's id.
        kind: its type.
        unit: its unit.
        scale: offset of its scale factor, 0 where it has none.
        feeds_in: the device counts power into the grid as positive, as inverters do.
    """

    code: Obis
    offset: int
    kind: PointKind
    unit: Unit
    scale: int = 0
    feeds_in: bool = False


class Model(NamedTuple):
    """One model: its name, its points, and the fewest registers it may have after id and length."""

    title: str
    points: tuple[Point, ...]

    @property
    def reach(self) -> int:
        """Registers from the id to the last one needed."""
        ends = (max(point.offset + SIZES[point.kind], point.scale + 1) for point in self.points)
        return max(ends)


SIZES: Final[Mapping[PointKind, int]] = {
    "int16": 1,
    "uint16": 1,
    "uint32": 2,
    "acc32": 2,
    "uint64": 4,
    "float32": 2,
}


def _each(
    codes: tuple[Obis, ...], first: int, step: int, kind: PointKind, unit: Unit, scale: int = 0
) -> list[Point]:
    return [Point(code, first + step * place, kind, unit, scale) for place, code in enumerate(codes)]


def _inverter(title: str, phases: int) -> Model:
    """Models 101 to 103: integers with scale factors."""
    return Model(
        title,
        (
            *_each(obis.CURRENTS[:phases], 3, 1, "uint16", Unit.AMPERE, 6),
            *_each(obis.VOLTAGES[:phases], 10, 1, "uint16", Unit.VOLT, 13),
            Point(obis.POWER_NET, 14, "int16", Unit.WATT, 15, feeds_in=True),
            Point(obis.FREQUENCY, 16, "uint16", Unit.HERTZ, 17),
            Point(obis.EXPORT_TOTAL, 24, "acc32", Unit.WATT_HOUR, 26),
        ),
    )


def _inverter_float(title: str, phases: int) -> Model:
    """Models 111 to 113: 32-bit floats."""
    return Model(
        title,
        (
            *_each(obis.CURRENTS[:phases], 4, 2, "float32", Unit.AMPERE),
            *_each(obis.VOLTAGES[:phases], 16, 2, "float32", Unit.VOLT),
            Point(obis.POWER_NET, 22, "float32", Unit.WATT, feeds_in=True),
            Point(obis.FREQUENCY, 24, "float32", Unit.HERTZ),
            Point(obis.EXPORT_TOTAL, 32, "float32", Unit.WATT_HOUR),
        ),
    )


def _meter(title: str, phases: int) -> Model:
    """Models 201 to 204: integers with scale factors."""
    return Model(
        title,
        (
            *_each(obis.CURRENTS[:phases], 3, 1, "int16", Unit.AMPERE, 6),
            *_each(obis.VOLTAGES[:phases], 8, 1, "int16", Unit.VOLT, 15),
            Point(obis.FREQUENCY, 16, "int16", Unit.HERTZ, 17),
            Point(obis.POWER_NET, 18, "int16", Unit.WATT, 22),
            *_each(obis.POWERS[:phases], 19, 1, "int16", Unit.WATT, 22),
            Point(obis.EXPORT_TOTAL, 38, "acc32", Unit.WATT_HOUR, 54),
            Point(obis.IMPORT_TOTAL, 46, "acc32", Unit.WATT_HOUR, 54),
        ),
    )


def _meter_float(title: str, phases: int) -> Model:
    """Models 211 to 214: 32-bit floats."""
    return Model(
        title,
        (
            *_each(obis.CURRENTS[:phases], 4, 2, "float32", Unit.AMPERE),
            *_each(obis.VOLTAGES[:phases], 12, 2, "float32", Unit.VOLT),
            Point(obis.FREQUENCY, 26, "float32", Unit.HERTZ),
            Point(obis.POWER_NET, 28, "float32", Unit.WATT),
            *_each(obis.POWERS[:phases], 30, 2, "float32", Unit.WATT),
            Point(obis.EXPORT_TOTAL, 60, "float32", Unit.WATT_HOUR),
            Point(obis.IMPORT_TOTAL, 68, "float32", Unit.WATT_HOUR),
        ),
    )


_DER: Final = Model(
    "DER AC measurement",
    (
        Point(obis.POWER_NET, 10, "int16", Unit.WATT, 116, feeds_in=True),
        Point(obis.FREQUENCY, 17, "uint32", Unit.HERTZ, 115),
        Point(obis.EXPORT_TOTAL, 19, "uint64", Unit.WATT_HOUR, 120),
        Point(obis.IMPORT_TOTAL, 23, "uint64", Unit.WATT_HOUR, 120),
        *_each(obis.CURRENTS, 45, 23, "int16", Unit.AMPERE, 113),
        *_each(obis.VOLTAGES, 47, 23, "uint16", Unit.VOLT, 114),
    ),
)
MODELS: Final[Mapping[int, Model]] = {
    101: _inverter("inverter, single phase", 1),
    102: _inverter("inverter, split phase", 2),
    103: _inverter("inverter, three phases", 3),
    111: _inverter_float("inverter, single phase, floats", 1),
    112: _inverter_float("inverter, split phase, floats", 2),
    113: _inverter_float("inverter, three phases, floats", 3),
    201: _meter("meter, single phase", 1),
    202: _meter("meter, split phase", 2),
    203: _meter("meter, three phases, star", 3),
    204: _meter("meter, three phases, delta", 3),
    211: _meter_float("meter, single phase, floats", 1),
    212: _meter_float("meter, split phase, floats", 2),
    213: _meter_float("meter, three phases, star, floats", 3),
    214: _meter_float("meter, three phases, delta, floats", 3),
    701: _DER,
}
