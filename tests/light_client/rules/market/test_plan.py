"""MKT-10: the one spelling of a plan on the wire, and what finalisation leaves of a plan."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.errors import RuleViolation
from light_client.rules.market import plan as plan_module
from light_client.rules.market.plan import MAX_WIRE_NUMBER, Plan, plan_from_wire
from light_client.rules.units import MAX_INTERVAL
from tests.light_client.rules.market.samples import BUY, SELL, key, plan

ROW = (0, 3, 50, (0, 1, 4, 0), (0, 9, 4, 12))


def test_the_wire_form_is_relative_and_ordered() -> None:
    stated = plan(
        {key(BUY, 2, 60, 11): {11: 21}, key(SELL, 3, 50, 10, 11, 14): {10: 9, 14: 12}}, first_interval=10
    )
    wire = (10, (ROW, (1, 2, 60, (1, 0), (1, 21))))
    assert stated.to_wire() == wire
    assert plan_from_wire(wire) == stated


def test_an_empty_plan_has_a_spelling() -> None:
    assert plan_from_wire((MAX_INTERVAL - 1, ())) == Plan(first_interval=MAX_INTERVAL - 1, flows={})


@pytest.mark.parametrize(
    "wire",
    [
        None,
        [],
        (),
        (0,),
        (0, (), ()),
        ("0", ()),
        (True, ()),
        (0, []),
        (-1, ()),
        (MAX_INTERVAL, ()),
        (0, (None,)),
        (0, ((),)),
        (0, (list(ROW),)),
        (0, (ROW[:4],)),
        (0, ((*ROW, 0),)),
        (0, (("0", *ROW[1:]),)),
        (0, ((False, *ROW[1:]),)),
        (0, ((2, *ROW[1:]),)),
        (0, ((-1, *ROW[1:]),)),
        (0, ((0, -3, *ROW[2:]),)),
        (0, ((0, 3.0, *ROW[2:]),)),
        (0, ((0, 3, -50, *ROW[3:]),)),
        (0, ((0, 3, 1 << 70, *ROW[3:]),)),
        (0, (ROW, ROW)),
        (0, (ROW, (0, 2, 50, *ROW[3:]))),
        (0, (ROW, (0, 3, 50, (0, 0), (0, 9)))),
    ],
)
def test_rows_of_any_other_shape_or_order_break_mkt_10(wire: Any) -> None:
    with pytest.raises(RuleViolation) as caught:
        plan_from_wire(wire)
    assert caught.value.rule == "MKT-10"
    assert str(caught.value)


@pytest.mark.parametrize(
    "ranges",
    [
        None,
        (),
        [0, 1],
        (0,),
        (0, 1, 4),
        (0, "1"),
        (0, True),
        (-1, 1),
        (0, -1),
        (0, 1, 1, 0),
        (0, 1, 2, 0),
        (4, 0, 0, 1),
        (0, MAX_INTERVAL),
        (1 << 5_000, 0),
    ],
)
def test_ranges_of_any_other_spelling_break_mkt_10(ranges: Any) -> None:
    with pytest.raises(RuleViolation) as caught:
        plan_from_wire((0, ((0, 3, 50, ranges, (0, 9)),)))
    assert caught.value.rule == "MKT-10"


@pytest.mark.parametrize(
    "entries",
    [
        None,
        (),
        [0, 9],
        (0,),
        (0, 9, 4),
        (0, 0),
        (0, -9),
        (0, 9.0),
        (0, True),
        (-1, 9),
        (0, 9, 0, 9),
        (4, 9, 0, 9),
        (MAX_INTERVAL, 9),
        (0, MAX_WIRE_NUMBER + 1),
        (0, 1 << 20_000),
    ],
)
def test_duplicate_negative_zero_or_huge_entries_break_mkt_10(entries: Any) -> None:
    with pytest.raises(RuleViolation) as caught:
        plan_from_wire((0, ((0, 3, 50, (0, 4), entries),)))
    assert caught.value.rule == "MKT-10"


def test_the_number_of_entries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = (0, (ROW, (1, 3, 50, (0, 0), (0, 21))))
    monkeypatch.setattr(plan_module, "MAX_PLAN_ENTRIES", 3)
    assert len(plan_from_wire(wire).flows) == 2
    monkeypatch.setattr(plan_module, "MAX_PLAN_ENTRIES", 2)
    with pytest.raises(RuleViolation) as caught:
        plan_from_wire(wire)
    assert caught.value.rule == "MKT-10"


RANGES = st.sampled_from([(0, 0), (0, 1), (0, 0, 2, 0), (1, 1)])
ENTRIES = st.sampled_from([(0, 1), (0, 5, 1, 5), (1, 7), (0, 1, 2, 1)])
ROWS = st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 2), RANGES, ENTRIES)


@given(st.integers(0, 5), st.lists(ROWS, max_size=4, unique_by=lambda row: row[:4]))
def test_what_is_accepted_is_already_canonical(base: int, rows: list[tuple[Any, ...]]) -> None:
    def order(row: tuple[Any, ...]) -> tuple[Any, ...]:
        side, feeder, price, flat, _ = row
        return (side, feeder, price, tuple((a, a + n) for a, n in zip(flat[::2], flat[1::2], strict=True)))

    wire = (base, tuple(sorted(rows, key=order)))
    assert plan_from_wire(wire).to_wire() == wire


def test_finalising_drops_the_past_cuts_classes_and_adds_those_that_become_equal() -> None:
    stated = plan(
        {
            key(SELL, 1, 5, 0): {0: 3},
            key(SELL, 1, 5, 0, 2, 3): {0: 3, 2: 4},
            key(SELL, 1, 5, 2, 3): {2: 5, 3: 6},
            key(BUY, 1, 5, 0, 3): {0: 6},
        }
    )
    after = stated.without(0)
    assert after == plan({key(SELL, 1, 5, 2, 3): {2: 9, 3: 6}}, first_interval=1)
    assert after.without(1).without(2) == plan({key(SELL, 1, 5, 3): {3: 6}}, first_interval=3)
    assert after.without(2) == stated.without(2), "finalising twice is finalising to the later one"
