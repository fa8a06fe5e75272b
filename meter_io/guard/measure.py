"""From the values of a sample to whole joules and watts, or the reason why that cannot be done."""

from decimal import ROUND_FLOOR, Decimal
from typing import Final, NamedTuple

from meter_io.guard.params import CounterSpec, GuardParams
from meter_io.obis import CURRENTS, POWER_EXPORT, POWER_IMPORT, POWER_NET, POWERS, VOLTAGES, Obis
from meter_io.reading import JOULES_PER_WH, Phase, Sample, Unit
from meter_io.span import Pair

_JOULES_PER: Final = {Unit.WATT_HOUR: JOULES_PER_WH, Unit.JOULE: 1}
_MAX_J: Final = Decimal(1 << 62)
_MAX_W: Final = Decimal(1 << 31)


class Measured(NamedTuple):
    """What a sample says about energy and power.

    Attributes:
        values_j: (import, export), rounded down; None where the meter has no such counter.
        power_w: None where it was not given.
        missing: why the sample is not complete, or an empty string.
    """

    values_j: Pair
    power_w: Decimal | None
    missing: str


def measure(sample: Sample, params: GuardParams) -> Measured:
    """Take the guarded counters and the power out of a sample."""
    totals: list[int | None] = []
    missing = ""
    for name, counter in zip(("import", "export"), params.counters, strict=True):
        total = None if counter is None else _total_j(sample, counter)
        totals.append(total)
        if counter is not None and total is None:
            codes = " + ".join(map(str, counter.codes))
            missing = missing or f"the {name} counter {codes} is missing or has no usable value"
    power_w = power_of(sample)
    if power_w is None and params.needs_power:
        missing = missing or f"active power {POWER_NET} is missing or has no usable value"
    return Measured((totals[0], totals[1]), power_w, missing)


def power_of(sample: Sample) -> Decimal | None:
    """Return active power, watts, positive when drawn: the net value, or import less export."""
    net_w = _watts(sample, POWER_NET)
    if net_w is not None:
        return net_w
    import_w, export_w = _watts(sample, POWER_IMPORT), _watts(sample, POWER_EXPORT)
    if import_w is None:
        return None if export_w is None else -export_w
    return import_w if export_w is None else import_w - export_w


def phases_of(sample: Sample) -> tuple[Phase, ...]:
    """Return what the meter gives of each phase, up to the last phase of which it gives anything."""
    phases = [
        Phase(
            voltage_v=_number(sample, voltage, Unit.VOLT),
            current_a=_number(sample, current, Unit.AMPERE),
            power_w=_watts(sample, power),
        )
        for voltage, current, power in zip(VOLTAGES, CURRENTS, POWERS, strict=True)
    ]
    while phases and phases[-1] == Phase():
        phases.pop()
    return tuple(phases)


def _total_j(sample: Sample, counter: CounterSpec) -> int | None:
    total_j = 0
    for code in counter.codes:
        value = sample.values.get(code)
        if value is None or value.unit not in _JOULES_PER or not value.number.is_finite():
            return None
        if not 0 <= value.number <= _MAX_J:
            return None
        exact_j = value.number * _JOULES_PER[value.unit]
        total_j += int(exact_j.to_integral_value(rounding=ROUND_FLOOR))
    return total_j if total_j <= _MAX_J else None


def _watts(sample: Sample, code: Obis) -> Decimal | None:
    power_w = _number(sample, code, Unit.WATT)
    return None if power_w is None or abs(power_w) > _MAX_W else power_w


def _number(sample: Sample, code: Obis, unit: Unit) -> Decimal | None:
    value = sample.values.get(code)
    if value is None or value.unit is not unit or not value.number.is_finite():
        return None
    return value.number
