"""Delivery reports: who may send them, what they may cover, and what the state keeps of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.delivery import (
    MAX_EPOCH_J,
    MAX_REPORT_J,
    REPORT_STEP_J,
    DeliveryRecord,
    DeliveryRow,
    ReportDelivery,
    delivery_from_bytes,
    encode_delivery,
)
from light_client.rules.ledger.registry import MAX_CANDIDATES
from light_client.rules.ledger.score import Delivery
from light_client.rules.ledger.transactions import decode_transaction
from light_client.rules.units import MAX_INTERVAL
from tests.epoch_kit import CANDIDATES, LATER, PARAMS, epoch_chain, finish_epoch, report
from tests.ledger_kit import FIRST, KWH, Chain, genesis, records_of, secret
from tests.oracles import naive_statetree

A, B = CANDIDATES[:2]
ROW = (A, 5 * KWH, 4 * KWH)


def rule_of(chain: Chain, *args: object, **kwargs: object) -> str:
    """Return the rule that a report breaks."""
    with pytest.raises(RuleViolation) as broken:
        chain.add(report(chain, *args, **kwargs), at_ms=LATER)  # type: ignore[arg-type]
    return broken.value.rule


def test_reports_add_up_within_an_epoch() -> None:
    chain = epoch_chain()
    outcome = chain.add(report(chain, {A: (10, 8), B: (0, 3)}), at_ms=LATER)
    assert [type(event).__name__ for event in outcome.events] == ["SolutionFinalised", "DeliveryReported"]
    chain.add(report(chain, {A: (10, 13)}, last=FIRST + 4))
    record = chain.state.deliveries[A]
    assert record.epochs == ((0, Delivery(20 * KWH, 5 * KWH, 18 * KWH)),)
    assert chain.state.deliveries[B].epochs == ((0, Delivery(0, 3 * KWH, 0)),)
    assert chain.state.meta.next_report == FIRST + 5
    assert naive_statetree.root(records_of(chain.state)) == chain.state.root()


def test_only_the_history_is_kept() -> None:
    chain = epoch_chain()
    for _ in range(4):
        chain.add(report(chain, {A: (1, 1)}), at_ms=max(LATER, chain.tip.time_ms + 1))
        finish_epoch(chain)
    assert [epoch for epoch, _ in chain.state.deliveries[A].epochs] == [2, 3], "history is 2 epochs"
    assert chain.state.deliveries[A].total(3).promised_j == KWH
    assert DeliveryRecord().total(0) == Delivery()


def test_only_the_dso_reports() -> None:
    assert rule_of(epoch_chain(), {A: (1, 1)}, key=secret(11)) == "LED-51"


@pytest.mark.parametrize(
    ("first", "last"),
    [(FIRST - 1, FIRST), (FIRST + 20, FIRST + 21), (FIRST + 21, FIRST + 21), (FIRST + 5, FIRST + 60)],
)
def test_reports_are_of_intervals_that_are_over_and_not_reported(first: int, last: int) -> None:
    assert rule_of(epoch_chain(), {A: (1, 1)}, first=first, last=last) == "LED-52"


def test_the_last_interval_that_is_over_can_be_reported() -> None:
    chain = epoch_chain()
    chain.add(report(chain, {A: (1, 1)}, first=FIRST + 7, last=FIRST + 20), at_ms=LATER)
    assert chain.state.meta.next_report == FIRST + 21


def test_no_interval_is_reported_twice() -> None:
    chain = epoch_chain()
    tx = report(chain, {A: (1, 1)}, last=FIRST + 3)
    chain.add(tx, at_ms=LATER)
    with pytest.raises(RuleViolation) as broken:
        chain.add(tx)
    assert broken.value.rule == "LED-52"
    assert rule_of_overlap(chain) == "LED-52"


def rule_of_overlap(chain: Chain) -> str:
    """Return the rule that a report breaks which overlaps with the last one."""
    with pytest.raises(RuleViolation) as broken:
        chain.add(report(chain, {A: (1, 1)}, first=FIRST + 3, last=FIRST + 6))
    return broken.value.rule


def test_nobody_but_candidates_is_reported() -> None:
    """Prosumers stay out of it: a key that is not in the registry cannot be named."""
    assert rule_of(epoch_chain(), {bytes(33): (1, 1)}) == "LED-53"
    assert rule_of(Chain(genesis(epochs=PARAMS)), {A: (1, 1)}) == "LED-53"


def test_sums_stay_numbers_that_can_be_encoded() -> None:
    record = DeliveryRecord()
    row = DeliveryRow(public_key=A, promised_j=MAX_REPORT_J, delivered_j=0)
    count = MAX_EPOCH_J // MAX_REPORT_J
    full = DeliveryRecord(epochs=((0, Delivery(count * MAX_REPORT_J, 0, 0)),))
    with pytest.raises(RuleViolation) as broken:
        full.with_report(0, row, 2)
    assert broken.value.rule == "LED-54"
    assert record.with_report(0, row, 2).epochs == ((0, Delivery(MAX_REPORT_J, MAX_REPORT_J, 0)),)
    assert full.with_report(2, row, 2).epochs == ((2, Delivery(MAX_REPORT_J, MAX_REPORT_J, 0)),)


@pytest.mark.parametrize(
    "altered",
    [
        {"public_key": b""},
        {"public_key": 5},
        {"promised_j": -KWH},
        {"promised_j": 1},
        {"promised_j": REPORT_STEP_J // 2},
        {"promised_j": MAX_REPORT_J + REPORT_STEP_J},
        {"delivered_j": True},
        {"delivered_j": b""},
    ],
)
def test_a_row_has_one_shape(altered: dict[str, object]) -> None:
    with pytest.raises(RuleViolation) as broken:
        replace(DeliveryRow(public_key=A, promised_j=KWH, delivered_j=0), **altered)  # type: ignore[arg-type]
    assert broken.value.rule == "LED-50"


@pytest.mark.parametrize(
    "fields",
    [
        (FIRST, FIRST - 1, (ROW,)),
        (FIRST, MAX_INTERVAL, (ROW,)),
        (FIRST, b"", (ROW,)),
        (FIRST, FIRST, ()),
        (FIRST, FIRST, 0),
        (FIRST, FIRST, (0,)),
        (FIRST, FIRST, (ROW[:2],)),
        (FIRST, FIRST, (ROW, ROW)),
        (FIRST, FIRST, ((B, 0, 0), ROW)),
        (FIRST, FIRST, tuple((n.to_bytes(33, "big"), 0, 0) for n in range(1, MAX_CANDIDATES + 2))),
    ],
)
def test_a_report_has_one_shape(fields: tuple[object, ...]) -> None:
    raw = encode((5, *fields, A, bytes(64)))  # type: ignore[arg-type]
    with pytest.raises(RuleViolation) as broken:
        decode_transaction(raw, max_bytes=1 << 16)
    assert broken.value.rule == "LED-50"


def test_the_largest_report_is_read() -> None:
    rows = tuple(
        DeliveryRow(public_key=n.to_bytes(33, "big"), promised_j=0, delivered_j=0)
        for n in range(1, MAX_CANDIDATES + 1)
    )
    content = ReportDelivery(first_interval=0, last_interval=MAX_INTERVAL - 1, rows=rows)
    signed = epoch_chain().sign(content, secret(1))
    assert decode_transaction(signed.raw, max_bytes=1 << 16) == signed
    with pytest.raises(RuleViolation):
        replace(content, rows=(*rows, replace(rows[0], public_key=b"\xff" * 33)))


def test_a_record_reads_back() -> None:
    record = DeliveryRecord(epochs=((3, Delivery(5, 1, 4)), (4, Delivery(0, 7, 0))))
    assert delivery_from_bytes(encode_delivery(record)) == record
    for wire in (0, (0,), ((1, 2, 3),), ((1, 2, 3, -1),), ((1, 2, 3, b""),)):
        with pytest.raises(RuleViolation) as broken:
            delivery_from_bytes(encode(wire))
        assert broken.value.rule == "LED-38"
