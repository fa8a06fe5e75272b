"""Canonical encoding: one spelling per value, strict and bounded decoding, cbor2 as an independent judge."""

import enum
import time
from typing import NamedTuple

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.encoding import DEPTH_LIMIT, INT_MAX, INT_MIN, Encodable, Value, decode, encode
from light_client.rules.errors import LocalError, MalformedError

EDGES = [0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, INT_MAX]

scalars = (
    st.integers(INT_MIN, INT_MAX)
    | st.sampled_from([sign * edge - (sign < 0) for edge in EDGES for sign in (1, -1)])
    | st.binary(max_size=300)
    | st.text(max_size=60)
)
values: st.SearchStrategy[Value] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=30).map(tuple), max_leaves=60
).filter(lambda value: depth(value) <= DEPTH_LIMIT)


def depth(value: Value) -> int:
    """Return how deep the arrays of `value` nest."""
    return 1 + max(map(depth, value), default=0) if isinstance(value, tuple) else 0


def read(
    data: bytes, max_bytes: int = 1 << 20, max_depth: int = DEPTH_LIMIT, max_items: int = 1 << 20
) -> Value:
    """Decode with limits wide enough that only the rule under test can refuse."""
    return decode(data, max_bytes=max_bytes, max_depth=max_depth, max_items=max_items)


def refused(rule: str, data: bytes, *, max_depth: int = DEPTH_LIMIT, max_items: int = 1 << 20) -> None:
    """Check that `data` is refused by exactly this rule."""
    with pytest.raises(MalformedError) as caught:
        read(data, max_depth=max_depth, max_items=max_items)
    assert caught.value.rule == rule, caught.value


@given(values)
def test_round_trip(value: Value) -> None:
    assert read(encode(value)) == value


@given(values)
def test_cbor2_spells_it_the_same(value: Value) -> None:
    data = cbor2.dumps(value, canonical=True)
    assert encode(value) == data
    assert read(data) == value


@given(values, st.data())
def test_a_spelling_that_decodes_is_canonical(value: Value, data: st.DataObject) -> None:
    """Mutate one byte, cut or insert: whatever is still accepted must be its value's only spelling."""
    raw = bytearray(encode(value))
    place = data.draw(st.integers(0, len(raw) - 1))
    match data.draw(st.sampled_from(["change", "cut", "insert"])):
        case "change":
            raw[place] = data.draw(st.integers(0, 255))
        case "cut":
            del raw[place]
        case _:
            raw.insert(place, data.draw(st.integers(0, 255)))
    check_canonical(bytes(raw))


@given(st.binary(max_size=64))
def test_random_bytes_decode_canonically_or_are_refused(data: bytes) -> None:
    check_canonical(data)


def check_canonical(data: bytes) -> None:
    """Check that `data` is refused as malformed or comes back byte for byte, and that cbor2 agrees on the value."""
    try:
        value = read(data)
    except MalformedError:
        return
    assert encode(value) == data
    assert cbor2.dumps(value, canonical=True) == data


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("ENC-02", ""),
        ("ENC-02", "18"),
        ("ENC-02", "1901"),
        ("ENC-02", "1a000100"),
        ("ENC-02", "1b00000001000000"),
        ("ENC-02", "420a"),
        ("ENC-02", "5820aa"),
        ("ENC-02", "6261"),
        ("ENC-02", "8201"),
        ("ENC-02", "82810181"),
        ("ENC-02", "9bffffffffffffffff"),
        ("ENC-02", "5bffffffffffffffff"),
        ("ENC-03", "0000"),
        ("ENC-03", "8000"),
        ("ENC-04", "1817"),
        ("ENC-04", "3817"),
        ("ENC-04", "190017"),
        ("ENC-04", "1900ff"),
        ("ENC-04", "1a0000ffff"),
        ("ENC-04", "1b00000000ffffffff"),
        ("ENC-04", "5800"),
        ("ENC-04", "980101"),
        ("ENC-04", "780161"),
        ("ENC-05", "1c"),
        ("ENC-05", "1f"),
        ("ENC-05", "5f41aaff"),
        ("ENC-05", "9f01ff"),
        ("ENC-05", "ff"),
        ("ENC-06", "a0"),
        ("ENC-06", "a10102"),
        ("ENC-06", "c001"),
        ("ENC-06", "d81e820102"),
        ("ENC-06", "f4"),
        ("ENC-06", "f6"),
        ("ENC-06", "f93c00"),
        ("ENC-06", "fb3ff0000000000000"),
        ("ENC-09", "61ff"),
        ("ENC-09", "63eda080"),
        ("ENC-09", "790100" + "61" * 256),
    ],
)
def test_every_other_spelling_is_refused(rule: str, data: str) -> None:
    refused(rule, bytes.fromhex(data))


def test_length_limit_comes_before_any_work() -> None:
    assert read(encode(b"\x00" * 10), max_bytes=11) == b"\x00" * 10
    with pytest.raises(MalformedError, match="ENC-01"):
        read(b"\xff" * 12, max_bytes=11)


@pytest.mark.parametrize("allowed", [0, 1, 2, 8, DEPTH_LIMIT])
def test_depth_limit_is_exact(allowed: int) -> None:
    assert (
        depth(read(b"\x81" * (allowed - 1) + b"\x80" if allowed else b"\x00", max_depth=allowed)) == allowed
    )
    refused("ENC-07", b"\x81" * allowed + b"\x80", max_depth=allowed)


def test_item_limit_counts_all_arrays_together() -> None:
    data = encode(((1, 2), (3, 4)))
    assert read(data, max_items=7) == ((1, 2), (3, 4))
    refused("ENC-08", data, max_items=6)


def test_bombs_are_refused_at_once() -> None:
    """Neither depth nor a declared length may cost anything beyond the bytes that were really sent."""
    bombs = [
        b"\x81" * 1_000_000,
        b"\x9a\x7f\xff\xff\xff" + b"\x80" * 1000,
        b"\x5a\x7f\xff\xff\xff" + b"\x00" * 1000,
    ]
    started = time.perf_counter()
    for bomb in bombs:
        with pytest.raises(MalformedError):
            read(bomb)
    assert time.perf_counter() - started < 0.1


def test_limits_of_the_caller_are_checked_too() -> None:
    with pytest.raises(LocalError, match="nesting"):
        read(b"\x00", max_depth=DEPTH_LIMIT + 1)
    with pytest.raises(LocalError, match="bytearray"):
        read(bytearray(b"\x00"))  # type: ignore[arg-type]


class Side(enum.IntEnum):
    """An integer enumeration, as messages use them."""

    BUY = 7


class Pair(NamedTuple):
    """A named tuple, as hot inner values are."""

    left: int
    right: bytes


def test_named_tuples_lists_and_integer_enums_encode_as_what_they_are() -> None:
    assert encode((Pair(1, b"a"), [Side.BUY])) == encode(((1, b"a"), (7,)))


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        None,
        1.0,
        {},
        set(),
        object(),
        bytearray(b"a"),
        INT_MAX + 1,
        INT_MIN - 1,
        "é" * 128,
        "\ud800",
    ],
)
def test_what_has_no_spelling_is_our_own_bug(value: Encodable) -> None:
    with pytest.raises(LocalError):
        encode((1, (value,)))


def test_encoding_too_deep_is_our_own_bug() -> None:
    value: Value = 1
    for _ in range(DEPTH_LIMIT):
        value = (value,)
    assert read(encode(value)) == value
    with pytest.raises(LocalError, match="nest"):
        encode((value,))


def test_derived_classes_are_spelled_like_their_own_kind() -> None:
    class Name(bytes):
        pass

    class Number(enum.IntEnum):
        SEVEN = 7
        THOUSAND = 1_000

    class Pair(NamedTuple):
        one: int
        other: bytes

    plain = (b"ab", 7, 1_000, (1, b""), (-1, (2,)))
    assert encode((Name(b"ab"), Number.SEVEN, Number.THOUSAND, Pair(1, b""), [-1, [2]])) == encode(plain)
    assert decode(encode(plain), max_bytes=64) == plain
