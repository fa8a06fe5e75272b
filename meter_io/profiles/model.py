"""A meter profile, read and checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeAlias

from meter_io.guard.params import CounterSpec
from meter_io.iec62056.handshake import Answer
from meter_io.iec62056.handshake import Timing as AskTiming
from meter_io.modbus.pdu import Function
from meter_io.obis import Obis
from meter_io.ports.address import Line
from meter_io.profiles.registers import Block, Register
from meter_io.pulse.counter import PulseInput
from meter_io.reading import JOULES_PER_WH, Value

Protocol: TypeAlias = Literal["modbus", "sunspec", "sml", "p1", "iec62056-21", "pulse"]
Verified: TypeAlias = Literal["manual", "two tables", "one table", "unverified"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the facts of a profile come from.

    Attributes:
        document: title of the maker's document.
        revision: of the document.
        page: or section.
        checked_against: other tables that were compared.
        verified: `manual`: read in the document itself; otherwise how many independent tables agree.
        note: where sources contradict each other, and which was followed.
    """

    document: str
    revision: str = ""
    page: str = ""
    checked_against: tuple[str, ...] = ()
    verified: Verified
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """A value that is the sum of others, absent as soon as one of them is."""

    obis: Obis
    of: tuple[Obis, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plausible:
    """What a value of this model looks like on a working installation.

    Attributes:
        obis: which value.
        low: and `high`: bounds, in the plain unit.
        sum_of: instead of bounds: it equals the sum of these ...
        within: ... to this many units.
    """

    obis: Obis
    low: Decimal | None = None
    high: Decimal | None = None
    sum_of: tuple[Obis, ...] = ()
    within: Decimal = Decimal(0)

    def complaint(self, values: Mapping[Obis, Value]) -> str:
        """Return why these values are not of this model, or an empty string."""
        value = values.get(self.obis)
        if value is None:
            return f"{self.obis} is missing"
        if self.sum_of:
            parts = [values[part].number for part in self.sum_of if part in values]
            if len(parts) < len(self.sum_of) or abs(sum(parts) - value.number) > self.within:
                words = " + ".join(map(str, self.sum_of))
                return f"{self.obis} is {value.number} {value.unit.value}, not the sum of {words}"
        elif self.low is not None and self.high is not None and not self.low <= value.number <= self.high:
            return f"{self.obis} is {value.number} {value.unit.value}, not {self.low} to {self.high}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identify:
    """Registers that hold a code or name of the model.

    Attributes:
        function: register space.
        address: first register.
        words: how many.
        codes: numbers that this model holds there, or
        starts_with: text that it begins with, blanks and zero bytes stripped.
    """

    function: Function
    address: int
    words: int
    codes: tuple[int, ...] = ()
    starts_with: tuple[str, ...] = ()

    def complaint(self, data: bytes) -> str:
        """Return why the meter is not of this model, or an empty string."""
        if self.codes:
            code = int.from_bytes(data, "big")
            wanted = " or ".join(map(str, self.codes))
            return "" if code in self.codes else f"register 0x{self.address:04X} holds {code}, not {wanted}"
        text = data.decode("ascii", "replace").strip(" \0")
        wanted = " or ".join(map(repr, self.starts_with))
        return "" if text.startswith(self.starts_with) else f"it calls itself {text[:32]!r}, not {wanted}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareRegister:
    """Where the meter says its firmware, and how: `bits` are the widths of the parts of the version, left to right."""

    function: Function
    address: int
    bits: tuple[int, ...]

    def version(self, data: bytes) -> tuple[int, ...]:
        """Return the version as numbers."""
        word, parts = int.from_bytes(data[:2], "big"), []
        left = 16
        for width in self.bits:
            left -= width
            parts.append((word >> left) & ((1 << width) - 1))
        return tuple(parts)


_CONDITION = re.compile(r"(<=|>=|<|>|=)\s*([0-9]+(?:\.[0-9]+)*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirk:
    """What is different with one model and firmware. Never keyed by vendor: an over-broad fix is a new fault.

    Attributes:
        models: these, of the profile's own.
        firmware: `*` for all, or a condition such as `<1.8.3`.
        negate: values whose sign is wrong there.
        drop: values that are not to be believed there.
        refuse: instead of reading: the sentence that says why and what to do.
    """

    models: tuple[str, ...]
    firmware: str
    negate: tuple[Obis, ...] = ()
    drop: tuple[Obis, ...] = ()
    refuse: str = ""

    def concerns(self, model: str, firmware: tuple[int, ...] | None) -> bool:
        """Whether a meter has this quirk; a firmware that is not known has none that ask for one."""
        if model not in self.models:
            return False
        if self.firmware == "*":
            return True
        condition = _CONDITION.fullmatch(self.firmware)
        if condition is None or firmware is None:
            return False
        bound = tuple(int(part) for part in condition[2].split("."))
        return {
            "<": firmware < bound,
            "<=": firmware <= bound,
            ">": firmware > bound,
            ">=": firmware >= bound,
            "=": firmware == bound,
        }[condition[1]]


def is_condition(text: str) -> bool:
    """Whether a text can stand as `Quirk.firmware`."""
    return text == "*" or _CONDITION.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Delays of a model, milliseconds; meanings as in `meter_io.bus.timing`."""

    reply_ms: int = 1_000
    gap_ms: int = 5
    turnaround_ms: int = 0
    post_open_ms: int = 0
    late_ms: int = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusMap:
    """How a Modbus meter is read."""

    address: int
    registers: tuple[tuple[Function, Register], ...]
    blocks: tuple[Block, ...]
    identify: tuple[Identify, ...] = ()
    firmware: FirmwareRegister | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SunSpecMap:
    """How a SunSpec device is read.

    Attributes:
        address: unit.
        models: in order of preference; the first that the device has is read.
        negate_power: the device counts power drawn from the grid as negative.
    """

    address: int
    models: tuple[int, ...]
    negate_power: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How a meter is asked for its telegram: IEC 62056-21, modes A to C.

    Attributes:
        timing: delays of the handshake.
        answers: ways to answer the speed that it offers, in the order they are tried.
        address: of one meter where several share a line, otherwise empty.
    """

    timing: AskTiming
    answers: tuple[Answer, ...]
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramForm:
    """How a meter that sends telegrams is recognised.

    Attributes:
        identification: regular expression for the identification it sends.
        silence_ms: longest pause between telegrams that it pushes.
        asking: how it is asked; None for a meter that pushes.
    """

    identification: re.Pattern[str]
    silence_ms: int = 30_000
    asking: Asking | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One meter model.

    Attributes:
        name: file name without ending; what `--profile` takes.
        title: for people.
        protocol: which parser.
        models: as the maker writes them.
        firmware: for which the facts hold, in words.
        note: what an integrator must know, such as a setting on the meter.
        source: where the facts come from.
        line: as delivered.
        bauds: other speeds that the meter can be set to.
        timing: delays.
        form: what depends on the protocol.
        totals: sums over what is read.
        counters: what the document states of energy counters, where it states anything.
        plausible: what values look like.
        quirks: by model and firmware.
    """

    name: str
    title: str
    protocol: Protocol
    models: tuple[str, ...]
    firmware: str
    note: str
    source: Source
    line: Line
    bauds: tuple[int, ...]
    timing: Timing
    form: ModbusMap | SunSpecMap | TelegramForm | PulseInput
    totals: tuple[Total, ...] = ()
    counters: Mapping[Obis, CounterSpec] = field(default_factory=dict)
    plausible: tuple[Plausible, ...] = ()
    quirks: tuple[Quirk, ...] = ()

    def with_totals(self, values: dict[Obis, Value]) -> dict[Obis, Value]:
        """Add the sums whose parts are all there."""
        for total in self.totals:
            parts = [values[part] for part in total.of if part in values]
            if len(parts) == len(total.of):
                number = sum((part.number for part in parts), Decimal(0))
                values[total.obis] = Value(number, parts[0].unit)
        return values

    def counter(self, code: Obis) -> CounterSpec:
        """Return how an energy counter counts: as stated, else by the steps of its register or pulses, else in Wh.

        The total of several registers moves in the coarsest of their steps: one tariff counts at a time.
        """
        stated = self.counters.get(code)
        if stated is not None:
            return stated
        if isinstance(self.form, PulseInput):
            step_j = -(-JOULES_PER_WH * 1_000 // self.form.pulses_per_kwh)
            return CounterSpec(codes=(code,), resolution_j=max(JOULES_PER_WH, step_j))
        parts = next((total.of for total in self.totals if total.obis == code), (code,))
        registers = self.form.registers if isinstance(self.form, ModbusMap) else ()
        steps = [register.step_j for _, register in registers if register.obis in parts]
        return CounterSpec(codes=(code,), resolution_j=max(JOULES_PER_WH, *steps, 1))

    def complaints(self, values: Mapping[Obis, Value]) -> list[str]:
        """Return why these values do not look like this model's."""
        found = (plausible.complaint(values) for plausible in self.plausible)
        return [complaint for complaint in found if complaint]
