"""SML's binary encoding: a type and length field, then the value. Strict and bounded.

A type-length field is `M T T T L L L L`: more follows, type, length. The length counts its own field, except in lists,
where it counts the elements. Source: SML 1.04 (binary encoding).
"""

from typing import Final, TypeAlias

from meter_io.telegram import Reason, Refusal

Item: TypeAlias = "bytes | int | bool | list[Item] | None"
"""Octets, a number, a truth value, an optional value that is absent, a list."""

MAX_DEPTH: Final = 12
MAX_LENGTH_BYTES: Final = 4
"""Bytes of a type-length field: enough for any length within a telegram."""

OCTETS: Final = 0x00
BOOLEAN: Final = 0x40
SIGNED: Final = 0x50
UNSIGNED: Final = 0x60
LIST: Final = 0x70
_ABSENT: Final = 0x01
END_OF_MESSAGE: Final = 0x00


def malformed(position: int, sentence: str) -> Refusal:
    """Return the refusal of something that the grammar does not allow."""
    return Refusal(Reason.STRUCTURE, f"at byte {position} of the message: {sentence}")


def head(data: bytes, position: int) -> tuple[int, int, int]:
    """Return type, length and the position behind a type-length field; the length of a value is without its field.

    Raises:
        Refusal: the field is malformed or the value reaches beyond the data.
        IndexError: the data ends within the field.
    """
    field = data[position]
    kind, length, after = field & 0x70, field & 0x0F, position + 1
    while field & 0x80:
        field = data[after]
        if field & 0x70 or after - position >= MAX_LENGTH_BYTES:
            raise malformed(after, f"a length continues with 0x{field:02x}")
        length = length << 4 | field & 0x0F
        after += 1
    if kind != LIST:
        length -= after - position
    if length < 0 or after + length > len(data):
        raise malformed(position, f"a length of {length} with {len(data) - after} bytes left")
    return kind, length, after


def scalar(data: bytes, position: int) -> tuple[bytes | int | bool | None, int]:
    """Return a value that is no list, and the position behind it.

    Raises:
        Refusal: it is malformed, or a list.
        IndexError: the data ends before it.
    """
    field = data[position]
    if field == _ABSENT:
        return None, position + 1
    if field & 0x80:
        kind, length, after = head(data, position)
    else:
        kind, length, after = field & 0x70, (field & 0x0F) - 1, position + 1
    end = after + length
    if length < 0 or end > len(data):
        raise malformed(position, f"a length of {length} with {len(data) - after} bytes left")
    if kind == OCTETS:
        return data[after:end], end
    if kind in (SIGNED, UNSIGNED):
        if not 1 <= length <= 8:
            raise malformed(position, f"a number of {length} bytes, expected 1 to 8")
        return int.from_bytes(data[after:end], "big", signed=kind == SIGNED), end
    if kind == BOOLEAN:
        if length != 1:
            raise malformed(position, f"a truth value of {length} bytes, expected 1")
        return data[after] != 0, end
    raise malformed(position, f"0x{field:02x} where a value is expected")


def item(data: bytes, position: int, depth: int = 0) -> tuple[Item, int]:
    """Return whatever stands at a position, and the position behind it.

    Raises:
        Refusal: it is malformed or nested too deeply.
        IndexError: the data ends before it.
    """
    if data[position] & 0x70 != LIST:
        return scalar(data, position)
    if depth >= MAX_DEPTH:
        raise malformed(position, f"lists nested more than {MAX_DEPTH} deep")
    _, count, position = head(data, position)
    items: list[Item] = []
    for _ in range(count):
        element, position = item(data, position, depth + 1)
        items.append(element)
    return items, position


def expect_list(data: bytes, position: int, count: int, what: str) -> int:
    """Return the position behind the head of a list of `count` elements.

    Raises:
        Refusal: it is none.
    """
    if data[position] == LIST | count:
        return position + 1
    raise malformed(position, f"0x{data[position]:02x} where {what} begins, expected a list of {count}")
