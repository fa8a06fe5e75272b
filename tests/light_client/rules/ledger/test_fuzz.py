"""Readers of untrusted data: whatever comes in, it is read, or refused by a named rule, in linear time."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light_client.rules.encoding import Value, encode
from light_client.rules.errors import LocalError, RuleViolation
from light_client.rules.ledger.accountability import accountability_from_bytes
from light_client.rules.ledger.block import body_from_bytes, body_from_wire, header_from_wire
from light_client.rules.ledger.committee import certificate_of_quorum_from_wire, committee_from_wire
from light_client.rules.ledger.delivery import DeliveryRecord, delivery_from_bytes, encode_delivery
from light_client.rules.ledger.epochs import epoch_params_from_wire
from light_client.rules.ledger.genesis import ChainParams, genesis_from_wire
from light_client.rules.ledger.records import (
    Candidate,
    account_from_bytes,
    candidate_from_bytes,
    encode_offer,
    meta_from_bytes,
    offer_from_bytes,
)
from light_client.rules.ledger.registry import registry_from_wire
from light_client.rules.ledger.score import Delivery
from light_client.rules.ledger.snapshot import record_from_wire, record_to_wire
from light_client.rules.ledger.transactions import decode_transaction, fields_of
from light_client.rules.market.clearing import solution_from_wire
from tests.epoch_kit import CANDIDATES, REGISTRY_KEYS, changed, epoch_chain, registry, report
from tests.epoch_kit import PARAMS as PARAMS_OF_EPOCHS
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
ELECTING = epoch_chain()
CHANGE = changed(ELECTING, registry(version=2), REGISTRY_KEYS[:2]).raw
REPORT = report(ELECTING, {CANDIDATES[0]: (3, 2), CANDIDATES[1]: (0, 1)}).raw
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


READ = "OK-00"


def rule_of(read: Callable[[], object]) -> str:
    """Return the rule that something breaks when it is read, of which the sentence stays short; `READ` if none."""
    try:
        read()
    except RuleViolation as broken:
        return broken.rule if len(str(broken)) < 1_000 else "a long story"
    return READ


def sendable(value: Value) -> bytes:
    """Return the bytes of a value; none for what has no bytes, as no float or None has."""
    try:
        return encode(value)
    except LocalError:
        return b""


WIRES: dict[Callable[[Value], object], Value] = {
    header_from_wire: HEADER.to_wire(),
    genesis_from_wire: CHAIN.genesis.to_wire(),
    certificate_of_quorum_from_wire: CHAIN.certificate(HEADER).to_wire(),
    committee_from_wire: CHAIN.genesis.committee.to_wire(),
    lambda wire: body_from_wire(wire, PARAMS): CHAIN.blocks[1].body.to_wire(),
    solution_from_wire: SOLVED.to_wire(),
    registry_from_wire: registry().to_wire(),
    epoch_params_from_wire: PARAMS_OF_EPOCHS.to_wire(),
    record_from_wire: record_to_wire(next(CHAIN.state.records())),
}


@pytest.mark.parametrize("reader", WIRES, ids=lambda reader: getattr(reader, "__name__", "reader"))
@given(data=st.data())
@settings(max_examples=120)
def test_only_a_named_rule_leaves_a_reader(reader: Callable[[Value], object], data: st.DataObject) -> None:
    reader(WIRES[reader])
    wire = data.draw(st.one_of(nearly(WIRES[reader]), adversarial))
    assert RULE.match(rule_of(lambda: reader(wire)))


BYTES: dict[Callable[[bytes], object], bytes] = {
    account_from_bytes: encode(CHAIN.account(Person(1)).to_wire()),
    offer_from_bytes: encode_offer(next(iter(CHAIN.state.offers.values()))),
    delivery_from_bytes: encode_delivery(
        DeliveryRecord(epochs=((0, Delivery(5, 1, 4)), (2, Delivery(7, 0, 7))))
    ),
    meta_from_bytes: encode(CHAIN.state.meta.to_wire()),
    accountability_from_bytes: encode(CHAIN.state.accountability.to_wire()),
    lambda raw: candidate_from_bytes(raw, 1 << 20): encode(
        Candidate(plan=SOLVED.plan, certificate=SOLVED.certificates[0]).to_wire()
    ),
    lambda raw: decode_transaction(raw, max_bytes=1 << 18): CHANGE,
    lambda raw: decode_transaction(raw, max_bytes=1 << 17): REPORT,
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
        assert RULE.match(rule_of(partial(reader, raw)))


@given(nearly((2, 0, 0, 1, 3_600, 5, (FIRST, 0))), nearly((1, 0, ((bytes(20), 1, 5, 5, 3_600, 0, 5),))))
def test_bodies_of_any_content_are_read_or_refused(post: Value, grant: Value) -> None:
    for body in (post, grant):
        raw = sendable((*body, POSTED.public_key, POSTED.signature)) if isinstance(body, tuple) else b""
        rule = rule_of(partial(decode_transaction, raw, max_bytes=1 << 20))
        assert RULE.match(rule)
        if rule == READ:
            read = decode_transaction(raw, max_bytes=1 << 20)
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
