"""Checkpoints and forks as bytes, who is convicted by a fork, and what an account must hold after its trades."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.checkpoint import checkpoint_from_bytes
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.holdings import account_after, balance_follows_from_trades
from light_client.rules.ledger.fork import fork_from_bytes, fork_of
from light_client.rules.ledger.records import Account
from light_client.rules.market.clearing import Trade
from tests.anchor_cases import FORK, GOOD, TWIN, certified
from tests.ledger_kit import BUY, FIRST, KWH, SELL
from tests.light_ground import THIRD

READERS: dict[str, tuple[bytes, Callable[[bytes], Any]]] = {
    "checkpoint": (GOOD.encode(), checkpoint_from_bytes),
    "fork": (FORK.encode(), fork_from_bytes),
}
each = pytest.mark.parametrize(("raw", "read"), READERS.values(), ids=READERS)


@each
def test_bytes_come_back(raw: bytes, read: Callable[[bytes], Any]) -> None:
    assert read(raw) == (GOOD if read is checkpoint_from_bytes else FORK)
    assert read(raw).encode() == raw


@each
@given(data=st.data())
def test_changed_bytes_are_something_else_or_refused(
    raw: bytes, read: Callable[[bytes], Any], data: st.DataObject
) -> None:
    changed = bytearray(raw)
    changed[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(changed[: data.draw(st.integers(0, len(raw)))])
    for candidate in (bytes(changed), cut):
        try:
            found = read(candidate)
        except RuleViolation:
            continue
        assert found.encode() == candidate


FIELDS: Any = decode(GOOD.encode(), max_bytes=1 << 16, max_depth=8, max_items=1 << 10)


@pytest.mark.parametrize(
    "fields",
    [
        (),
        FIELDS[:3],
        (*FIELDS[:3], 7),
        (*FIELDS[:3], (7,)),
        (*FIELDS[:3], ((0,),)),
        (*FIELDS[:3], ((b"", bytes(64)),)),
        (*FIELDS[:3], ((0, 1),)),
        (*FIELDS[:3], ((0, bytes(63)),)),
    ],
)
def test_a_checkpoint_of_another_shape_is_refused(fields: Any) -> None:
    with pytest.raises(RuleViolation, match="LC-17"):
        checkpoint_from_bytes(encode(fields))


@pytest.mark.parametrize("fields", [7, (), (1, 2), ((), ()), ((1, 2, 3), (1, 2))])
def test_a_fork_of_another_shape_is_refused(fields: Any) -> None:
    with pytest.raises(RuleViolation, match="LC-19"):
        fork_from_bytes(encode(fields))


def test_a_fork_has_one_spelling_and_a_height() -> None:
    one, other = certified(THIRD), certified(TWIN)
    assert fork_of(one, other) == fork_of(other, one) == FORK
    assert FORK.height == THIRD.height


@pytest.mark.parametrize(
    ("seats", "others", "round_", "guilty"),
    [
        ((0, 1, 2), (0, 1, 2), 0, (0, 1, 2)),
        ((0, 1, 2), (1, 2, 3), 0, (1, 2)),
        ((0, 1, 2), (1, 2, 3), 1, ()),
    ],
)
def test_only_who_signed_both_in_one_round_is_convicted(
    seats: tuple[int, ...], others: tuple[int, ...], round_: int, guilty: tuple[int, ...]
) -> None:
    made = fork_of(certified(THIRD, seats), certified(TWIN, others, round_))
    assert made.culprits() == guilty


GRANTED = Account(
    feeder=1,
    first_interval=FIRST,
    last_interval=FIRST + 9,
    production_j=5 * KWH,
    consumption_j=3 * KWH,
    money_uc=1_000,
    next_sequence=2,
)


def test_an_account_holds_its_grant_and_what_its_trades_made_of_it() -> None:
    trades = (Trade(1, SELL, FIRST, 2 * KWH, 300), Trade(2, BUY, FIRST, KWH, 200))
    expected = Account(
        feeder=1,
        first_interval=FIRST,
        last_interval=FIRST + 9,
        production_j=3 * KWH,
        consumption_j=2 * KWH,
        money_uc=1_100,
        sold_j=2 * KWH,
        bought_j=KWH,
        next_sequence=2,
    )
    held = account_after(GRANTED, trades)
    assert held == expected
    balance_follows_from_trades(held, expected)
    wrong = {
        "LC-15": (expected._replace(money_uc=1_101), GRANTED),
        "LC-26": (expected._replace(money_uc=1_099),),
    }
    for rule, cases in wrong.items():
        for case in cases:
            with pytest.raises(RuleViolation, match=rule):
                balance_follows_from_trades(held, case)
