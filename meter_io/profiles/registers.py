"""Register bytes into exact numbers: types, word order, scale, and the patterns that mean "not available".

Nothing is ever guessed: a pattern that means "not available", a NaN or an infinity makes a value absent, never zero.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from operator import itemgetter
from typing import Final, Literal, NamedTuple, TypeAlias

from meter_io.modbus.pdu import MAX_REGISTERS, Function
from meter_io.obis import Obis
from meter_io.reading import JOULES_PER_WH, Unit, Value

WordOrder: TypeAlias = Literal["big", "little"]
_ONE: Final = Decimal(1)
_HUGE: Final = 1e15
"""No counter in Wh and no power in W comes near it; the largest float, 3.4e38, is a mark of some meters."""
_F32: Final = struct.Struct(">f")


class Kind(NamedTuple):
    """A type of value: registers it takes, its code in `struct`, whether negative numbers are two's complement."""

    words: int
    code: str
    signed: bool
    is_float: bool


KINDS: Final[Mapping[str, Kind]] = {
    "u16": Kind(1, "H", signed=False, is_float=False),
    "s16": Kind(1, "h", signed=True, is_float=False),
    "u32": Kind(2, "I", signed=False, is_float=False),
    "s32": Kind(2, "i", signed=True, is_float=False),
    "u64": Kind(4, "Q", signed=False, is_float=False),
    "s64": Kind(4, "q", signed=True, is_float=False),
    "f32": Kind(2, "f", signed=True, is_float=True),
    "f64": Kind(4, "d", signed=True, is_float=True),
}
UNITS: Final[Mapping[str, tuple[Unit, int]]] = {
    "kWh": (Unit.WATT_HOUR, 3),
    "MWh": (Unit.WATT_HOUR, 6),
    "kW": (Unit.WATT, 3),
    "MW": (Unit.WATT, 6),
    "kvarh": (Unit.VAR_HOUR, 3),
    "kvar": (Unit.VAR, 3),
    "kVA": (Unit.VOLT_AMPERE, 3),
    "kVAh": (Unit.VOLT_AMPERE_HOUR, 3),
    "mA": (Unit.AMPERE, -3),
    "mV": (Unit.VOLT, -3),
    **{unit.value: (unit, 0) for unit in Unit if unit.value},
}
"""Units that a profile may name, as plain unit and power of ten."""


def is_measurement(raw: float) -> bool:
    """Whether a float can be one: not NaN, not infinite, and not one of the huge floats that mean "not available"."""
    return math.isfinite(raw) and abs(raw) < _HUGE


def shortest(number: float) -> Decimal:
    """Return the shortest decimal that is the same 32-bit float: 14382.417, not 14382.4169921875.

    That is all a meter that sends 32-bit floats has said. Larger floats never give smaller decimals, so counters stay
    monotonic. Source: the round-trip rule of IEEE 754-2008, section 5.12.2 (nine digits always suffice).
    """
    for digits in (6, 7, 8):
        text = f"{number:.{digits}g}"
        try:
            same = _F32.unpack(_F32.pack(float(text)))[0] == number
        except OverflowError:  # rounded up beyond the largest float
            continue
        if same:
            return Decimal(text)
    return Decimal(f"{number:.9g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """One value in a meter's registers.

    Attributes:
        obis: what it is.
        address: first register as it stands in the frame, counted from 0.
        kind: key of `KINDS`.
        unit: after scaling.
        exponent: power of ten between the number sent and the unit.
        factor: anything else it is multiplied with.
        negate: the meter counts the other direction as positive.
        absent: patterns that mean "not available", as unsigned numbers.
        absent_from: this and every larger pattern mean "not available" or overflow.
    """

    obis: Obis
    address: int
    kind: str
    unit: Unit
    exponent: int = 0
    factor: Decimal | None = None
    negate: bool = False
    absent: frozenset[int] = frozenset()
    absent_from: int | None = None

    @property
    def words(self) -> int:
        """How many registers it takes."""
        return KINDS[self.kind].words

    @property
    def step_j(self) -> int:
        """Joules by which a counter here moves at least, rounded up; 1 where it is a float or no energy."""
        if KINDS[self.kind].is_float or self.unit is not Unit.WATT_HOUR:
            return 1
        step_j = (self.factor or _ONE).scaleb(self.exponent) * JOULES_PER_WH
        return int(abs(step_j).to_integral_value(rounding=ROUND_CEILING))

    def number(self, raw: float) -> Decimal | None:
        """Return the value in its unit, or None where the meter says that it has none."""
        if isinstance(raw, float):
            if not is_measurement(raw):
                return None
            number = shortest(raw) if self.kind == "f32" else Decimal(repr(raw))
        else:
            pattern = raw if raw >= 0 else raw + (1 << 16 * self.words)
            if pattern in self.absent or self._overflowed(raw):
                return None
            number = Decimal(raw)
        if self.exponent:
            number = number.scaleb(self.exponent)
            if self.exponent > 0 and number == number.to_integral_value():
                number = number.quantize(_ONE)  # 3905220, not 3.90522E+6
        if self.factor is not None:
            number *= self.factor
        return -number if self.negate and number else number

    def _overflowed(self, raw: int) -> bool:
        return self.absent_from is not None and raw >= self.absent_from


class Block:
    """Registers that are read with one request, and so belong to one moment.

    Attributes:
        function: register space.
        address: first register.
        count: how many.
    """

    __slots__ = ("_order", "_registers", "_struct", "address", "count", "function")

    def __init__(self, registers: Sequence[Register], *, function: Function, word_order: WordOrder) -> None:
        """Lay out the registers, which are sorted by address and do not overlap.

        Raises:
            ValueError: they are more than one request may read.
        """
        self._registers = tuple(registers)
        self.function = function
        self.address = at = registers[0].address
        form = [">"]
        order: list[int] = []
        for register in registers:
            gap = register.address - at
            form.append(f"{2 * gap}x{KINDS[register.kind].code}")
            start = at - self.address
            order += range(2 * start, 2 * (start + gap))
            words = range(start + gap, start + gap + register.words)
            for word in words if word_order == "big" else reversed(words):
                order += (2 * word, 2 * word + 1)
            at = register.address + register.words
        self.count = at - self.address
        if self.count > MAX_REGISTERS:
            raise ValueError(f"a request reads at most {MAX_REGISTERS} registers, got {self.count}")
        self._struct = struct.Struct("".join(form))
        self._order = None if word_order == "big" or len(order) < 3 else itemgetter(*order)

    def decode(self, data: bytes) -> dict[Obis, Value]:
        """Return the values that the meter has. `data` holds exactly `count` registers."""
        if self._order is not None:
            data = bytes(self._order(data))
        values = {}
        for register, raw in zip(self._registers, self._struct.unpack(data), strict=True):
            number = register.number(raw)
            if number is not None:
                values[register.obis] = Value(number, register.unit)
        return values


def blocks_of(
    registers: Sequence[tuple[Function, Register]],
    *,
    word_order: WordOrder,
    max_registers: int,
    read_across: bool,
) -> tuple[Block, ...]:
    """Divide registers into as few requests as the meter allows.

    Args:
        registers: with the space each is in, in any order.
        word_order: which word of a long value comes first.
        max_registers: most that this meter answers at once.
        read_across: whether it also answers for registers between two known ones.

    Raises:
        ValueError: two registers overlap.
    """
    blocks: list[Block] = []
    run: list[Register] = []
    space = Function.HOLDING
    for function, register in sorted(registers, key=lambda pair: (pair[0], pair[1].address)):
        end = register.address + register.words
        if run and function is space and register.address < run[-1].address + run[-1].words:
            raise ValueError(f"register {register.obis} overlaps another at 0x{register.address:04X}")
        joins = (
            bool(run)
            and function is space
            and end - run[0].address <= max_registers
            and (read_across or register.address == run[-1].address + run[-1].words)
        )
        if run and not joins:
            blocks.append(Block(run, function=space, word_order=word_order))
            run = []
        run.append(register)
        space = function
    if run:
        blocks.append(Block(run, function=space, word_order=word_order))
    return tuple(blocks)
