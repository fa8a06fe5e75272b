"""Several transactions in one submission, and refusals that say when to come again."""

from __future__ import annotations

import pytest

from light_client.messages.codec import decode_message, encode_message
from light_client.messages.submission import MAX_RETRY_MS, MAX_TOGETHER, SubmitTx, TxResult
from light_client.rules.errors import RuleViolation

TX_ID = bytes(32)


def test_one_transaction_is_spelled_as_it_always_was() -> None:
    assert SubmitTx(raw=b"a").to_wire() == (b"a",)
    both = SubmitTx(raw=b"a", more=(b"b", b"c"))
    assert both.all == (b"a", b"b", b"c")
    assert decode_message(encode_message(both)) == both


@pytest.mark.parametrize("wire", [(), b"a", (1,), (b"",), (b"a", b"")])
def test_a_submission_is_a_list_of_transactions(wire: object) -> None:
    with pytest.raises(RuleViolation, match=r"MSG-0[35]"):
        SubmitTx.from_wire(wire)  # type: ignore[arg-type] # what a peer may send


def test_a_submission_has_a_limit() -> None:
    assert len(SubmitTx(raw=b"a", more=(b"a",) * (MAX_TOGETHER - 1)).all) == MAX_TOGETHER
    with pytest.raises(RuleViolation, match="MSG-07"):
        SubmitTx(raw=b"a", more=(b"a",) * MAX_TOGETHER)


def test_only_a_refusal_with_a_pause_carries_one() -> None:
    broken = RuleViolation("POOL-01", "the pool is full")
    assert len(TxResult.refused(TX_ID, broken).to_wire()) == 4
    put_off = TxResult.refused(TX_ID, broken, 750)
    assert put_off.to_wire()[4] == 750
    assert decode_message(encode_message(put_off)) == put_off


@pytest.mark.parametrize("pause", [0, -1, MAX_RETRY_MS + 1, b"1"])
def test_a_pause_has_bounds_and_one_spelling(pause: object) -> None:
    with pytest.raises(RuleViolation, match="MSG-04"):
        TxResult.from_wire((TX_ID, 0, "POOL-01", "", pause))
