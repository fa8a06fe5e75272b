"""What is fuzzed: every parser that bytes from outside reach, each with what must hold for any bytes at all.

A target takes bytes and returns nothing; it fails by raising. Checksums hide most of a parser from random bytes, so
the parts behind one have targets of their own, in which the fuzzer's bytes are wrapped into a valid frame.
"""

from collections.abc import Callable, Mapping
from typing import Final

from firmware_app.decode import from_hex
from meter_io.errors import GarbledReply
from meter_io.framing import MAX_HELD_BYTES, Framer
from meter_io.iec62056 import Handshake, Iec62056Parser
from meter_io.iec62056.handshake import End, Wake
from meter_io.p1 import Decryptor, KeyMaterial, P1Parser
from meter_io.pulse import Edge, PulseCounter, PulseInput
from meter_io.pulse.edges import EdgeLines
from meter_io.sml import SmlParser
from meter_io.telegram import Event, Rejected, Telegram
from tests.fuzz import modbus_targets
from tests.meter_io import encoders
from tests.meter_io.streams import told

KEY: Final = bytes(16)
SERVER: Final = b"\x0a\x01DZG\x00" + (42_082_910).to_bytes(4, "big")
_MAX_REASON: Final = 400


def check_events(events: list[Event], data_bytes: int) -> None:
    """Whatever came, every event is sound and no more bytes are reported than were fed."""
    assert sum(len(event.raw) for event in events) == data_bytes
    for event in events:
        if isinstance(event, Rejected):
            assert 0 < len(event.sentence) < _MAX_REASON
        else:
            assert isinstance(event, Telegram)
            assert all(value.number.is_finite() for value in event.values.values())


def check_framer(make: Callable[[], Framer], data: bytes) -> None:
    """Feed a stream at once and in two parts: same events, bounded memory, every byte in one event."""
    whole = make()
    events = [*whole.feed(data), *whole.end()]
    check_events(events, len(data))
    cut = (data[0] * len(data)) >> 8 if data else 0
    parts = make()
    again = parts.feed(data[:cut])
    assert parts.held_bytes <= MAX_HELD_BYTES
    again += parts.feed(data[cut:])
    assert parts.held_bytes <= MAX_HELD_BYTES
    assert told([*again, *parts.end()]) == told(events)


def sml(data: bytes) -> None:
    """The transport layer and all behind it."""
    check_framer(SmlParser, data)


def sml_messages(data: bytes) -> None:
    """A list response with any contents, behind valid checksums."""
    check_framer(SmlParser, encoders.sml_frame(encoders.message(0x0701, data[:4_000])))


def sml_entry(data: bytes) -> None:
    """One value of a list response of the model with quirks: the grammar around it is sound."""
    time = encoders.listed(b"\x62\x01", encoders.whole(1, 4, signed=False))
    rows = encoders.listed(b"\x77\x07\x01\x00\x10\x07\x00\xff" + data[:2_000])
    body = encoders.listed(b"\x01", encoders.octets(SERVER), b"\x01", time, rows, b"\x01", b"\x01")
    check_framer(SmlParser, encoders.sml_frame(encoders.message(0x0701, body)))


def p1(data: bytes) -> None:
    """Framing of plain and encrypted telegrams, without a key."""
    check_framer(P1Parser, data)


def p1_block(data: bytes) -> None:
    """Any text behind a valid checksum."""
    covered = b"/" + data[:4_000].translate(None, b"/!") + b"!"
    check_framer(P1Parser, covered + f"{encoders.arc(covered):04X}\r\n".encode())


def p1_encrypted(data: bytes) -> None:
    """Framing of encrypted telegrams, then any plain text that was really encrypted."""
    keys = KeyMaterial(KEY, KEY)
    check_framer(lambda: P1Parser(Decryptor(keys)), data)
    sent = encoders.encrypted(data[:4_000], key=KEY, authentication=KEY)
    check_framer(lambda: P1Parser(Decryptor(keys)), sent)


def iec62056(data: bytes) -> None:
    """Framing, with and without parity bits."""
    parser = Iec62056Parser()
    check_framer(Iec62056Parser, data)
    check_framer(lambda: Iec62056Parser(even_parity=True), data)
    assert parser.end() == []


def iec62056_block(data: bytes) -> None:
    """Any data block behind a valid check character, then pushed without one."""
    block = data[:4_000].translate(None, b"\x02\x03/!") + b"!\r\n"
    check = 0
    for byte in block + b"\x03":
        check ^= byte
    check_framer(Iec62056Parser, b"\x02" + block + b"\x03" + bytes([check & 0x7F]))
    check_framer(Iec62056Parser, b"/ABC5X\r\n\r\n" + block)


def handshake(data: bytes) -> None:
    """A reading in which anything arrives at any time: it ends, and says why."""
    reading = Handshake(even_parity=bool(data[:1] > b"\x7f"))
    now_ms = wake_ms = 0
    ended = False
    effects = reading.start(0)
    position = 1
    for _ in range(2 * len(data) + 40):
        wake_ms = max([effect.at_ms for effect in effects if isinstance(effect, Wake)], default=wake_ms)
        ended = ended or any(isinstance(effect, End) for effect in effects)
        if position < len(data) and data[position] & 1:
            size = data[position] >> 1
            now_ms = min(now_ms + size, max(now_ms, wake_ms))
            effects = reading.receive(data[position + 1 : position + 1 + size], now_ms)
            position += 1 + size
        else:
            now_ms = max(now_ms, wake_ms)
            effects = reading.elapse(now_ms)
            position += 1
        assert not (ended and effects)
    assert ended


def pulses(data: bytes) -> None:
    """Edges at any times; text that should hold edges."""
    counter = PulseCounter(PulseInput(pulses_per_kwh=1_000, max_power_w=18_000))
    for first in range(0, len(data) - 3, 4):
        at_ns = int.from_bytes(data[first : first + 4], "big") << 6
        counter.edge(Edge(at_ns, bool(data[first] & 1)))
    assert 0 <= counter.pulses <= len(data) // 8 + 1
    try:
        edges = list(EdgeLines(data.decode("latin-1").splitlines()).edges())
    except GarbledReply:
        return
    assert all(edge.at_ns >= 0 for edge in edges)


def hex_text(data: bytes) -> None:
    """Captures that may be hex text."""
    taken = from_hex(data)
    assert taken == data or len(taken) <= len(data) // 2
    assert from_hex(data.hex().encode()) == (data if len(data) >= 16 else data.hex().encode())


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "sml": sml,
    "sml-messages": sml_messages,
    "sml-entry": sml_entry,
    "p1": p1,
    "p1-block": p1_block,
    "p1-encrypted": p1_encrypted,
    "iec62056": iec62056,
    "iec62056-block": iec62056_block,
    "handshake": handshake,
    "pulses": pulses,
    "hex-text": hex_text,
    **modbus_targets.TARGETS,
}

_READOUT: Final = b"/ABC5TEST\r\n" + encoders.iec_data(
    ["1.8.0(000123.456*kWh)", "C.1.0(77)", "1.6.1(03.4*kW)(16)"]
)
_P1: Final = encoders.p1_telegram("XYZ5\\2TEST", encoders.DSMR5)
_TIME: Final = encoders.listed(b"\x62\x01", encoders.whole(1, 4, signed=False))
_ENTRY: Final = encoders.Entry(
    code=b"\x01\x00\x10\x07\x00\xff", value=encoders.whole(-29_912, 2, signed=True), unit=27, scaler=-2
)
SEEDS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "sml": (
        encoders.sml_telegram(SERVER, [_ENTRY]),
        encoders.sml_telegram(b"\x0a\x01HLY\x02" + bytes(4), [], old=True),
    ),
    "sml-messages": (
        encoders.listed(
            b"\x01", encoders.octets(SERVER), b"\x01", _TIME, encoders.listed(), b"\x01", b"\x01"
        ),
    ),
    "sml-entry": (b"\x01\x01\x62\x1b\x52\xfe\x53\x8b\x28\x01",),
    "p1": (_P1, b"\xdb\x08SYSTEMID\x82\x00\x30\x30\x00\x00\x00\x01" + bytes(43)),
    "p1-block": (
        _P1[1:-7],
        b"ISk5X\r\n\r\n0-0:96.1.1(4B)\r\n0-1:24.3.0(090212160000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n(1.0)\r\n",
    ),
    "p1-encrypted": (encoders.encrypted(_P1, key=KEY, authentication=KEY), _P1),
    "iec62056": (_READOUT, encoders.with_even_parity(_READOUT), b"/ABC5X\r\n\r\n1.8.0(1*kWh)\r\n!\r\n"),
    "iec62056-block": (_READOUT[12:-4],),
    "handshake": (b"\x00\x17/ABC5TEST\r\n\x00\x00\xff" + _READOUT[11:],),
    "pulses": (bytes(range(64)), b"1000000 0\n41000000 1\n"),
    "hex-text": (b"1b1b1b1b01010101" * 4, b"0x1b, 0x1b " * 20),
    **modbus_targets.SEEDS,
}
"""Valid beginnings for each target."""
