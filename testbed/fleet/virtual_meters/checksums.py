"""The checksums that meters send, from their definitions; written without a look at those that check them.

Sources: MODBUS over Serial Line V1.02 section 6.2.2; IEC 62056-46 (X.25 frame check); DSMR P1 5.0.2 section 6;
IEC 62056-21 clause 6 (block check character).
"""


def crc16(data: bytes, *, polynomial: int, register: int, final: int) -> int:
    """A reflected 16-bit cyclic redundancy check, bit by bit through a table of one byte."""
    table = _table(polynomial)
    for byte in data:
        register = (register >> 8) ^ table[(register & 0xFF) ^ byte]
    return register ^ final


def modbus(data: bytes) -> int:
    """The check of a Modbus RTU frame; low byte first on the wire."""
    return crc16(data, polynomial=0xA001, register=0xFFFF, final=0)


def x25(data: bytes) -> int:
    """The check of an SML frame; low byte first on the wire."""
    return crc16(data, polynomial=0x8408, register=0xFFFF, final=0xFFFF)


def p1(data: bytes) -> int:
    """The check of a P1 telegram, from its slash to its exclamation mark; four hexadecimal digits."""
    return crc16(data, polynomial=0xA001, register=0, final=0)


def block_check(data: bytes) -> int:
    """The check character of an IEC 62056-21 data message, over all after STX up to and including ETX."""
    check = 0
    for byte in data:
        check ^= byte
    return check


_TABLES: dict[int, tuple[int, ...]] = {}


def _table(polynomial: int) -> tuple[int, ...]:
    if polynomial not in _TABLES:
        rows = []
        for byte in range(256):
            for _ in range(8):
                byte = byte >> 1 ^ (polynomial if byte & 1 else 0)  # noqa: PLW2901 - shifted eight times
            rows.append(byte)
        _TABLES[polynomial] = tuple(rows)
    return _TABLES[polynomial]
