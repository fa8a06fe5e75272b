"""Every message survives the wire; nothing else does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.messages.codec import (
    MAX_MESSAGE_BYTES,
    TYPES,
    Message,
    decode_message,
    encode_message,
    number_of,
)
from light_client.messages.proofs import GetTrades
from light_client.messages.registry import WithdrawRequest, sign_withdraw, withdraw_is_signed
from light_client.messages.submission import MAX_RAW_BYTES, SubmitTx
from light_client.rules.crypto import public_key_of, sign, verify
from light_client.rules.encoding import encode
from light_client.rules.errors import LocalError, RuleViolation
from tests.light_client.messages.samples import ENTRY, MESSAGES, SAMPLES

VECTORS = Path(__file__).parents[2] / "vectors" / "messages.json"
anything = st.one_of(*MESSAGES.values())


def test_every_type_of_the_table_is_tested() -> None:
    classes = [row.cls for row in TYPES.values()]
    assert list(MESSAGES) == classes
    assert [type(sample) for sample in SAMPLES] == classes
    assert all(1 <= number <= 255 for number in TYPES)


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_what_is_encoded_is_decoded(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(MESSAGES[kind])
    raw = encode_message(message)
    assert len(raw) <= TYPES[number_of(kind)].max_bytes
    assert decode_message(raw) == message


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_by_rule(raw: bytes) -> None:
    try:
        message = decode_message(raw)
    except RuleViolation:
        return
    assert encode_message(message) == raw


@given(anything, st.data())
def test_changed_bytes_are_another_message_or_refused(message: Message, data: st.DataObject) -> None:
    raw = bytearray(encode_message(message))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for candidate in (bytes(raw), bytes(raw[:cut])):
        try:
            found = decode_message(candidate)
        except RuleViolation:
            continue
        assert encode_message(found) == candidate


values: Any = st.recursive(
    st.integers(-5, 1 << 63) | st.binary(max_size=40) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=6).map(tuple),
    max_leaves=20,
)


@given(st.sampled_from(list(TYPES)), values)
def test_well_formed_nonsense_is_refused_by_rule(number: int, fields: Any) -> None:
    try:
        message = decode_message(encode((number, fields)))
    except RuleViolation:
        return
    assert message.to_wire() == fields


@given(anything, st.data())
def test_a_field_of_another_type_is_refused_by_rule(message: Message, data: st.DataObject) -> None:
    fields = list(message.to_wire())
    at = data.draw(st.integers(0, len(fields) - 1))
    fields[at] = data.draw(values)
    try:
        found = decode_message(encode((number_of(type(message)), tuple(fields))))
    except RuleViolation:
        return
    assert found.to_wire() == tuple(fields)


def test_the_size_limit_of_a_type_comes_before_any_work() -> None:
    raw = b"\x82\x08" + bytes(10_000_000)
    with pytest.raises(RuleViolation, match="MSG-02"):
        decode_message(raw)
    with pytest.raises(RuleViolation, match="MSG-02"):
        decode_message(encode_message(SubmitTx(raw=bytes(2_000))), max_bytes=1_000)
    longest = SubmitTx(raw=bytes(MAX_RAW_BYTES))
    assert decode_message(encode_message(longest)) == longest
    assert max(row.max_bytes for row in TYPES.values()) == MAX_MESSAGE_BYTES


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"", "MSG-01"),
        (b"\x82", "MSG-01"),
        (b"\x82\x00\x80", "MSG-01"),
        (b"\x82\x18\xff\x80", "MSG-01"),
        (b"\x82\x18\x08\x81\x01", "ENC-04"),
        (b"\x81\x08", "MSG-01"),
        (b"\x82\x08\x05", "MSG-03"),
        (b"\x82\x08\x82\x01\x02", "MSG-03"),
        (b"\x82\x08\x81\x20", "MSG-04"),
        (b"\x82\x08\x81\x41\x00", "MSG-04"),
        (b"\x82\x0b\x81\x40", "MSG-05"),
        (b"\x82\x0d\x82\x01\x82\x05\x05", "MSG-07"),
        (b"\x82\x08\x81\x18\x01", "ENC-04"),
        (b"\x82\x08\x81\x01\x00", "ENC-03"),
    ],
)
def test_each_rule_refuses_its_case(raw: bytes, rule: str) -> None:
    with pytest.raises(RuleViolation, match=rule):
        decode_message(raw)


def test_a_message_that_nobody_may_send_is_our_bug() -> None:
    with pytest.raises(RuleViolation, match="MSG-07"):
        GetTrades(interval=1, offers=tuple(range(1, 1_000)))
    short = TYPES[11]
    TYPES[11] = short._replace(max_bytes=10)
    try:
        with pytest.raises(LocalError, match="too long to send"):
            encode_message(SubmitTx(raw=bytes(20)))
    finally:
        TYPES[11] = short


def test_a_withdrawal_is_bound_to_its_fields_chain_and_key() -> None:
    secret, chain = bytes(31) + b"\x05", bytes(32)
    request = sign_withdraw(
        chain,
        request_id=1,
        meter_id="m",
        entries=(ENTRY,),
        public_key=public_key_of(secret),
        signer=lambda message: sign(secret, message),
    )
    withdraw_is_signed(request, chain, verify)
    fields = {name: getattr(request, name) for name in WithdrawRequest.__slots__}
    for name, value in (
        ("request_id", 2),
        ("meter_id", "n"),
        ("public_key", public_key_of(bytes(31) + b"\x06")),
    ):
        with pytest.raises(RuleViolation, match="MSG-08"):
            withdraw_is_signed(WithdrawRequest(**fields | {name: value}), chain, verify)
    with pytest.raises(RuleViolation, match="MSG-08"):
        withdraw_is_signed(request, bytes(31) + b"\x01", verify)


def shown(wire: object) -> object:
    """A wire value as the vectors write it."""
    if isinstance(wire, bytes):
        return "0x" + wire.hex()
    return [shown(item) for item in wire] if isinstance(wire, tuple | list) else wire


def vectors() -> list[dict[str, Any]]:
    document = json.loads(VECTORS.read_text())
    assert document["schema"] == "gridlight/messages/1"
    found: list[dict[str, Any]] = document["vectors"]
    return found


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_golden_vectors(sample: Message) -> None:
    (vector,) = (row for row in vectors() if row["name"] == type(sample).__name__)
    raw = bytes.fromhex(vector["hex"])
    assert encode_message(sample) == raw
    assert decode_message(raw) == sample
    number, fields = cbor2.loads(raw)
    assert number == vector["type"] == number_of(type(sample))
    assert shown(fields) == vector["fields"]
