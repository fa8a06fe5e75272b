"""The checksum of Modbus RTU frames.

Source: MODBUS over Serial Line V1.02, section 6.2.2 (CRC generation).
"""

from typing import Final


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_TABLE: Final = tuple(_entry(byte) for byte in range(256))


def crc16(data: bytes | bytearray | memoryview) -> int:
    """CRC-16/MODBUS: reflected 0xA001, initial 0xFFFF; its low byte goes on the wire first."""
    crc = 0xFFFF
    table = _TABLE
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc


def closes(frame: bytes | bytearray | memoryview) -> bool:
    """Whether the last two bytes of a frame are the checksum of the rest."""
    return len(frame) > 2 and crc16(frame) == 0  # a message followed by its own checksum leaves nothing
