"""The one canonical byte form of everything that is hashed, signed, stored or sent.

A deterministic subset of CBOR (RFC 8949 section 4.2): integers of 64-bit magnitude, byte strings, short text and
arrays. No maps, tags, floats, simple values or indefinite lengths. Every value has exactly one spelling and
`decode` accepts that one only, so `encode(decode(data)) == data` whenever `decode` returns.

The decoder is our own because a permissive one is an attack surface: docs/adr/0002. It works in time and
memory linear in `len(data)`, which is bounded before the first byte is looked at.

Rules:
    ENC-01  no longer than the limit for its kind
    ENC-02  not cut short: every head, string and array is complete
    ENC-03  nothing follows the value
    ENC-04  lengths and integers use the shortest head
    ENC-05  no indefinite length and no reserved head
    ENC-06  integers, byte strings, text and arrays only
    ENC-07  arrays nest no deeper than the limit
    ENC-08  no more items than the limit
    ENC-09  text is valid UTF-8 of at most 255 bytes

Source: RFC 8949 sections 3 and 4.2.1.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn, TypeAlias

from light_client.rules.errors import LocalError, MalformedError

Value: TypeAlias = "int | bytes | str | tuple[Value, ...]"
"""What `decode` returns."""
Encodable: TypeAlias = "int | bytes | str | Sequence[Encodable]"
"""What `encode` takes: lists and named tuples too, which come back as plain tuples."""

INT_MIN: Final = -(1 << 64)
INT_MAX: Final = (1 << 64) - 1
MAX_TEXT_BYTES: Final = 255
DEPTH_LIMIT: Final = 16
"""No value nests deeper than this, whatever a caller allows: an array of integers has depth 1."""

_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _BEYOND = 0x00, 0x20, 0x40, 0x60, 0x80, 0xA0
_ONE, _TWO, _FOUR, _EIGHT = 24, 25, 26, 27
_SHORT_HEADS: Final = tuple(bytes((head,)) for head in range(_BEYOND))

_two: Final = struct.Struct(">H").unpack_from
_four: Final = struct.Struct(">I").unpack_from
_eight: Final = struct.Struct(">Q").unpack_from
_put_two: Final = struct.Struct(">BH").pack
_put_four: Final = struct.Struct(">BI").pack
_put_eight: Final = struct.Struct(">BQ").pack


def decode(data: bytes, *, max_bytes: int, max_depth: int = 8, max_items: int = 1 << 20) -> Value:
    """Return the value that `data` spells; arrays come back as tuples.

    Args:
        data: bytes of unknown origin.
        max_bytes: longest input of this kind that is read at all.
        max_depth: deepest nesting of arrays; 0 allows a single integer or string.
        max_items: most items over all arrays together, the outermost value included.

    Raises:
        MalformedError: `data` is too long (ENC-01) or is not the canonical spelling of a value (ENC-02 to ENC-09).
        LocalError: `data` is not `bytes`, or `max_depth` is over `DEPTH_LIMIT`.
    """
    if type(data) is not bytes:
        raise LocalError("only bytes can be decoded", got=type(data).__name__, expected="bytes")
    if max_depth > DEPTH_LIMIT:
        raise LocalError(
            "the nesting allowed is too deep",
            got=max_depth,
            expected=f"at most {DEPTH_LIMIT}",
        )
    if len(data) > max_bytes:
        raise MalformedError(
            "ENC-01",
            "the input is too long",
            got=len(data),
            expected=f"at most {max_bytes} bytes",
        )
    try:
        values, end = _decode_items(data, 0, 1, max_depth, [max_items])
    except (IndexError, struct.error):
        raise MalformedError("ENC-02", "the input is cut short", got=data) from None
    except UnicodeDecodeError:
        raise MalformedError("ENC-09", "a text is not UTF-8", got=data) from None
    if end != len(data):
        raise MalformedError("ENC-03", "bytes follow the value", got=len(data), expected=f"{end} bytes")
    return values[0]


def _decode_items(  # noqa: C901, PLR0912, PLR0915
    data: bytes, at: int, count: int, depth_left: int, items_left: list[int]
) -> tuple[tuple[Value, ...], int]:
    """Read `count` values from `at` on; return them and where they end.

    Written out flat, commonest case first, because a block is a few thousand of these. Reading past the end raises
    `IndexError` or `struct.error`, which `decode` turns into ENC-02. A declared count is compared with the bytes
    that are left, of which every item takes at least one, before anything is allocated for it.
    """
    size = len(data)
    if count > size - at:
        raise MalformedError(
            "ENC-02",
            "an array is cut short",
            got=f"{size - at} bytes",
            expected=f"{count} items",
        )
    items_left[0] -= count
    if items_left[0] < 0:
        raise MalformedError("ENC-08", "there are too many items", got=f"{-items_left[0]} over the limit")
    values: list[Value] = []
    put = values.append
    for _ in range(count):
        head = data[at]
        at += 1
        if head < _ONE:
            put(head)
            continue
        info = head & 0x1F
        if info < _ONE:
            number = info
        elif info == _ONE:
            number = data[at]
            at += 1
            if number < _ONE:
                _refuse_long_head(number)
        elif info == _FOUR:
            (number,) = _four(data, at)
            at += 4
            if number <= 0xFFFF:
                _refuse_long_head(number)
        elif info == _TWO:
            (number,) = _two(data, at)
            at += 2
            if number <= 0xFF:
                _refuse_long_head(number)
        elif info == _EIGHT:
            (number,) = _eight(data, at)
            at += 8
            if number <= 0xFFFF_FFFF:
                _refuse_long_head(number)
        else:
            raise MalformedError("ENC-05", "a head is indefinite or reserved", got=f"0x{head:02x}")
        if head < _NEGATIVE:
            put(number)
        elif head < _BYTES:
            put(-1 - number)
        elif head < _ARRAY:
            end = at + number
            if end > size:
                raise MalformedError(
                    "ENC-02",
                    "a string is cut short",
                    got=size - at,
                    expected=f"{number} bytes",
                )
            if head < _TEXT:
                put(data[at:end])
            else:
                if number > MAX_TEXT_BYTES:
                    raise MalformedError(
                        "ENC-09",
                        "a text is too long",
                        got=number,
                        expected=MAX_TEXT_BYTES,
                    )
                put(data[at:end].decode())
            at = end
        elif head < _BEYOND:
            if depth_left <= 0:
                raise MalformedError("ENC-07", "arrays nest too deep", got=f"an array at byte {at - 1}")
            inner, at = _decode_items(data, at, number, depth_left - 1, items_left)
            put(inner)
        else:
            raise MalformedError(
                "ENC-06",
                "maps, tags, floats and simple values are not allowed",
                got=f"0x{head:02x}",
            )
    return tuple(values), at


def _refuse_long_head(number: int) -> NoReturn:
    raise MalformedError(
        "ENC-04",
        "a head is longer than it need be",
        got=number,
        expected="the shortest head",
    )


def encode(value: Encodable) -> bytes:
    """Return the canonical bytes of `value`.

    Raises:
        LocalError: `value` holds something the subset has no spelling for: a bool, a float, None, an integer beyond
            64 bits, a text over `MAX_TEXT_BYTES`, or nesting deeper than `DEPTH_LIMIT`.
    """
    chunks: list[bytes] = []
    _encode_items((value,), chunks.append, DEPTH_LIMIT)
    return b"".join(chunks)


def _encode_items(items: Sequence[Any], put: Callable[[bytes], None], depth_left: int) -> None:
    """Encode in order; the four commonest types first and flat, because a block seals thousands of records."""
    for item in items:
        kind = item.__class__
        if kind is int:
            if 0 <= item < _ONE:
                put(_SHORT_HEADS[item])
            elif item >= 0:
                put(_encode_head(_UINT, item))
            else:
                put(_encode_head(_NEGATIVE, -1 - item))
        elif kind is bytes:
            put(_encode_head(_BYTES, len(item)))
            put(item)
        elif kind is tuple and depth_left > 0:
            put(_encode_head(_ARRAY, len(item)))
            _encode_items(item, put, depth_left - 1)
        else:
            _encode_other(item, put, depth_left)


def _encode_other(item: Encodable, put: Callable[[bytes], None], depth_left: int) -> None:
    """Encode an array, a text, or a number or string of a derived class."""
    if isinstance(item, tuple | list):
        if depth_left <= 0:
            raise LocalError("arrays nest too deep to encode", expected=f"at most {DEPTH_LIMIT}")
        put(_encode_head(_ARRAY, len(item)))
        _encode_items(item, put, depth_left - 1)
    elif isinstance(item, int):
        if item is True or item is False:
            raise LocalError("a bool has no encoding", got=item, expected="an integer")
        put(_encode_head(_UINT, item) if item >= 0 else _encode_head(_NEGATIVE, -1 - item))
    elif isinstance(item, bytes):
        put(_encode_head(_BYTES, len(item)))
        put(item)
    elif isinstance(item, str):
        raw = _text_bytes(item)
        put(_encode_head(_TEXT, len(raw)))
        put(raw)
    else:
        raise LocalError(
            "this type has no encoding",
            got=type(item).__name__,
            expected="int, bytes, str, tuple or list",
        )


def _text_bytes(text: str) -> bytes:
    try:
        raw = text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        raise LocalError("a text has no UTF-8 form", got=ascii(text)) from None
    if len(raw) > MAX_TEXT_BYTES:
        raise LocalError("a text is too long to encode", got=len(raw), expected=MAX_TEXT_BYTES)
    return raw


def _encode_head(major: int, number: int) -> bytes:
    """Return the shortest head of a major type with `number` as its value or length."""
    if number < _ONE:
        return _SHORT_HEADS[major | number]
    if number <= 0xFF:
        return bytes((major | _ONE, number))
    if number <= 0xFFFF:
        return _put_two(major | _TWO, number)
    if number <= 0xFFFF_FFFF:
        return _put_four(major | _FOUR, number)
    if number <= INT_MAX:
        return _put_eight(major | _EIGHT, number)
    raise LocalError("an integer is beyond 64 bits", got=number, expected=f"{INT_MIN} to {INT_MAX}")
