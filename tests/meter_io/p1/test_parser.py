"""P1 telegrams of our own making: dialects, checksums by version, sub-meters, times, and what is refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter_io import datasets
from meter_io.framing import MAX_TELEGRAM_BYTES
from meter_io.obis import EXPORT_TOTAL, IMPORT_TOTAL, POWER_NET, Obis
from meter_io.p1 import P1Parser
from meter_io.p1.dialects import DIALECTS, Checksum
from meter_io.p1.times import utc_ms
from meter_io.reading import MeterId, Moment, TimeBasis, Unit, Value
from meter_io.telegram import Reason, Telegram, sample
from tests.meter_io.encoders import DSMR5, p1_telegram
from tests.meter_io.streams import (
    accepted,
    assert_cutting_changes_nothing,
    assert_every_byte_is_accounted_for,
    at_once,
    refused,
    streams,
)

WHOLE = p1_telegram("XYZ5\\2TEST", DSMR5)
NOW = Moment(utc_ms=0, monotonic_ms=0, basis=TimeBasis.RECEIVED)


def one(data: bytes) -> Telegram:
    (telegram,) = at_once(P1Parser(), data)
    assert isinstance(telegram, Telegram), telegram
    return telegram


def one_reason(data: bytes) -> Reason:
    (event,) = refused(at_once(P1Parser(), data))
    return event.reason


def lines_of(values: dict[Obis, Decimal]) -> list[str]:
    return [f"{code}({value:f}*kWh)" for code, value in values.items()]


NUMBERS = st.decimals(0, 999_999, places=3)
CODES = st.builds(
    Obis, st.just(1), st.just(0), st.integers(1, 90), st.sampled_from([7, 8]), st.integers(0, 9)
)
TELEGRAMS = st.dictionaries(CODES, NUMBERS, max_size=12).map(
    lambda values: p1_telegram("XYZ5\\2TEST", [*DSMR5[:3], *lines_of(values)])
)


@given(st.dictionaries(CODES, NUMBERS, max_size=20))
def test_what_a_meter_sends_is_what_is_read(values: dict[Obis, Decimal]) -> None:
    telegram = one(p1_telegram("XYZ5\\2TEST", [*DSMR5[:3], *lines_of(values)]))
    assert telegram.values == {code: Value(value * 1000, Unit.WATT_HOUR) for code, value in values.items()}


@given(streams(TELEGRAMS, b"/!\r\n(\xdb\x08"), st.lists(st.integers(0, 3_000), max_size=8))
def test_cutting_the_stream_changes_nothing(data: bytes, cuts: list[int]) -> None:
    assert_cutting_changes_nothing(P1Parser, data, cuts)
    assert_every_byte_is_accounted_for(at_once(P1Parser(), data), data)


def test_all_kinds_of_lines() -> None:
    telegram = one(WHOLE)
    assert telegram.dialect == "DSMR 5"
    assert telegram.model == "XYZ5\\2TEST"
    assert telegram.meter_id == "4530303434303037"
    assert telegram.meter_time_ms == 1_795_307_400_000, "2026-11-22 00:30:00 UTC"
    values = {str(code): (value.number, value.unit) for code, value in telegram.values.items()}
    assert values["1-0:1.8.1"] == (Decimal(2_130_115), Unit.WATT_HOUR)
    assert values["1-0:32.7.0"] == (Decimal("229.9"), Unit.VOLT)
    assert values["0-1:24.2.1"] == (Decimal("246.138"), Unit.CUBIC_METRE)
    assert values["0-2:24.2.1"] == (Decimal("12.5"), Unit.CUBIC_METRE)
    assert values["0-0:96.7.21"] == (Decimal(5), Unit.NONE)
    assert telegram.texts[Obis(0, 1, 24, 1, 0)] == "003"
    assert telegram.texts[Obis(0, 0, 96, 14, 0)] == "0001"
    assert telegram.times[Obis(0, 1, 24, 2, 1)] == 1_784_676_600_000, "summer time: 2026-07-21 23:30:00 UTC"
    assert not [code for code in telegram.values if code.c == 99], "the log of power failures is no value"


def test_a_sample_has_the_totals_that_dutch_meters_leave_out() -> None:
    told = sample(one(WHOLE), meter=MeterId("house"), moment=NOW)
    assert told.values[IMPORT_TOTAL].number == 2_130_115 + 245_467
    assert told.values[EXPORT_TOTAL].number == 1500
    assert told.values[POWER_NET].number == -89
    stated = one(p1_telegram("XYZ5\\2TEST", [*DSMR5, "1-0:1.8.0(000001.000*kWh)", "1-0:16.7.0(00.001*kW)"]))
    kept = sample(stated, meter=MeterId("house"), moment=NOW)
    assert kept.values[IMPORT_TOTAL] == Value(Decimal(1000), Unit.WATT_HOUR)
    assert kept.values[POWER_NET] == Value(Decimal(1), Unit.WATT)
    bare = one(p1_telegram("XYZ5\\2TEST", DSMR5[:3]))
    assert sample(bare, meter=MeterId("house"), moment=NOW).values == {}


OLD = ("0-0:96.1.1(4B38)", "1-0:1.8.1(00123.456*kWh)", "1-0:1.8.2(00000.500*kWh)")
OLD_GAS = ("0-1:24.3.0(090212160000)(00)(60)(1)(0-1:24.2.1)(m3)", "(00001.001)", "0-1:24.4.0(1)")


def test_old_dutch_meters_have_no_checksum_and_give_gas_on_two_lines() -> None:
    telegram = one(p1_telegram("ISk5\\2MT382", [*OLD, *OLD_GAS], checksum=False))
    assert telegram.dialect == "DSMR 2.2 or 3.0"
    assert telegram.values[Obis(0, 1, 24, 2, 1)] == Value(Decimal("1.001"), Unit.CUBIC_METRE)
    assert telegram.meter_time_ms is None
    assert telegram.times == {}, "local time without its season is two instants in one hour of the year"


@pytest.mark.parametrize(
    ("identification", "lines", "dialect"),
    [
        ("KFM5X", ["1-3:0.2.8(42)", "0-0:1.0.0(161113205757W)"], "DSMR 4"),
        ("KFM5X", ["1-3:0.2.8(40)"], "DSMR 4"),
        ("FLU5\\1", ["0-0:96.1.4(50217)", "0-0:1.0.0(200512135409S)"], "Belgium"),
        ("SAG5X", ["0-0:1.0.0(230724150730S)", "1-0:15.8.0(000800.817*kWh)"], "Hungary"),
        ("ISk5X", ["0-0:1.0.0(230202132747S)", "0-0:96.14.0(0001)"], "Ireland"),
        ("ELL5X", ["0-0:1.0.0(230202132747W)", "1-0:1.8.0(00006678.394*kWh)"], "Sweden or Finland"),
        ("Lux5X", ["1-3:0.2.8(42)", "0-0:42.0.0(53414731)", "1-0:3.8.0(1.0*kvarh)"], "Luxembourg"),
        ("EST5X", ["1-3:0.2.8(50)", "1-0:3.8.0(000000747*varh)"], "Austria"),
    ],
)
def test_dialects_are_told_apart_and_all_of_them_need_their_checksum(
    identification: str, lines: list[str], dialect: str
) -> None:
    assert one(p1_telegram(identification, lines)).dialect == dialect
    assert one_reason(p1_telegram(identification, lines, checksum=False)) is Reason.CHECKSUM


@pytest.mark.parametrize(
    "lines",
    [
        ["0-0:1.0.0(210524094210W)", "1-0:1.8.0(00000424.413*kWh)"],
        ["0-0:1.0.0(230202132747S)", "0-0:96.14.0(0001)"],
    ],
)
def test_a_time_of_an_unknown_country_is_left_out(lines: list[str]) -> None:
    """The first was sent in May, in Sweden: standard time with a W. Finland does the same, an hour further east."""
    telegram = one(p1_telegram("KFM5KAIFA-METER", [*lines, "0-1:24.2.1(210524090000W)(1.0*m3)"]))
    assert (telegram.meter_time_ms, telegram.times) == (None, {})
    assert telegram.values[Obis(0, 1, 24, 2, 1)] == Value(Decimal("1.0"), Unit.CUBIC_METRE)


def test_what_no_version_vouches_for_is_refused() -> None:
    assert one_reason(p1_telegram("XYZ5X", ["1-3:0.2.8(99)"])) is Reason.UNSUPPORTED
    assert one_reason(p1_telegram("XYZ5X", ["1-3:0.2.8(five)"])) is Reason.UNSUPPORTED
    assert one_reason(p1_telegram("XYZ5X", ["1-0:1.8.0(1.0*kWh)"], checksum=False)) is Reason.UNSUPPORTED


def test_only_the_meter_that_drops_leading_zeros_may() -> None:
    def unpadded(identification: str) -> bytes:
        for number in range(10_000):
            whole = p1_telegram(identification, [*DSMR5, f"0-0:96.13.1({number:04d})"])
            if whole[-6:-5] == b"0":
                return whole[:-6] + whole[-5:]
        raise AssertionError

    assert one(unpadded("NWA-WARMTELINK")).dialect == "WarmteLink"
    assert one_reason(unpadded("XYZ5\\2TEST")) is Reason.CHECKSUM


def test_every_dialect_with_a_version_number_has_a_checksum() -> None:
    absent = [dialect.name for dialect in DIALECTS if dialect.checksum is Checksum.ABSENT]
    assert absent == ["EasyMeter Q3D", "DSMR 2.2 or 3.0"]
    assert all(dialect.version is None for dialect in DIALECTS if dialect.name in absent)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (WHOLE[:-6] + b"0000\r\n", Reason.CHECKSUM),
        (WHOLE.replace(b"2130.115", b"2130.116"), Reason.CHECKSUM),
        (WHOLE.replace(b"\r\n", b"\n"), Reason.CHECKSUM),
        (WHOLE[:-2] + b"x\r\n", Reason.STRUCTURE),
        (p1_telegram("XYZ5X", [*DSMR5, "hello"]), Reason.STRUCTURE),
        (p1_telegram("XYZ5X", [*DSMR5, "1-0:1.8.9(1.0*kWh"]), Reason.STRUCTURE),
        (p1_telegram("XYZ5X", [*DSMR5, "1-0:1.8.9(1.0)x"]), Reason.STRUCTURE),
        (p1_telegram("XYZ5X", [*DSMR5, "(00001.001)"]), Reason.STRUCTURE),
        (p1_telegram("XYZ5X", [*DSMR5, *OLD_GAS[:1], "(x)"]), Reason.STRUCTURE),
        (p1_telegram("XYZ5X", [*DSMR5[:3], *OLD_GAS[:2], "(1)"]), Reason.STRUCTURE),
        (p1_telegram("XYZ5X", [*DSMR5, "999-0:1.8.9(1.0*kWh)"]), Reason.STRUCTURE),
        (p1_telegram("XYZ5X", [*DSMR5, "1-0:1.8.1(1.0*kWh)"]), Reason.CONTRADICTION),
        (p1_telegram("XYZ5X", [*DSMR5, "0-0:96.14.0(0002)"]), Reason.CONTRADICTION),
        (b"/XYZ5!ABCD\r\n", Reason.CHECKSUM),
        (p1_telegram("X" * 65, DSMR5), Reason.STRUCTURE),
        (WHOLE[:-7], Reason.INCOMPLETE),
    ],
    ids=str,
)
def test_what_is_refused(data: bytes, reason: Reason) -> None:
    assert refused(at_once(P1Parser(), data))[0].reason is reason
    assert accepted(at_once(P1Parser(), data)) == []


def test_a_capture_with_changed_line_ends_says_so() -> None:
    (event,) = refused(at_once(P1Parser(), WHOLE.replace(b"\r\n", b"\n")))
    assert "the capture was changed" in event.sentence


def test_the_same_value_twice_is_no_contradiction() -> None:
    assert one(p1_telegram("XYZ5X", [*DSMR5, DSMR5[3]])).values == one(WHOLE).values


def test_a_telegram_that_breaks_off_costs_no_other() -> None:
    events = at_once(P1Parser(), WHOLE[:100] + WHOLE + b"noise" + WHOLE)
    assert [event.reason for event in refused(events)] == [Reason.INCOMPLETE, Reason.NOISE]
    assert len(accepted(events)) == 2


def test_a_missing_line_end_at_the_end_of_a_file_is_forgiven() -> None:
    assert one(WHOLE[:-2]).values == one(WHOLE).values
    assert one(WHOLE[:-1]).values == one(WHOLE).values


def test_an_endless_telegram_is_given_up() -> None:
    events = refused(at_once(P1Parser(), b"/XYZ5X\r\n" + b"1" * MAX_TELEGRAM_BYTES))
    assert [event.reason for event in events] == [Reason.TOO_LONG, Reason.NOISE]


@pytest.mark.parametrize("byte", [0x80, 0xFF])
def test_characters_beyond_ascii_are_refused(byte: int) -> None:
    assert one_reason(WHOLE.replace(b"4530", bytes([byte]) * 4)) is Reason.STRUCTURE


def test_both_sides_of_the_hour_that_comes_twice() -> None:
    summer, winter = utc_ms("261025023000S", 3600), utc_ms("261025023000W", 3600)
    assert summer is not None
    assert winter == summer + 3_600_000


@pytest.mark.parametrize("text", ["", "261322023000W", "632525252525W", "261122023000", "261122023000X", "x"])
def test_what_is_no_time_has_none(text: str) -> None:
    assert utc_ms(text, 3600) is None


def test_an_unknown_unit_is_a_text_and_no_number() -> None:
    telegram = one(p1_telegram("XYZ5X", [*DSMR5, "1-0:96.1.9(5*furlong)"]))
    assert telegram.texts[Obis(1, 0, 96, 1, 9)] == "5*furlong"


def test_codes_are_kept_for_reuse_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up codes of a hostile stream cannot fill the memory."""
    monkeypatch.setattr("meter_io.datasets._MAX_CODES", 0)
    kept = dict(datasets._codes)
    assert len(one(p1_telegram("XYZ5X", [*DSMR5, "7-9:91.8.77(1*kWh)"])).values) == len(one(WHOLE).values) + 1
    assert datasets._codes == kept


@pytest.mark.parametrize("letter", ["\x1b", "\x07", "\x7f", "\x00"])
def test_what_a_terminal_would_obey_is_shown_harmless_or_refused(letter: str) -> None:
    """An identification is shown with a question mark: public examples have one with a control character."""
    assert one(p1_telegram(f"KFM5{letter}[2J", DSMR5)).model == "KFM5?[2J"
    assert one_reason(p1_telegram("KFM5X", [*DSMR5, f"0-0:96.13.0({letter}[2J)"])) is Reason.STRUCTURE
