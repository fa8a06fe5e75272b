"""IEC 62056-21 telegrams: modes with and without a check character, parity, codes, and what is refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter_io.framing import MAX_TELEGRAM_BYTES, Framer
from meter_io.iec62056 import Identification, Iec62056Parser, Mode
from meter_io.obis import IMPORT_TOTAL, Obis
from meter_io.reading import Unit, Value
from meter_io.telegram import Reason, Refusal, Telegram
from tests.meter_io.encoders import iec_data, with_even_parity
from tests.meter_io.streams import (
    accepted,
    assert_cutting_changes_nothing,
    at_once,
    refused,
    streams,
)

LINE = b"/LGZ4ZMF100AC.M27\r\n"
LINES = (
    "F.F(00000000)",
    "C.1.0(12345678)",
    "0.0.0(87654321)",
    "1.8.0(000123.456*kWh)",
    "1-0:2.8.0*255(000001.5*kWh)",
    "1.8.0*01(000100.000*kWh)",
    "32.7(230.4*V)",
    "1.6.1(03.4*kW)(1610200915)",
    "P.01(161020)(00)(15)(2)(1.5)(kW)",
    "1.8.1(5*kWh)1.8.2(6*kWh)",
    "XX99(1)",
)
WHOLE = LINE + iec_data(LINES)
PUSHED = b"/EBZ5DD3 V1\r\n\r\n1-0:1.8.0*255(000001.2500*kWh)\r\n1-0:96.1.255*255(1EBZ1)\r\n!\r\n"


def one(data: bytes, parser: Framer | None = None) -> Telegram:
    (telegram,) = at_once(parser or Iec62056Parser(), data)
    assert isinstance(telegram, Telegram), telegram
    return telegram


def test_a_readout_with_all_kinds_of_codes() -> None:
    telegram = one(WHOLE)
    assert (telegram.model, telegram.meter_id) == ("LGZ ZMF100AC.M27", "87654321")
    assert telegram.dialect == "IEC 62056-21 mode C"
    assert telegram.raw == WHOLE
    values = {str(code): (value.number, value.unit) for code, value in telegram.values.items()}
    assert values == {
        "1-0:1.8.0": (Decimal(123_456), Unit.WATT_HOUR),
        "1-0:2.8.0": (Decimal(1500), Unit.WATT_HOUR),
        "1-0:1.8.0*1": (Decimal(100_000), Unit.WATT_HOUR),
        "1-0:32.7.0": (Decimal("230.4"), Unit.VOLT),
        "1-0:1.6.1": (Decimal(3400), Unit.WATT),
        "1-0:1.8.1": (Decimal(5000), Unit.WATT_HOUR),
        "1-0:1.8.2": (Decimal(6000), Unit.WATT_HOUR),
    }
    assert telegram.texts[Obis(1, 0, 97, 97, 0)] == "00000000"
    assert telegram.texts[Obis(1, 0, 96, 1, 0)] == "12345678"


def test_a_meter_that_pushes_has_identification_and_data_in_one_piece() -> None:
    telegram = one(PUSHED)
    assert (telegram.model, telegram.meter_id, telegram.dialect) == (
        "EBZ DD3 V1",
        "1EBZ1",
        "IEC 62056-21 mode D",
    )
    assert telegram.values[IMPORT_TOTAL] == Value(Decimal(1250), Unit.WATT_HOUR)


def test_data_without_an_identification_are_data_all_the_same() -> None:
    assert one(iec_data(LINES)).model == "unknown"
    assert one(iec_data(LINES)).dialect == "IEC 62056-21"


def test_a_listener_on_the_line_hears_both_sides() -> None:
    """Request, identification, acknowledgement, data: an optical head that echoes gives such a stream."""
    events = at_once(Iec62056Parser(), b"/?!\r\n" + LINE + b"\x06040\r\n" + iec_data(LINES))
    assert [event.reason for event in refused(events)] == [Reason.NOISE, Reason.NOISE]
    assert accepted(events)[0].model == "LGZ ZMF100AC.M27"


def test_units_that_the_manual_states_come_from_the_profile() -> None:
    data = iec_data(["1.8.0(000123.456)", "C.1.0(77)"])
    assert one(data).values == {}
    assert one(data).texts[IMPORT_TOTAL] == "000123.456"
    profiled = one(data, Iec62056Parser(units={IMPORT_TOTAL: (Unit.WATT_HOUR, 3)}))
    assert profiled.values == {IMPORT_TOTAL: Value(Decimal(123_456), Unit.WATT_HOUR)}


def test_parity_is_checked_and_taken_off() -> None:
    line = with_even_parity(WHOLE)
    assert one(line, Iec62056Parser(even_parity=True)).values == one(WHOLE).values
    (event,) = refused(at_once(Iec62056Parser(), with_even_parity(PUSHED[:-3]) + PUSHED[-3:]))[:1]
    assert event.reason is Reason.NOISE, "without parity not even the beginning is seen"


@given(st.integers(len(LINE) + 1, len(WHOLE) - 3), st.integers(0, 7))
def test_a_single_flipped_bit_is_noticed(position: int, bit: int) -> None:
    line = bytearray(with_even_parity(WHOLE))
    line[position] ^= 1 << bit
    assert accepted(at_once(Iec62056Parser(even_parity=True), bytes(line))) == []
    damaged = bytearray(WHOLE)
    damaged[position] ^= 1 << bit
    assert accepted(at_once(Iec62056Parser(), bytes(damaged))) == []


TELEGRAMS = st.sampled_from([WHOLE, PUSHED, iec_data(LINES), LINE, b"/?!\r\n"])


@given(streams(TELEGRAMS, b"/!\x02\x03\r\n("), st.lists(st.integers(0, 3_000), max_size=8), st.booleans())
def test_cutting_the_stream_changes_nothing(data: bytes, cuts: list[int], parity: bool) -> None:
    assert_cutting_changes_nothing(lambda: Iec62056Parser(even_parity=parity), data, cuts)
    told = at_once(Iec62056Parser(), data)
    assert sorted(b"".join(event.raw for event in told)) == sorted(data), "every byte is in one event"


@pytest.mark.parametrize(
    ("data", "reasons"),
    [
        (WHOLE[:-1] + b"\x00", [Reason.CHECKSUM, Reason.INCOMPLETE]),
        (WHOLE[:-1], [Reason.INCOMPLETE, Reason.INCOMPLETE]),
        (LINE, [Reason.INCOMPLETE]),
        (LINE + LINE, [Reason.INCOMPLETE, Reason.INCOMPLETE]),
        (b"/x\r\n", [Reason.STRUCTURE]),
        (b"/L\xc7Z4Z\r\n", [Reason.STRUCTURE]),
        (b"/" + b"x" * 100, [Reason.NOISE]),
        (b"\x02x\x02", [Reason.INCOMPLETE, Reason.INCOMPLETE]),
        (iec_data(["hello"]), [Reason.STRUCTURE]),
        (iec_data(["1.8.0(1*kWh)", "1.8.0(2*kWh)"]), [Reason.CONTRADICTION]),
        (b"\x02x\x03{", [Reason.STRUCTURE]),
        (PUSHED[:-1], [Reason.STRUCTURE]),
        (PUSHED[:40], [Reason.INCOMPLETE]),
        (PUSHED[:40] + PUSHED[:-3], [Reason.INCOMPLETE, Reason.INCOMPLETE]),
        (PUSHED.replace(b"1.25", b"\xb1.25"), [Reason.PARITY]),
        (b"\x02" + bytes(MAX_TELEGRAM_BYTES), [Reason.TOO_LONG, Reason.NOISE]),
        (b"/EBZ5DD3\r\n\r\n" + bytes(MAX_TELEGRAM_BYTES), [Reason.TOO_LONG, Reason.NOISE]),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_refused(data: bytes, reasons: list[Reason]) -> None:
    events = at_once(Iec62056Parser(), data)
    assert accepted(events) == []
    assert [event.reason for event in refused(events)] == reasons


def test_wrong_parity_is_named() -> None:
    line = bytearray(with_even_parity(WHOLE))
    line[40] ^= 1
    first = refused(at_once(Iec62056Parser(even_parity=True), bytes(line)))[0]
    assert (first.reason, "byte" in first.sentence) == (Reason.PARITY, True)


@pytest.mark.parametrize(
    ("line", "mode", "baud", "model"),
    [
        (b"/LGZ4ZMF100AC.M27\r\n", Mode.C, 4_800, "LGZ ZMF100AC.M27"),
        (b"/ISk5MT174-0001\r\n", Mode.C, 9_600, "ISk MT174-0001"),
        (b"/ACE0\\3k260V01.18\r\n", Mode.C, 300, "ACE k260V01.18"),
        (b"/EMHBx\r\n", Mode.B, 1_200, "EMH x"),
        (b"/ABB@V3.02\r\n", Mode.A, 300, "ABB V3.02"),
        (b"/HAG5\\2eHZ\r\n", Mode.C, 9_600, "HAG eHZ"),
    ],
)
def test_identifications(line: bytes, mode: Mode, baud: int, model: str) -> None:
    identification = Identification.parse(line)
    assert (identification.mode, identification.baud, identification.model) == (mode, baud, model)


@pytest.mark.parametrize(
    "line", [b"", b"/\r\n", b"/LG\r\n", b"LGZ4X\r\n", b"/LGZ4X\n", b"/LGZ4X/\r\n", b"/LGZ4X!\r\n"]
)
def test_what_is_no_identification(line: bytes) -> None:
    with pytest.raises(Refusal):
        Identification.parse(line)


@pytest.mark.parametrize("letter", ["\x1b", "\x07", "\x7f"])
def test_what_a_terminal_would_obey_is_refused(letter: str) -> None:
    event = refused(at_once(Iec62056Parser(), LINE + iec_data([f"0.0.0(1{letter}[2J)"])))[0]
    assert event.reason is Reason.STRUCTURE
