"""Profiles of meters that are polled: the tables of a register map, and of a SunSpec map."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, get_args

from meter_io.modbus.pdu import MAX_REGISTERS, Function
from meter_io.profiles.model import FirmwareRegister, Identify, ModbusMap, SunSpecMap, Timing
from meter_io.profiles.registers import KINDS, UNITS, Register, WordOrder, blocks_of
from meter_io.profiles.table import Table
from meter_io.sunspec.models import MODELS

_FUNCTIONS: Final[Mapping[str, Function]] = {"holding": Function.HOLDING, "input": Function.INPUT}
_ORDERS: Final[Mapping[str, WordOrder]] = {word: word for word in get_args(WordOrder)}
_LEAST_SCALE: Final = Decimal("0.000001")
_SCALE_DIGITS: Final = 9
"""With the 20 digits of 64 bits they stay within the 28 that decimal numbers are exact to."""


def _timing(table: Table) -> Timing:
    return Timing(
        reply_ms=table.integer("reply_ms", 50, 30_000, 1_000),
        gap_ms=table.integer("gap_ms", 0, 1_000, 5),
        turnaround_ms=table.integer("turnaround_ms", 0, 5_000, 0),
        post_open_ms=table.integer("post_open_ms", 0, 30_000, 0),
        late_ms=table.integer("late_ms", 0, 60_000, 2_000),
    )


def modbus(top: Table) -> tuple[ModbusMap, Timing]:
    """Read `[modbus]`, `[[register]]`, `[[identify]]` and `[firmware_register]`.

    Raises:
        ProfileError: something is wrong; the sentence names file, line and key.
    """
    table = top.table("modbus")
    function = table.choice("function", _FUNCTIONS)
    address = table.integer("address", 0, 255, 1)
    word_order = table.choice("word_order", _ORDERS, "big")
    max_registers = table.integer("max_registers", 1, MAX_REGISTERS)
    read_across = table.flag("read_across")
    absent = table.texts("absent", ())
    timing = _timing(table)
    table.done()
    patterns = [_absent_pattern(table, text) for text in absent]
    defaults = {kind: frozenset(bits for known, bits in patterns if known == kind) for kind in KINDS}
    rows = top.tables("register")
    if not rows:
        raise top.wrong("register", "a Modbus profile needs at least one [[register]]")
    registers = tuple(_register(row, function, defaults) for row in rows)
    for place, (_, register) in enumerate(registers):
        if register.obis in [earlier.obis for _, earlier in registers[:place]]:
            raise rows[place].wrong("obis", f"{register.obis} is given twice")
        if register.words > max_registers:
            raise rows[place].wrong(
                "type",
                f"{register.kind} takes {register.words} registers, the meter answers {max_registers} at once",
            )
    try:
        blocks = blocks_of(
            registers, word_order=word_order, max_registers=max_registers, read_across=read_across
        )
    except ValueError as error:
        raise top.wrong("register", str(error)) from None
    firmware = top.table("firmware_register", required=False)
    form = ModbusMap(
        address=address,
        registers=registers,
        blocks=blocks,
        identify=tuple(_identify(row, function) for row in top.tables("identify")),
        firmware=_firmware(firmware, function) if firmware.filled else None,
    )
    return form, timing


def _absent_pattern(table: Table, text: str) -> tuple[str, int]:
    """Read `u32 0xFFFFFFFF`: a pattern that means "not available" in every register of a kind."""
    kind, _, pattern = text.partition(" ")
    if kind not in KINDS or not re.fullmatch(r"0x[0-9A-Fa-f]{1,16}", pattern):
        raise table.wrong("absent", f'wants patterns such as "u32 0xFFFFFFFF", got {text!r}')
    bits = int(pattern, 16)
    _check_patterns(table, "absent", kind, bits)
    return kind, bits


def _check_patterns(table: Table, key: str, kind: str, *patterns: int) -> None:
    """Refuse patterns that a register of this kind cannot hold, or that are never looked at."""
    if patterns and KINDS[kind].is_float:
        raise table.wrong(key, f"{kind} needs none: what is no number, or beyond 10^15, is absent by itself")
    for bits in patterns:
        if bits >> 16 * KINDS[kind].words:
            raise table.wrong(key, f"0x{bits:X} does not fit into {kind}")


def _register(
    row: Table, function: Function, absent: Mapping[str, frozenset[int]]
) -> tuple[Function, Register]:
    kind = row.choice("type", {kind: kind for kind in KINDS})
    unit, exponent = row.choice("unit", UNITS)
    power, factor = _scale(row)
    patterns = row.integers("absent", 0, (1 << 64) - 1, ())
    absent_from = row.integer("absent_from", -1, (1 << 64) - 1, -1)
    _check_patterns(row, "absent", kind, *patterns)
    _check_patterns(row, "absent_from", kind, *(() if absent_from < 0 else (absent_from,)))
    register = Register(
        obis=row.obis("obis"),
        address=row.integer("address", 0, 0xFFFF),
        kind=kind,
        unit=unit,
        exponent=exponent + power,
        factor=factor,
        negate=row.flag("negate"),
        absent=absent[kind].union(patterns),
        absent_from=None if absent_from < 0 else absent_from,
    )
    if register.address + register.words > 0x10000:
        raise row.wrong("address", f"{kind} reaches beyond register 65535")
    space = row.choice("function", _FUNCTIONS, _word_of(function))
    row.done()
    return space, register


def _scale(row: Table) -> tuple[int, Decimal | None]:
    """Return a scale as a power of ten where it is one, otherwise as a factor."""
    scale = row.decimal("scale", 1)
    if scale is None or not _LEAST_SCALE <= abs(scale) <= 1 / _LEAST_SCALE:
        raise row.wrong("scale", f"is {_LEAST_SCALE} to {1 / _LEAST_SCALE:f}, got {scale}")
    sign, digits, power = scale.normalize().as_tuple()
    if len(digits) > _SCALE_DIGITS:
        raise row.wrong("scale", f"has at most {_SCALE_DIGITS} digits, got {len(digits)}")
    if digits == (1,) and not sign and isinstance(power, int):
        return power, None
    return 0, scale


def _word_of(function: Function) -> str:
    return next(word for word, known in _FUNCTIONS.items() if known is function)


def _identify(row: Table, function: Function) -> Identify:
    identify = Identify(
        function=row.choice("function", _FUNCTIONS, _word_of(function)),
        address=row.integer("address", 0, 0xFFFF),
        words=row.integer("words", 1, 32, 1),
        codes=row.integers("codes", 0, (1 << 64) - 1, ()),
        starts_with=row.texts("starts_with", ()),
    )
    if bool(identify.codes) == bool(identify.starts_with):
        raise row.wrong("codes", "an [[identify]] has either codes or starts_with")
    if identify.address + identify.words > 0x10000:
        raise row.wrong("address", f"{identify.words} words reach beyond register 65535")
    row.done()
    return identify


def _firmware(table: Table, function: Function) -> FirmwareRegister:
    firmware = FirmwareRegister(
        function=table.choice("function", _FUNCTIONS, _word_of(function)),
        address=table.integer("address", 0, 0xFFFF),
        bits=table.integers("bits", 1, 16),
    )
    if sum(firmware.bits) != 16:
        raise table.wrong("bits", f"the parts of a version fill 16 bits, got {sum(firmware.bits)}")
    table.done()
    return firmware


def sunspec(top: Table) -> tuple[SunSpecMap, Timing]:
    """Read `[sunspec]`.

    Raises:
        ProfileError: something is wrong; the sentence names file, line and key.
    """
    table = top.table("sunspec")
    models = table.integers("models", 1, 65_000)
    unknown = [model for model in models if model not in MODELS]
    if unknown or not models:
        raise table.wrong("models", f"known models are {', '.join(map(str, MODELS))}, got {list(models)}")
    form = SunSpecMap(
        address=table.integer("address", 0, 255, 1),
        models=models,
        negate_power=table.flag("negate_power"),
    )
    timing = _timing(table)
    table.done()
    return form, timing
