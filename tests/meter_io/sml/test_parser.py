"""SML telegrams of our own making: round trips, quirks by model, and everything that must be refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter_io.framing import MAX_NOISE_BYTES, MAX_TELEGRAM_BYTES
from meter_io.obis import IMPORT_TOTAL, POWER_NET, Obis
from meter_io.reading import Unit, Value
from meter_io.sml import SmlParser
from meter_io.sml.quirks import KNOWN_MODELS, known_model, spelled
from meter_io.telegram import Reason
from tests.meter_io.encoders import (
    ESCAPE,
    Entry,
    head,
    list_response,
    listed,
    message,
    octets,
    sml_frame,
    sml_telegram,
    whole,
)
from tests.meter_io.streams import (
    accepted,
    assert_cutting_changes_nothing,
    assert_every_byte_is_accounted_for,
    at_once,
    refused,
    streams,
)

POWER = bytes([1, 0, 16, 7, 0, 255])
ENERGY = bytes([1, 0, 1, 8, 0, 255])


def server(manufacturer: bytes, number: int, block: int = 0) -> bytes:
    return b"\x0a\x01" + manufacturer + bytes([block]) + number.to_bytes(4, "big")


SOMEBODY = server(b"XYZ", 7)


def power(number: int, size: int) -> Entry:
    return Entry(code=POWER, value=whole(number, size, signed=True), unit=27, scaler=-2)


def one_reason(data: bytes) -> Reason:
    (event,) = refused(at_once(SmlParser(), data))
    return event.reason


@st.composite
def entries(draw: st.DrawFn) -> tuple[Entry, Decimal]:
    signed = draw(st.booleans())
    size = draw(st.integers(1, 8))
    low, high = (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1) if signed else (0, (1 << 8 * size) - 1)
    number = draw(st.integers(low, high))
    scaler = draw(st.none() | st.integers(-9, 9))
    code = bytes(draw(st.lists(st.integers(0, 255), min_size=6, max_size=6)))
    value = Decimal(number) * Decimal(10) ** (scaler or 0)
    return Entry(code=code, value=whole(number, size, signed=signed), unit=30, scaler=scaler), value


LISTS = st.lists(entries(), max_size=20, unique_by=lambda pair: pair[0].code)
TELEGRAMS = LISTS.map(lambda pairs: sml_telegram(SOMEBODY, [entry for entry, _ in pairs]))


@given(LISTS)
def test_what_a_meter_sends_is_what_is_read(pairs: list[tuple[Entry, Decimal]]) -> None:
    (telegram,) = at_once(SmlParser(), sml_telegram(SOMEBODY, [entry for entry, _ in pairs]))
    assert accepted([telegram])[0].values == {
        Obis.from_bytes(entry.code): Value(value, Unit.WATT_HOUR) for entry, value in pairs
    }


@given(streams(TELEGRAMS, b"\x1b\x01\x1a\x00\x76"), st.lists(st.integers(0, 5_000), max_size=8))
def test_cutting_the_stream_changes_nothing(data: bytes, cuts: list[int]) -> None:
    assert_cutting_changes_nothing(SmlParser, data, cuts)
    assert_every_byte_is_accounted_for(at_once(SmlParser(), data), data)


@given(st.binary(max_size=60).filter(lambda data: ESCAPE not in data))
def test_a_telegram_after_garbage_is_found(garbage: bytes) -> None:
    telegram = sml_telegram(SOMEBODY, [power(1, 4)])
    assert len(accepted(at_once(SmlParser(), garbage.rstrip(b"\x1b") + telegram))) == 1


def test_escapes_within_a_value_are_undone() -> None:
    text = Entry(code=bytes([1, 0, 96, 1, 0, 255]), value=octets(ESCAPE * 3 + b"\x1bx"))
    (telegram,) = accepted(at_once(SmlParser(), sml_telegram(SOMEBODY, [text])))
    assert list(telegram.texts.values()) == [(ESCAPE * 3 + b"\x1bx").hex()]


def test_a_telegram_that_breaks_off_costs_no_other() -> None:
    telegram = sml_telegram(SOMEBODY, [power(1, 4)])
    events = at_once(SmlParser(), telegram[:40] + telegram)
    assert [event.reason for event in refused(events)] == [Reason.INCOMPLETE]
    assert len(accepted(events)) == 1


@pytest.mark.parametrize("position", range(8, 60, 5))
def test_a_damaged_byte_is_noticed(position: int) -> None:
    telegram = bytearray(sml_telegram(SOMEBODY, [power(1, 4)]))
    telegram[position] ^= 0x40
    assert accepted(at_once(SmlParser(), bytes(telegram))) == []


# --- quirks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("meter", "read"),
    [
        (server(b"DZG", 42_082_910), "356.24"),
        (server(b"DZG", 48_999_999), "356.24"),
        (server(b"DZG", 55_000_000), "356.24"),
        (server(b"DZG", 49_000_000), "-299.12"),
        (server(b"DZG", 41_999_999), "-299.12"),
        (server(b"DZG", 60_694_611), "-299.12"),
        (server(b"DZG", 42_082_910, block=1), "-299.12"),
        (server(b"EMH", 42_082_910), "-299.12"),
    ],
    ids=lambda value: spelled(value) if isinstance(value, bytes) else value,
)
def test_the_wrong_sign_goes_by_model_and_firmware_never_by_vendor(meter: bytes, read: str) -> None:
    (telegram,) = accepted(at_once(SmlParser(), sml_telegram(meter, [power(-29_912, 2)])))
    assert telegram.values[POWER_NET] == Value(Decimal(read), Unit.WATT)


@pytest.mark.parametrize(
    ("number", "size", "read"), [(-1, 1, "2.55"), (-29_912, 4, "-299.12"), (5, 2, "0.05")]
)
def test_only_short_numbers_are_wrong_there(number: int, size: int, read: str) -> None:
    meter = server(b"DZG", 42_082_910)
    energy = Entry(code=ENERGY, value=whole(-5, 1, signed=True), unit=30)
    (telegram,) = accepted(at_once(SmlParser(), sml_telegram(meter, [power(number, size), energy])))
    assert telegram.values[POWER_NET].number == Decimal(read)
    assert telegram.values[IMPORT_TOTAL].number == -5


def test_old_checksums_and_times_are_taken_from_the_model_that_sends_them_alone() -> None:
    holley = server(b"HLY", 1, block=2)
    (telegram,) = at_once(SmlParser(), sml_telegram(holley, [power(1, 4)], old=True))
    assert accepted([telegram])[0].model == "Holley DTZ541"
    assert len(accepted(at_once(SmlParser(), sml_telegram(holley, [power(1, 4)])))) == 1
    assert one_reason(sml_telegram(SOMEBODY, [power(1, 4)], old=True)) in (Reason.CHECKSUM, Reason.STRUCTURE)
    other = sml_telegram(server(b"HLY", 1, block=3), [power(1, 4)], old=True)
    assert accepted(at_once(SmlParser(), other)) == []


def test_a_kermit_frame_of_another_model_is_a_wrong_checksum() -> None:
    payload = list_response(SOMEBODY, [power(1, 4)])
    assert one_reason(sml_frame(payload, old=True)) is Reason.CHECKSUM


def test_the_models_table_is_consistent() -> None:
    for model in KNOWN_MODELS:
        assert all(first <= last for first, last in model.numbers)
        first = (
            b"\x0a\x01" + model.manufacturer + bytes([model.block]) + model.numbers[0][0].to_bytes(4, "big")
        )
        assert known_model(first) is model
        assert model.source
    assert known_model(b"") is None


def test_server_ids_are_spelled_as_printed() -> None:
    assert spelled(server(b"DZG", 42_082_910)) == "1 DZG 00 42082910"
    assert spelled(b"02280816") == "3032323830383136"


# --- what is refused -----------------------------------------------------------------------------------------------


def framed(body: bytes) -> bytes:
    return sml_frame(message(0x0701, body))


GOOD_TIME = listed(b"\x62\x01", whole(1, 4, signed=False))


def response(rows: bytes, *, server_id: bytes = octets(SOMEBODY), time: bytes = GOOD_TIME) -> bytes:
    return listed(b"\x01", server_id, b"\x01", time, rows, b"\x01", b"\x01")


def row(
    value: bytes, *, name: bytes = octets(POWER), unit: bytes = b"\x62\x1b", scaler: bytes = b"\x52\xff"
) -> bytes:
    return listed(listed(name, b"\x01", b"\x01", unit, scaler, value, b"\x01"))


ONE = whole(1, 1, signed=True)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (response(listed(), server_id=b"\x01"), Reason.STRUCTURE),
        (response(listed(), server_id=b"\x62\x01"), Reason.STRUCTURE),
        (response(listed(), time=b"\x62\x01"), Reason.STRUCTURE),
        (response(listed(), time=listed(b"\x62\x01")), Reason.STRUCTURE),
        (response(octets(b"x")), Reason.STRUCTURE),
        (response(row(b"\x01")), Reason.STRUCTURE),
        (response(row(listed(ONE))), Reason.STRUCTURE),
        (response(row(ONE, name=octets(b"short"))), Reason.STRUCTURE),
        (response(row(ONE, name=ONE)), Reason.STRUCTURE),
        (response(row(ONE, unit=octets(b"W"))), Reason.STRUCTURE),
        (response(row(ONE, scaler=octets(b"x"))), Reason.STRUCTURE),
        (response(row(ONE, scaler=whole(300, 2, signed=True))), Reason.STRUCTURE),
        (response(row(b"\x5a" + bytes(9))), Reason.STRUCTURE),
        (response(row(b"\x43\x00\x00")), Reason.STRUCTURE),
        (response(row(b"\x21")), Reason.STRUCTURE),
        (response(row(b"\x00")), Reason.STRUCTURE),
        (response(row(b"\x8f\xff")), Reason.STRUCTURE),
        (response(row(b"\x80\x80\x80\x80\x05xxxxx")), Reason.STRUCTURE),
        (response(head(0x70, 4095)), Reason.STRUCTURE),
        (listed(b"\x01"), Reason.STRUCTURE),
        (octets(b"x"), Reason.STRUCTURE),
    ],
    ids=lambda value: value.hex()[-40:] if isinstance(value, bytes) else value.value,
)
def test_malformed_lists_are_refused(body: bytes, reason: Reason) -> None:
    assert one_reason(framed(body)) is reason


def test_other_messages_may_say_what_they_like_but_not_without_end() -> None:
    good = list_response(SOMEBODY, [power(1, 4)])
    assert (
        len(accepted(at_once(SmlParser(), sml_frame(message(0xFF01, listed(b"\x42\x01", ONE)) + good)))) == 1
    )
    deep = b"\x71" * 30 + b"\x01"
    assert one_reason(sml_frame(message(0xFF01, deep) + good)) is Reason.STRUCTURE
    assert one_reason(sml_frame(message(0xFF01, b"\x01"))) is Reason.UNSUPPORTED


@pytest.mark.parametrize(
    "payload",
    [
        message(0x0701, response(row(ONE)))[:-1],
        message(0x0701, response(row(ONE)))[:-1] + b"\x01",
        message(0x0701, response(row(ONE))) + b"\x00",
        message(0x0701, response(row(ONE))).replace(b"\x62\x00", b"\x01", 1),
        b"\x76" + ONE,
        message(0x0701, response(row(ONE)))[:-4] + b"\x01\x00",
    ],
    ids=["no end", "another end", "two ends", "no group", "no transaction", "no checksum"],
)
def test_a_message_has_its_parts(payload: bytes) -> None:
    assert one_reason(sml_frame(payload)) in (Reason.STRUCTURE, Reason.CHECKSUM)


def test_the_checksum_of_a_message_counts_too() -> None:
    body = response(row(ONE))
    assert one_reason(sml_frame(message(0x0701, body, crc=0))) is Reason.CHECKSUM


def test_two_values_for_one_quantity_are_a_contradiction() -> None:
    assert one_reason(sml_telegram(SOMEBODY, [power(1, 4), power(2, 4)])) is Reason.CONTRADICTION
    assert len(accepted(at_once(SmlParser(), sml_telegram(SOMEBODY, [power(1, 4), power(1, 2)])))) == 1
    texts = [Entry(code=POWER, value=octets(text)) for text in (b"a", b"b")]
    assert one_reason(sml_telegram(SOMEBODY, texts)) is Reason.CONTRADICTION


def test_lists_of_two_meters_in_one_telegram_are_refused() -> None:
    both = list_response(SOMEBODY, [power(1, 4)]) + list_response(server(b"XYZ", 8), [])
    assert one_reason(sml_frame(both)) is Reason.STRUCTURE


def test_an_unknown_unit_and_a_truth_value_are_texts() -> None:
    rows = [Entry(code=POWER, value=ONE, unit=62, scaler=1), Entry(code=ENERGY, value=b"\x42\x01")]
    (telegram,) = accepted(at_once(SmlParser(), sml_telegram(SOMEBODY, rows)))
    assert telegram.values == {}
    assert set(telegram.texts.values()) == {"1E+1 in unit 62", "yes"}


@pytest.mark.parametrize("tail", [ESCAPE + b"\x02\x00\x00\x00", ESCAPE + b"\x1b\x01\x01\x01"])
def test_unknown_escapes_are_refused(tail: bytes) -> None:
    reasons = [event.reason for event in refused(at_once(SmlParser(), ESCAPE + b"\x01" * 4 + b"abcd" + tail))]
    assert reasons[0] is Reason.STRUCTURE


@pytest.mark.parametrize("padding", [4, 200])
def test_too_much_padding_is_refused(padding: int) -> None:
    from tests.meter_io.encoders import x25

    covered = ESCAPE + b"\x01" * 4 + list_response(SOMEBODY, []) + ESCAPE + bytes([0x1A, padding])
    assert one_reason(covered + x25(covered).to_bytes(2, "little")) is Reason.STRUCTURE


def test_an_endless_telegram_and_endless_noise_come_in_bounded_pieces() -> None:
    endless = ESCAPE + b"\x01" * 4 + bytes(MAX_TELEGRAM_BYTES)
    events = refused(at_once(SmlParser(), endless + b"\xff" * 10_000))
    assert events[0].reason is Reason.TOO_LONG
    assert len(events[0].raw) == MAX_TELEGRAM_BYTES
    assert {event.reason for event in events[1:]} == {Reason.NOISE}
    assert max(len(event.raw) for event in events[1:]) == MAX_NOISE_BYTES
