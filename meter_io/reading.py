"""One reading model for all meters: what a meter said, when, how the time was known, and whether it is believed.

Two steps, two types. A protocol turns bytes into a `Sample`: the values under their OBIS codes, nothing judged. The
counter guard (`meter_io/guard`) turns a sample into a `Reading` by what it knows of this meter's past. Only a `Reading`
of quality `GOOD` may be traded on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import NewType

from meter_io.obis import Obis

MeterId = NewType("MeterId", str)
"""Names one meter on this board, from the configuration: `house`, `pv`."""

JOULES_PER_WH = 3600


class Unit(Enum):
    """Units of values after scaling: always the plain SI-like unit, never kilo or milli."""

    WATT_HOUR = "Wh"
    WATT = "W"
    VAR_HOUR = "varh"
    VAR = "var"
    VOLT_AMPERE = "VA"
    VOLT_AMPERE_HOUR = "VAh"
    VOLT = "V"
    AMPERE = "A"
    HERTZ = "Hz"
    CUBIC_METRE = "m3"
    JOULE = "J"
    DEGREE = "°"
    CELSIUS = "°C"
    PERCENT = "%"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Value:
    """A number with its unit, exactly as precise as the meter gave it."""

    number: Decimal
    unit: Unit


class TimeBasis(Enum):
    """How the time of measurement is known."""

    METER = "meter"
    """The meter stated it, and its clock was plausible against ours."""
    RECEIVED = "received"
    """The moment the answer arrived, on our own clock."""
    MONOTONIC = "monotonic"
    """The board's clock was not trusted yet: only the monotonic instant counts, to be re-stamped later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When something was measured.

    Attributes:
        utc_ms: milliseconds since 1970 UTC; None while the clock is not trusted (`MONOTONIC`).
        monotonic_ms: the board's monotonic clock at reception, milliseconds.
        basis: how `utc_ms` is known.
    """

    utc_ms: int | None
    monotonic_ms: int
    basis: TimeBasis

    def __post_init__(self) -> None:
        if (self.utc_ms is None) != (self.basis is TimeBasis.MONOTONIC):
            raise ValueError(
                f"a moment has a UTC time unless its basis is MONOTONIC, got {self.utc_ms}, {self.basis}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one telegram or one round of register reads said, before it is judged.

    Attributes:
        meter: whose.
        moment: when.
        model: identification as the meter gave it, or as its profile names it.
        values: by OBIS code; may hold what no `Reading` shows (tariffs, reactive energy, gas).
    """

    meter: MeterId
    moment: Moment
    model: str
    values: Mapping[Obis, Value]


class Quality(Enum):
    """What the counter guard thinks of a reading. Anything but GOOD is never traded on."""

    GOOD = "good"
    FIRST = "first"
    """No history to judge by: the counters serve as the first base, nothing is booked."""
    RESET = "reset"
    """The counter started again from near zero: a new base, nothing booked across it."""
    ROLLED_OVER = "rolled-over"
    """The counter passed its last value (16 or 32 bit, or all nines): the difference is booked once it is proven."""
    FALSE_ZERO = "false-zero"
    """A lone zero (or near zero) between plausible values: dropped."""
    BACK_STEP = "back-step"
    """A small step backwards: dropped, the base stays."""
    JUMP = "jump"
    """More energy than the connection can carry in the time: held back until confirmed."""
    FROZEN = "frozen"
    """The counter stands although power flows."""
    WRONG_SIGN = "wrong-sign"
    """Power and counters disagree about the direction."""
    UNIT_CHANGED = "unit-changed"
    """The counter moved by a factor of a thousand or ten: its scale changed."""
    STALE = "stale"
    """Older than, or the same as, what is already known (a late or duplicate telegram)."""
    INCOMPLETE = "incomplete"
    """A value that the profile promises is missing, or the meter marks it as not available."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Momentary values of one phase, each None where the meter does not give it."""

    voltage_v: Decimal | None = None
    current_a: Decimal | None = None
    power_w: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A judged reading.

    Attributes:
        meter: whose.
        moment: when, and how that is known.
        import_j: the meter's total of active energy drawn from the grid, joules, rounded down; never summed from
            power where the meter has a counter. None where the meter has no such counter or it is not believed.
        export_j: likewise, fed into the grid.
        power_w: active power, watts, positive when drawn from the grid.
        phases: one to three, or none.
        quality: the worst of what was found.
        reason: one sentence, empty for GOOD.
    """

    meter: MeterId
    moment: Moment
    import_j: int | None
    export_j: int | None
    power_w: Decimal | None
    phases: tuple[Phase, ...] = ()
    quality: Quality
    reason: str = ""

    @property
    def tradable(self) -> bool:
        """Whether energy may be booked on this reading."""
        return self.quality is Quality.GOOD
