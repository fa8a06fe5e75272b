"""Checksums of meter protocols, each as its standard gives it."""

import binascii
from functools import reduce
from operator import xor
from typing import Final


def _reversed_bits(value: int, width: int) -> int:
    return int(format(value, f"0{width}b")[::-1], 2)


_REVERSED: Final = bytes(_reversed_bits(byte, 8) for byte in range(256))


def _crc_ccitt_reflected(data: bytes, initial: int) -> int:
    """CRC with x^16 + x^12 + x^5 + 1, least significant bit first.

    `binascii` has the same polynomial with the most significant bit first, in C: reversing the bits of every byte
    before and of the result after turns one into the other.
    """
    return _reversed_bits(binascii.crc_hqx(data.translate(_REVERSED), initial), 16)


def crc_x25(data: bytes) -> int:
    """CRC-16/X.25, as SML prescribes: all ones at the beginning, inverted at the end. Source: IEC 62056-46."""
    return _crc_ccitt_reflected(data, 0xFFFF) ^ 0xFFFF


def crc_kermit(data: bytes) -> int:
    """CRC-16/Kermit: the same polynomial from zero, not inverted. Some SML meters send it by mistake."""
    return _crc_ccitt_reflected(data, 0)


def _arc_entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)
    return byte


_ARC: Final = tuple(_arc_entry(byte) for byte in range(256))


def crc_arc(data: bytes) -> int:
    """CRC-16/ARC, x^16 + x^15 + x^2 + 1, from zero. Source: DSMR P1 companion standard 5.0.2, section 6."""
    crc = 0
    for byte in data:
        crc = crc >> 8 ^ _ARC[(crc ^ byte) & 0xFF]
    return crc


def block_check(data: bytes) -> int:
    """Exclusive or of all 7-bit characters. Source: IEC 62056-21, clause 6 (block check character)."""
    return reduce(xor, data, 0) & 0x7F


_EVEN_OR_BAD: Final = bytes(byte & 0x7F if byte.bit_count() % 2 == 0 else 0xFF for byte in range(256))
BAD_PARITY: Final = 0xFF
"""What `without_parity` makes of a character whose parity is odd; no 7-bit character has this value."""


_EVEN: Final = bytes(byte ^ (byte.bit_count() & 1) << 7 for byte in range(256))


def with_even_parity(data: bytes) -> bytes:
    """Return 7-bit characters with the eighth bit that a 7E1 port would add."""
    return data.translate(_EVEN)


def without_parity(data: bytes) -> bytes:
    """Return the characters of a 7E1 line that was read as 8N1, `BAD_PARITY` for each that is damaged."""
    return data.translate(_EVEN_OR_BAD)
