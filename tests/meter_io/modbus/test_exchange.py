"""One request and what may come: answers in pieces, echo, noise, other slaves, late answers, refusals, lies."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter_io.errors import GarbledReply, MeterError, NoReply, Refused
from meter_io.modbus.crc import crc16
from meter_io.modbus.exchange import MAX_HELD, RtuExchange, TcpExchange, speaker
from meter_io.modbus.pdu import Function, ReadRequest

REQUEST = ReadRequest(unit=3, function=Function.INPUT, address=0x34, count=2)
DATA = b"\x43\x66\x80\x00"
requests = st.builds(
    ReadRequest,
    unit=st.integers(1, 247),
    function=st.sampled_from(Function),
    address=st.integers(0, 60_000),
    count=st.integers(1, 125),
)


def rtu(unit: int, pdu: bytes) -> bytes:
    """A frame as a slave sends it."""
    body = bytes((unit,)) + pdu
    return body + crc16(body).to_bytes(2, "little")


def tcp(transaction: int, unit: int, pdu: bytes) -> bytes:
    """A frame as a device behind TCP sends it."""
    return struct.pack(">HHHB", transaction, 0, 1 + len(pdu), unit) + pdu


ANSWER = rtu(3, b"\x04\x04" + DATA)


def fed(exchange: RtuExchange | TcpExchange, data: bytes) -> bytes | None:
    """Feed byte by byte; the first result counts."""
    for byte in data:
        answer = exchange.feed(bytes((byte,)))
        if answer is not None:
            return answer
    return None


def test_the_request_is_the_one_of_the_manual() -> None:
    """Source: Eastron SDM630 protocol V2.0, section 1.3: 01 04 00 34 00 02 30 05 asks for the total power."""
    request = ReadRequest(unit=1, function=Function.INPUT, address=0x34, count=2)
    assert RtuExchange(request).data == bytes.fromhex("01 04 00 34 00 02 30 05")


@given(requests, st.data())
def test_an_answer_is_found_in_whatever_pieces_it_comes(request: ReadRequest, draw: st.DataObject) -> None:
    registers = draw.draw(st.binary(min_size=2 * request.count, max_size=2 * request.count))
    pdu = bytes((request.function, 2 * request.count)) + registers
    for exchange, frame in (
        (RtuExchange(request), rtu(request.unit, pdu)),
        (TcpExchange(request, 0x12345), tcp(0x2345, request.unit, pdu)),
    ):
        assert len(frame) == exchange.reply_size
        cut = draw.draw(st.integers(0, len(frame) - 1))
        assert exchange.feed(frame[:cut]) is None
        assert exchange.feed(frame[cut:]) == registers


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"\0",
        b"\xff\xff",
        RtuExchange(REQUEST).data,
        rtu(9, b"\x04\x04abcd"),
        ANSWER[:6],
        b"\x03\x04\x04",
    ],
    ids=["nothing", "zero", "glitch", "echo", "another slave", "its own answer broken off", "a false start"],
)
def test_what_precedes_an_answer_does_not_hide_it(before: bytes) -> None:
    assert RtuExchange(REQUEST).feed(before + ANSWER) == DATA


def test_an_echo_that_looks_like_the_head_of_an_answer_is_not_taken_for_one() -> None:
    request = ReadRequest(unit=3, function=Function.INPUT, address=0x0400, count=2)  # echo 03 04 04 00 ...
    exchange = RtuExchange(request)
    assert fed(exchange, exchange.data + ANSWER) == DATA


@given(st.data())
def test_no_damaged_answer_is_believed(draw: st.DataObject) -> None:
    damaged = bytearray(ANSWER)
    place = draw.draw(st.integers(0, len(damaged) - 1))
    damaged[place] ^= draw.draw(st.integers(1, 255))
    exchange = RtuExchange(REQUEST)
    try:
        assert exchange.feed(bytes(damaged)) is None
    except GarbledReply:
        return
    assert isinstance(exchange.expired(), GarbledReply)


def test_a_refusal_names_its_reason() -> None:
    with pytest.raises(Refused, match="no register there"):
        RtuExchange(REQUEST).feed(rtu(3, b"\x84\x02"))
    with pytest.raises(Refused, match="busy"):
        TcpExchange(REQUEST, 1).feed(tcp(1, 3, b"\x84\x06"))


def test_silence_and_noise_are_told_apart() -> None:
    exchange = RtuExchange(REQUEST)
    assert isinstance(exchange.expired(), NoReply)
    exchange.feed(b"\x80\x00\xff")
    assert isinstance(exchange.expired(), GarbledReply)


def test_another_slave_s_answer_is_named() -> None:
    exchange = RtuExchange(REQUEST)
    assert exchange.feed(rtu(7, b"\x04\x04" + DATA)) is None
    assert "slave 7 answered where slave 3 was asked" in exchange.expired().sentence


def test_an_answer_of_another_length_is_not_taken() -> None:
    exchange = RtuExchange(REQUEST)
    assert exchange.feed(rtu(3, b"\x04\x06" + DATA + b"ab")) is None
    assert isinstance(exchange.expired(), GarbledReply)
    with pytest.raises(GarbledReply, match="did not answer what was asked"):
        TcpExchange(REQUEST, 1).feed(tcp(1, 3, b"\x04\x06" + DATA + b"ab"))


def test_late_answers_over_tcp_are_passed_over() -> None:
    exchange = TcpExchange(REQUEST, 5)
    assert exchange.feed(tcp(4, 3, b"\x04\x04old!")) is None
    assert "1 late" in exchange.expired().sentence
    assert exchange.feed(tcp(5, 3, b"\x04\x04" + DATA)) == DATA


@pytest.mark.parametrize(
    "data",
    [
        tcp(5, 4, b"\x04\x04" + DATA),
        b"HTTP/1.1 400 Bad",
        struct.pack(">HHHB", 5, 0, 300, 3),
        rtu(3, b"\x04\x04" + DATA),
    ],
    ids=["another unit", "a web server", "too long", "RTU frames"],
)
def test_what_is_no_answer_over_tcp_is_refused(data: bytes) -> None:
    with pytest.raises(GarbledReply):
        TcpExchange(REQUEST, 5).feed(data)


def test_a_broken_twin_that_trusts_the_length_alone_would_believe_a_damaged_value() -> None:
    """What the checksum is for: the twin takes the same bytes for 230.51 V instead of refusing."""

    class Trusting(RtuExchange):
        def feed(self, data: bytes) -> bytes | None:
            return data[3:-2] if len(data) == self.reply_size else None

    damaged = ANSWER[:5] + b"\x81" + ANSWER[6:]
    assert Trusting(REQUEST).feed(damaged) != DATA
    with pytest.raises(GarbledReply):
        RtuExchange(REQUEST).feed(damaged)


@given(requests, st.lists(st.binary(max_size=300), max_size=8), st.booleans())
def test_any_bytes_end_in_an_answer_an_own_error_or_waiting_within_bounds(
    request: ReadRequest, pieces: list[bytes], over_tcp: bool
) -> None:
    exchange = TcpExchange(request, 1) if over_tcp else RtuExchange(request)
    for piece in pieces:
        try:
            answer = exchange.feed(piece)
        except MeterError as error:
            assert error.sentence
            return
        if answer is not None:
            assert len(answer) == 2 * request.count
            return
        assert len(exchange._held) <= MAX_HELD + 300
    assert exchange.expired().sentence


@given(st.binary(max_size=40), st.integers(1, 247), st.binary(min_size=2, max_size=20))
def test_the_speaker_of_noise_is_found(before: bytes, unit: int, registers: bytes) -> None:
    registers = registers[: len(registers) // 2 * 2]
    noise = before + rtu(unit, bytes((3, len(registers))) + registers)
    assert speaker(noise) is not None


@pytest.mark.parametrize(
    "wrong", [{"unit": 256}, {"count": 0}, {"count": 126}, {"address": -1}, {"address": 65_535, "count": 2}]
)
def test_impossible_requests_are_not_made(wrong: dict[str, int]) -> None:
    fields = {"unit": 1, "address": 0, "count": 1, **wrong}
    with pytest.raises(ValueError, match="got"):
        ReadRequest(function=Function.HOLDING, **fields)


def test_an_echo_that_looks_like_the_beginning_of_an_answer_is_no_damaged_answer() -> None:
    """Register 0x0234: the high byte of the address is the byte count of an answer with one register."""
    request = ReadRequest(unit=3, function=Function.INPUT, address=0x0234, count=1)
    answer = rtu(3, b"\x04\x02\x00\x2a")
    for noise in (b"", b"\x00"):
        exchange = RtuExchange(request)
        assert fed(exchange, noise + exchange.data + answer) == b"\x00\x2a"
