"""Register bytes into numbers: every type and word order against an independent encoder, and what is absent."""

import math
import struct
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meter_io.modbus.pdu import Function
from meter_io.obis import IMPORT_TOTAL, POWER_NET, Obis
from meter_io.profiles.registers import KINDS, Block, Register, blocks_of, shortest
from meter_io.reading import Unit

FORMS = {
    "u16": ">H",
    "s16": ">h",
    "u32": ">I",
    "s32": ">i",
    "u64": ">Q",
    "s64": ">q",
    "f32": ">f",
    "f64": ">d",
}
floats32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def register(kind: str, **fields: object) -> Register:
    """A register with defaults."""
    given = {"obis": POWER_NET, "address": 100, "kind": kind, "unit": Unit.WATT, **fields}
    return Register(**given)  # type: ignore[arg-type]


def one(what: Register, data: bytes, word_order: str = "big") -> Decimal | None:
    """Decode a single register."""
    block = Block([what], function=Function.INPUT, word_order=word_order)  # type: ignore[arg-type]
    value = block.decode(data).get(what.obis)
    return None if value is None else value.number


@given(floats32)
def test_the_shortest_decimal_is_the_same_float_and_none_is_shorter(number: float) -> None:
    found = shortest(number)
    assert struct.unpack(">f", struct.pack(">f", float(found)))[0] == number
    digits = len(found.normalize().as_tuple().digits)
    assert digits <= 9
    if digits > 1:
        shorter = float(f"{number:.{digits - 1}g}")
        assume(abs(shorter) < 3.4e38)
        assert digits <= 6 or struct.unpack(">f", struct.pack(">f", shorter))[0] != number


@given(floats32, floats32)
def test_a_larger_float_never_becomes_a_smaller_decimal(first: float, second: float) -> None:
    """Or a counter that rises could seem to fall."""
    low, high = sorted((first, second))
    assert shortest(low) <= shortest(high)


@given(st.data(), st.sampled_from(sorted(KINDS)), st.sampled_from(["big", "little"]))
def test_every_type_in_both_word_orders(draw: st.DataObject, kind: str, order: str) -> None:
    if KINDS[kind].is_float:
        sizes = st.floats(-(2.0**49), 2.0**49, width=32) if kind == "f32" else st.floats(-(2.0**49), 2.0**49)
        raw: float = draw.draw(sizes)
    else:
        bits = 16 * KINDS[kind].words
        low = -(1 << bits - 1) if KINDS[kind].signed else 0
        raw = draw.draw(st.integers(low, low + (1 << bits) - 1))
    data = struct.pack(FORMS[kind], raw)
    if order == "little":
        data = b"".join(data[at : at + 2] for at in range(len(data) - 2, -1, -2))
    found = one(register(kind), data, order)
    assert found is not None
    assert (
        struct.unpack(">f", struct.pack(">f", float(found)))[0] if kind == "f32" else float(found)
    ) == float(raw)


@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("raw", [math.nan, math.inf, -math.inf, 3.4e38, -3.4e38, 1e16])
def test_no_number_is_absent(kind: str, raw: float) -> None:
    """Found by the fuzzer: 3.4e38 kWh has more digits than exact decimals keep."""
    assert one(register(kind, exponent=3), struct.pack(FORMS[kind], raw)) is None


def test_patterns_for_not_available() -> None:
    steel = register("u64", absent=frozenset({0xFFFFFFFFFFFFFFFF}))
    assert one(steel, b"\xff" * 8) is None
    assert one(steel, b"\0" * 8) == 0
    signed = register("s32", absent=frozenset({0x80000000}))
    assert one(signed, b"\x80\0\0\0") is None
    overflow = register("s32", absent_from=0x7FFF0000)
    assert one(overflow, b"\x7f\xff\0\0") is None
    assert one(overflow, b"\x7f\xfe\xff\xff") == 0x7FFEFFFF
    assert one(overflow, b"\xff\xff\xff\xff") == -1


def test_scales_are_exact_and_written_plainly() -> None:
    energy = register("u32", unit=Unit.WATT_HOUR, exponent=2)
    assert str(one(energy, (143_824).to_bytes(4, "big"))) == "14382400"
    assert one(register("s16", exponent=-1), (-2301 & 0xFFFF).to_bytes(2, "big")) == Decimal("-230.1")
    assert one(register("u16", factor=Decimal("0.25")), b"\0\x03") == Decimal("0.75")
    assert one(register("u16", negate=True), b"\0\x03") == -3
    assert str(one(register("u16", negate=True), b"\0\0")) == "0"


def test_blocks_are_as_few_as_the_meter_allows() -> None:
    addresses = [0, 2, 4, 10, 40, 42]
    rows = [
        (Function.INPUT, register("u32", obis=Obis(1, 0, place, 7, 0), address=address))
        for place, address in enumerate(addresses)
    ]

    def spans(limit: int, *, across: bool) -> list[tuple[int, int]]:
        found = blocks_of(rows[::-1], word_order="big", max_registers=limit, read_across=across)
        return [(block.address, block.count) for block in found]

    assert spans(80, across=True) == [(0, 44)]
    assert spans(80, across=False) == [(0, 6), (10, 2), (40, 4)]
    assert spans(12, across=True) == [(0, 12), (40, 4)]
    assert spans(4, across=False) == [(0, 4), (4, 2), (10, 2), (40, 4)]
    mixed = [*rows, (Function.HOLDING, register("u32", obis=IMPORT_TOTAL, address=44))]
    assert len(blocks_of(mixed, word_order="big", max_registers=80, read_across=True)) == 2


def test_overlaps_are_refused() -> None:
    with pytest.raises(ValueError, match="overlaps"):
        blocks_of(
            [(Function.INPUT, register("u32")), (Function.INPUT, register("u16", address=101))],
            word_order="big",
            max_registers=10,
            read_across=False,
        )
