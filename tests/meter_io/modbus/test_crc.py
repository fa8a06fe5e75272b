"""The checksum, against a bit-by-bit oracle and a published frame."""

from hypothesis import given
from hypothesis import strategies as st

from meter_io.modbus.crc import closes, crc16


def by_division(data: bytes) -> int:
    """The remainder of polynomial division, from the definition: bits in order of transmission."""
    bits = [byte >> place & 1 for byte in data for place in range(8)]
    register = [1] * 16
    for bit in bits:
        top = register.pop() ^ bit
        register.insert(0, top)
        if top:
            register[2] ^= 1
            register[15] ^= 1
    return sum(bit << (15 - place) for place, bit in enumerate(register))


@given(st.binary(max_size=80))
def test_it_is_the_remainder(data: bytes) -> None:
    assert crc16(data) == by_division(data)


def test_the_published_example() -> None:
    """Source: MODBUS over Serial Line V1.02, the usual check value of CRC-16/MODBUS for the digits 1 to 9."""
    assert crc16(b"123456789") == 0x4B37


@given(st.binary(min_size=1, max_size=64), st.data())
def test_a_frame_closes_and_any_damaged_bit_shows(data: bytes, draw: st.DataObject) -> None:
    frame = bytearray(data + crc16(data).to_bytes(2, "little"))
    assert closes(frame)
    place = draw.draw(st.integers(0, 8 * len(frame) - 1))
    frame[place // 8] ^= 1 << place % 8
    assert not closes(frame)
