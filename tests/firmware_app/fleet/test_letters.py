"""Letters, receipts and telemetry: what is written is read again, and nothing else is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.fleet.letters import (
    MAX_LETTER_BYTES,
    MAX_RECEIPT_BYTES,
    MAX_RECEIPT_KEYS,
    Letter,
    Receipt,
    letter_from_bytes,
    receipt_from_bytes,
    receipts_for,
)
from firmware_app.fleet.telemetry import (
    MAX_BYTES,
    SENTENCES,
    Alarm,
    AlarmNote,
    HealthReport,
    Presence,
    alarm_from_bytes,
    health_from_bytes,
    presence_from_bytes,
)
from firmware_app.store.outbox import MAX_BODY_BYTES
from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation

KEYS = st.text(st.characters(min_codepoint=1, max_codepoint=127), min_size=1, max_size=255)
TIMES = st.none() | st.integers(0, 1 << 62)
PRESENT = Presence(online=True, since_ms=5, firmware="0.4.1", board="beaglebone-black")
WELL = HealthReport(
    at_ms=1_000,
    problem="",
    parts={"meter:/dev/ttyUSB0": "working"},
    alarms=(Alarm.CLOCK, Alarm.METER),
    figures={"rss_kb": 40_000},
)
READERS = {
    "letter": letter_from_bytes,
    "receipt": receipt_from_bytes,
    "presence": presence_from_bytes,
    "health": health_from_bytes,
    "alarm": alarm_from_bytes,
}


@given(key=KEYS, at_ms=TIMES, body=st.binary(max_size=300))
def test_a_letter_comes_back_as_it_was(key: str, at_ms: int | None, body: bytes) -> None:
    letter = Letter(key=key, at_ms=at_ms, body=body)
    assert letter_from_bytes(letter.encode()) == letter


def test_the_largest_letter_and_receipt_fit_their_bounds() -> None:
    letter = Letter(key="k" * 255, at_ms=1 << 62, body=bytes(MAX_BODY_BYTES))
    assert len(letter.encode()) <= MAX_LETTER_BYTES
    assert letter_from_bytes(letter.encode()) == letter
    (receipt,) = receipts_for(f"{place:0255}" for place in range(MAX_RECEIPT_KEYS))
    assert len(receipt.encode()) <= MAX_RECEIPT_BYTES
    assert receipt_from_bytes(receipt.encode()) == receipt


@given(st.lists(KEYS, max_size=200))
def test_receipts_name_every_key_once(keys: list[str]) -> None:
    receipts = receipts_for(keys)
    named = [key for receipt in receipts for key in receipt_from_bytes(receipt.encode()).keys]
    assert sorted(named) == sorted(set(keys))
    assert len(receipts) == -(-len(set(keys)) // MAX_RECEIPT_KEYS)


@pytest.mark.parametrize(
    "wire",
    [
        (),
        (1,),
        (2, "k", 0, b""),
        (1, "", 0, b""),
        (1, "é", 0, b""),
        (1, b"k", 0, b""),
        (1, "k", -2, b""),
        (1, "k", "now", b""),
        (1, "k", 0, "text"),
        (1, "k", 0, b"", 0),
        (1, "k", 0, ((((),),),)),
    ],
)
def test_what_is_no_letter_is_refused(wire: Any) -> None:
    with pytest.raises(RuleViolation) as refused:
        letter_from_bytes(encode(wire))
    assert refused.value.rule == "FLT-02"


@pytest.mark.parametrize(
    "wire",
    [
        (1, ()),
        (1, ("b", "a")),
        (1, ("a", "a")),
        (1, (1,)),
        (0, ("a",)),
        (1, "a"),
        (1, tuple(f"{n:03}" for n in range(65))),
    ],
)
def test_what_is_no_receipt_is_refused(wire: Any) -> None:
    with pytest.raises(RuleViolation) as refused:
        receipt_from_bytes(encode(wire))
    assert refused.value.rule == "FLT-02"


def test_telemetry_comes_back_as_it_was() -> None:
    assert presence_from_bytes(PRESENT.encode()) == PRESENT
    assert health_from_bytes(WELL.encode()) == WELL
    for alarm in Alarm:
        note = AlarmNote(alarm=alarm, raised=True)
        assert alarm_from_bytes(note.encode()) == note
        assert json.loads(note.encode())["sentence"] == SENTENCES[alarm]


def _changed(raw: bytes, **fields: Any) -> bytes:
    return json.dumps({**json.loads(raw), **fields}).encode()


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("presence", _changed(PRESENT.encode(), online=1)),
        ("presence", _changed(PRESENT.encode(), since_ms=-1)),
        ("presence", _changed(PRESENT.encode(), since_ms=True)),
        ("presence", _changed(PRESENT.encode(), schema="gridlight.presence/2")),
        ("presence", _changed(PRESENT.encode(), more=1)),
        ("presence", _changed(PRESENT.encode(), firmware="x" * 65)),
        ("presence", PRESENT.encode()[:-1] + b',"online":false}'),
        ("presence", b"[" * MAX_BYTES),
        ("presence", b"null"),
        ("presence", b"\xff"),
        ("health", _changed(WELL.encode(), problem=None)),
        ("health", _changed(WELL.encode(), problem="x" * 241)),
        ("health", _changed(WELL.encode(), parts=[])),
        ("health", _changed(WELL.encode(), parts={"a b": "working"})),
        ("health", _changed(WELL.encode(), parts={"a": ""})),
        ("health", _changed(WELL.encode(), parts={f"p{n}": "ok" for n in range(33)})),
        ("health", _changed(WELL.encode(), alarms={})),
        ("health", _changed(WELL.encode(), alarms=["meter", "clock"])),
        ("health", _changed(WELL.encode(), alarms=["price"])),
        ("health", _changed(WELL.encode(), alarms=[["clock"]])),
        ("health", _changed(WELL.encode(), figures={"a": 1.5})),
        ("health", _changed(WELL.encode(), figures={"a": 1 << 64})),
        ("health", WELL.encode().replace(b"40000", b"NaN")),
        ("health", WELL.encode().replace(b"40000", b"9" * 4_000)),
        ("health", WELL.encode() + b" " * MAX_BYTES),
        ("alarm", _changed(AlarmNote(alarm=Alarm.CLOCK, raised=True).encode(), raised="yes")),
        ("alarm", _changed(AlarmNote(alarm=Alarm.CLOCK, raised=True).encode(), alarm=7)),
    ],
)
def test_telemetry_of_another_form_is_refused(kind: str, raw: bytes) -> None:
    with pytest.raises(RuleViolation) as refused:
        READERS[kind](raw)
    assert refused.value.rule == "FLT-02"


def test_a_document_that_is_too_long_is_not_written() -> None:
    figures = {f"{'n' * 60}{place:02}": 1 << 63 for place in range(32)}
    parts = {f"{'p' * 60}{place:02}": "w" * 64 for place in range(32)}
    with pytest.raises(RuleViolation, match="FLT-02"):
        HealthReport(at_ms=0, problem="", parts=parts, figures=figures).encode()


@given(raw=st.binary(max_size=200), kind=st.sampled_from(sorted(READERS)))
def test_whatever_comes_is_read_or_refused(raw: bytes, kind: str) -> None:
    try:
        READERS[kind](raw)
    except RuleViolation as error:
        assert error.rule == "FLT-02"


def test_a_receipt_that_is_built_wrongly_is_refused() -> None:
    with pytest.raises(RuleViolation, match="FLT-02"):
        Receipt(keys=("b", "a"))
