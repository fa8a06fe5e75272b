"""Meters' side of the wire, for tests: telegrams made from values, independently of the parsers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

ESCAPE = b"\x1b" * 4


def _shifted(byte: int, polynomial: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ polynomial if byte & 1 else byte >> 1
    return byte


_TABLES = {polynomial: [_shifted(byte, polynomial) for byte in range(256)] for polynomial in (0x8408, 0xA001)}


def crc16(data: bytes, *, polynomial: int, initial: int, final: int) -> int:
    """CRC-16, least significant bit first."""
    table, crc = _TABLES[polynomial], initial
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ final


def x25(data: bytes) -> int:
    return crc16(data, polynomial=0x8408, initial=0xFFFF, final=0xFFFF)


def kermit(data: bytes) -> int:
    return crc16(data, polynomial=0x8408, initial=0, final=0)


def arc(data: bytes) -> int:
    return crc16(data, polynomial=0xA001, initial=0, final=0)


# --- SML -----------------------------------------------------------------------------------------------------------


def head(kind: int, length: int) -> bytes:
    """A type-length field; `length` as it is to be read there."""
    nibbles = [length & 15]
    while length := length >> 4:
        nibbles.insert(0, length & 15)
    fields = [kind | nibbles[0], *nibbles[1:]]
    return bytes([*(field | 0x80 for field in fields[:-1]), fields[-1]])


def octets(data: bytes | None) -> bytes:
    if data is None:
        return b"\x01"
    size = 1
    while len(head(0, len(data) + size)) != size:
        size += 1
    return head(0, len(data) + size) + data


def whole(number: int, size: int, *, signed: bool) -> bytes:
    return bytes([(0x50 if signed else 0x60) | size + 1]) + number.to_bytes(size, "big", signed=signed)


def listed(*items: bytes) -> bytes:
    return head(0x70, len(items)) + b"".join(items)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One value of a list response; `value` is encoded already."""

    code: bytes
    value: bytes
    unit: int | None = None
    scaler: int | None = None

    def encode(self, time: bytes) -> bytes:
        unit = b"\x01" if self.unit is None else whole(self.unit, 1, signed=False)
        scaler = b"\x01" if self.scaler is None else whole(self.scaler, 1, signed=True)
        return listed(octets(self.code), b"\x01", time, unit, scaler, self.value, b"\x01")


def message(tag: int, body: bytes, *, crc: int | None = None, old: bool = False) -> bytes:
    head_ = octets(b"\x07\x01") + b"\x62\x00\x62\x00"
    covered = b"\x76" + head_ + listed(whole(tag, 2, signed=False), body)
    checksum = (kermit if old else x25)(covered) if crc is None else crc
    return covered + b"\x63" + checksum.to_bytes(2, "little") + b"\x00"


def list_response(server_id: bytes, entries: Sequence[Entry], *, old: bool = False) -> bytes:
    """A list response; `old` as a Holley of the first firmware sends it."""
    time = whole(1234, 4, signed=False) if old else listed(b"\x62\x01", whole(1234, 4, signed=False))
    rows = listed(*(entry.encode(b"\x01") for entry in entries))
    body = listed(b"\x01", octets(server_id), b"\x01", time, rows, b"\x01", b"\x01")
    return message(0x0701, body, old=old)


def sml_frame(payload: bytes, *, old: bool = False) -> bytes:
    """The transport frame around messages."""
    padding = -len(payload) % 4
    escaped = (payload + bytes(padding)).replace(ESCAPE, ESCAPE * 2)
    covered = ESCAPE + b"\x01" * 4 + escaped + ESCAPE + bytes([0x1A, padding])
    return covered + (kermit if old else x25)(covered).to_bytes(2, "little")


def sml_telegram(server_id: bytes, entries: Sequence[Entry], *, old: bool = False) -> bytes:
    opened = message(
        0x0101, listed(b"\x01", b"\x01", octets(b"\x01"), octets(server_id), b"\x01", b"\x01"), old=old
    )
    closed = message(0x0201, listed(b"\x01"), old=old)
    return sml_frame(opened + list_response(server_id, entries, old=old) + closed, old=old)


# --- P1 and IEC 62056-21 -------------------------------------------------------------------------------------------


def p1_telegram(identification: str, lines: Iterable[str], *, checksum: bool = True) -> bytes:
    covered = "\r\n".join([f"/{identification}", "", *lines, "!"]).encode("ascii")
    return covered + (f"{arc(covered):04X}".encode() if checksum else b"") + b"\r\n"


DSMR5 = (
    "1-3:0.2.8(50)",
    "0-0:1.0.0(261122013000W)",
    "0-0:96.1.1(4530303434303037)",
    "1-0:1.8.1(002130.115*kWh)",
    "1-0:1.8.2(000245.467*kWh)",
    "1-0:2.8.1(000001.000*kWh)",
    "1-0:2.8.2(000000.500*kWh)",
    "0-0:96.14.0(0001)",
    "1-0:1.7.0(00.111*kW)",
    "1-0:2.7.0(00.200*kW)",
    "0-0:96.7.21(00005)",
    "1-0:99.97.0(1)(0-0:96.7.19)(190326095015W)(0000002014*s)",
    "0-0:96.13.0()",
    "1-0:32.7.0(229.9*V)",
    "0-1:24.1.0(003)",
    "0-1:96.1.0(4730303339303031)",
    "0-1:24.2.1(260722013000S)(00246.138*m3)",
    "0-2:24.1.0(007)",
    "0-2:24.2.1(261122010000W)(00012.500*m3)",
)
"""Lines of a DSMR 5 telegram with gas and water."""


def encrypted(
    plain: bytes,
    *,
    key: bytes,
    authentication: bytes,
    title: bytes = b"SYSTEMID",
    counter: int = 1,
    control: int = 0x30,
) -> bytes:
    """A general-global-cipher frame."""
    nonce = title + counter.to_bytes(4, "big")
    cipher = Cipher(algorithms.AES(key), modes.GCM(nonce)).encryptor()
    cipher.authenticate_additional_data(bytes([control]) + authentication)
    text = cipher.update(plain) + cipher.finalize() + cipher.tag[:12]
    counted = bytes([control]) + counter.to_bytes(4, "big") + text
    return b"\xdb\x08" + title + b"\x82" + len(counted).to_bytes(2, "big") + counted


def iec_data(lines: Iterable[str]) -> bytes:
    """A data message of modes A to C."""
    block = "".join(f"{line}\r\n" for line in lines).encode("ascii") + b"!\r\n\x03"
    check = 0
    for byte in block:
        check ^= byte
    return b"\x02" + block + bytes([check])


def with_even_parity(data: bytes) -> bytes:
    """7E1 characters as an 8N1 port reads them."""
    return bytes(byte | 0x80 if byte.bit_count() % 2 else byte for byte in data)
