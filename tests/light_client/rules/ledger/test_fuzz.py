"""Readers of untrusted data: whatever comes in, it is read, or refused by a named rule, in linear time."""

from __future__ import annotations

import re
from collections.abc import Callable
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light_client.rules.encoding import Value, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import body_from_bytes, body_from_wire, header_from_wire
from light_client.rules.ledger.committee import certificate_of_quorum_from_wire, committee_from_wire
from light_client.rules.ledger.genesis import ChainParams, genesis_from_wire
from light_client.rules.ledger.records import account_from_bytes, encode_offer, offer_from_bytes
from light_client.rules.ledger.transactions import decode_transaction, fields_of
from light_client.rules.market.clearing import solution_from_wire
from tests.ledger_kit import FIRST, SELL, Chain, Person, sell_everything, seller_and_buyer

PARAMS = ChainParams()
RULE = re.compile(r"^[A-Z]{2,3}-\d\d$")


def _chain() -> Chain:
    chain = Chain()
    seller_and_buyer(chain)
    chain.close_gate()
    return chain


CHAIN = _chain()
SOLVED = sell_everything(CHAIN.problem())
SOLUTION = CHAIN.solution(SOLVED)
HEADER = CHAIN.blocks[-1].header
POSTED = CHAIN.post(Person(1), Person(1).offer(SELL, 3_600, 5, FIRST))

leaves = st.one_of(
    st.integers(-(1 << 64), (1 << 64) - 1),
    st.sampled_from([0, 1, 2, 3, -1, 31, 32, 1 << 31, 1 << 62, (1 << 64) - 1]),
    st.sampled_from([0, 1, 19, 20, 31, 32, 33, 63, 64, 65]).map(bytes),
    st.binary(max_size=8),
    st.text(max_size=4),
)
values: st.SearchStrategy[Value] = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=6).map(tuple), max_leaves=20
)
adversarial: st.SearchStrategy[Any] = st.one_of(
    values,
    st.sampled_from([True, False, None, 1.5, [], {}, bytearray(32), ((((((),),),),),)]),
)


@st.composite
def nearly(draw: st.DrawFn, wire: Value) -> Any:
    """Draw a value that differs from a good one in one place."""
    if not isinstance(wire, tuple) or not wire or draw(st.integers(0, 9)) == 0:
        return draw(adversarial)
    at = draw(st.integers(0, len(wire) - 1))
    match draw(st.sampled_from(["change", "change", "change", "drop", "double"])):
        case "drop":
            return wire[:at] + wire[at + 1 :]
        case "double":
            return (*wire[:at], wire[at], *wire[at:])
    return (*wire[:at], draw(nearly(wire[at])), *wire[at + 1 :])


WIRES: dict[Callable[[Value], object], Value] = {
    header_from_wire: HEADER.to_wire(),
    genesis_from_wire: CHAIN.genesis.to_wire(),
    certificate_of_quorum_from_wire: CHAIN.certificate(HEADER).to_wire(),
    committee_from_wire: CHAIN.genesis.committee.to_wire(),
    lambda wire: body_from_wire(wire, PARAMS): CHAIN.blocks[1].body.to_wire(),
    solution_from_wire: SOLVED.to_wire(),
}


@pytest.mark.parametrize("reader", WIRES, ids=lambda reader: getattr(reader, "__name__", "reader"))
@given(data=st.data())
@settings(max_examples=120)
def test_only_a_named_rule_leaves_a_reader(reader: Callable[[Value], object], data: st.DataObject) -> None:
    reader(WIRES[reader])
    wire = data.draw(st.one_of(nearly(WIRES[reader]), adversarial))
    try:
        reader(wire)
    except RuleViolation as broken:
        assert RULE.match(broken.rule)
        assert len(str(broken)) < 1_000


BYTES: dict[Callable[[bytes], object], bytes] = {
    account_from_bytes: encode(CHAIN.account(Person(1)).to_wire()),
    offer_from_bytes: encode_offer(next(iter(CHAIN.state.offers.values()))),
    lambda raw: body_from_bytes(raw, PARAMS): CHAIN.blocks[1].body.encode(),
    lambda raw: decode_transaction(raw, max_bytes=1 << 20): POSTED.raw,
    lambda raw: decode_transaction(raw, max_bytes=1 << 19): SOLUTION,
}


@pytest.mark.parametrize("reader", BYTES, ids=lambda reader: getattr(reader, "__name__", "reader"))
@given(data=st.data())
@settings(max_examples=120)
def test_no_bytes_make_a_reader_fail_otherwise(
    reader: Callable[[bytes], object], data: st.DataObject
) -> None:
    good = BYTES[reader]
    reader(good)
    at = data.draw(st.integers(0, len(good)))
    junk = data.draw(st.binary(max_size=6))
    for raw in (good[:at] + junk + good[at + len(junk) :], good[:at], good[:at] + junk + good[at:], junk):
        try:
            reader(raw)
        except RuleViolation as broken:
            assert RULE.match(broken.rule)


@given(nearly((2, 0, 0, 1, 3_600, 5, (FIRST, 0))), nearly((1, 0, ((bytes(20), 1, 5, 5, 3_600, 0, 5),))))
def test_bodies_of_any_content_are_read_or_refused(post: Value, grant: Value) -> None:
    for body in (post, grant):
        try:
            raw = encode((*body, POSTED.public_key, POSTED.signature))  # type: ignore[misc]
        except Exception:  # noqa: BLE001 - not every adversarial value can be sent at all
            continue
        try:
            read = decode_transaction(raw, max_bytes=1 << 20)
        except RuleViolation as broken:
            assert RULE.match(broken.rule)
        else:
            assert fields_of(read.transaction) == body, "one spelling for each transaction"


def seconds(reader: Callable[[bytes], object], raw: bytes) -> float:
    """Return the shortest of three times that refusing takes, s."""
    times = []
    for _ in range(3):
        started = perf_counter()
        with pytest.raises(RuleViolation):
            reader(raw)
        times.append(perf_counter() - started)
    return min(times)


@pytest.mark.parametrize(
    "body",
    [
        lambda size: (2, 0, 0, 1, 3_600, 5, (FIRST, 0) * size),
        lambda size: (1, 0, (0,) * size),
        lambda size: (4, (0,) * size),
        lambda size: (3, ((0, ((0, 1, 5, (0, 0) * size, (0, 1)),)), ())),
        lambda size: (3, ((0, ((0, 1, 5, (0, 0), (0, 1) * size),)), ())),
        lambda size: (3, ((0, ()), (((1,), ((0, (0,) * size, (0,) * size),), (), (), ()),))),
    ],
)
def test_refusing_takes_time_linear_in_the_size(body: Callable[[int], Value]) -> None:
    """Before any signature: sixteen times the bytes may take sixteen times the time, not 256 times."""

    def reader(raw: bytes) -> object:
        return decode_transaction(raw, max_bytes=1 << 22)

    small, large = (
        encode((*body(size), POSTED.public_key, POSTED.signature))  # type: ignore[misc]
        for size in (8_000, 128_000)
    )
    assert seconds(reader, large) < 64 * seconds(reader, small) + 0.05
