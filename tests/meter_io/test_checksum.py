"""Checksums: the published check values, and a bit-by-bit twin for everything else."""

from hypothesis import given
from hypothesis import strategies as st

from meter_io.checksum import BAD_PARITY, block_check, crc_arc, crc_kermit, crc_x25, without_parity
from tests.meter_io import encoders


def divided(data: bytes, polynomial: int, initial: int) -> int:
    """The remainder of a polynomial division, least significant bit first."""
    remainder = initial
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ polynomial if remainder & 1 else remainder >> 1
    return remainder


NINE = b"123456789"


def test_the_published_check_values() -> None:
    """Source: the catalogue of parametrised CRC algorithms, check values of `123456789`."""
    assert (crc_x25(NINE), crc_kermit(NINE), crc_arc(NINE)) == (0x906E, 0x2189, 0xBB3D)


@given(st.binary(max_size=300))
def test_they_are_what_dividing_bit_by_bit_gives(data: bytes) -> None:
    assert crc_x25(data) == encoders.x25(data) == divided(data, 0x8408, 0xFFFF) ^ 0xFFFF
    assert crc_kermit(data) == encoders.kermit(data) == divided(data, 0x8408, 0)
    assert crc_arc(data) == encoders.arc(data) == divided(data, 0xA001, 0)


@given(st.binary(max_size=60).map(lambda data: bytes(byte & 0x7F for byte in data)))
def test_parity_comes_off_and_a_single_flipped_bit_shows(data: bytes) -> None:
    line = encoders.with_even_parity(data)
    assert without_parity(line) == data
    for position in range(len(line)):
        damaged = line[:position] + bytes([line[position] ^ 4]) + line[position + 1 :]
        assert without_parity(damaged)[position] == BAD_PARITY


def test_the_check_character_of_a_published_readout() -> None:
    """`1.8.0(0*kWh)` by hand: the exclusive or of all its characters up to ETX."""
    data = b"1.8.0(0*kWh)\r\n!\r\n\x03"
    check = 0
    for byte in data:
        check ^= byte
    assert block_check(data) == check & 0x7F
    assert block_check(b"\x02" + data) != block_check(data), "STX is not part of it"
