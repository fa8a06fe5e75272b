"""MKT-04: one spelling for each set of intervals, and the arithmetic on such sets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.errors import RuleViolation
from light_client.rules.market.intervals import (
    MAX_RANGES,
    check_ranges,
    contains,
    count,
    cut_before,
    members,
    ranges_of,
)
from light_client.rules.units import MAX_INTERVAL

SETS = st.sets(st.integers(0, 40), min_size=1, max_size=MAX_RANGES)


@given(SETS)
def test_ranges_are_the_canonical_spelling_of_a_set(chosen: set[int]) -> None:
    ranges = ranges_of(chosen)
    check_ranges(ranges)
    assert list(members(ranges)) == sorted(chosen)
    assert count(ranges) == len(chosen)
    assert all(contains(ranges, t) == (t in chosen) for t in range(-1, 42))


@given(SETS, st.integers(0, 42))
def test_a_cut_keeps_what_is_at_or_after_it(chosen: set[int], first: int) -> None:
    assert cut_before(ranges_of(chosen), first) == ranges_of({t for t in chosen if t >= first})


def test_ranges_of_nothing_is_empty() -> None:
    assert ranges_of([]) == ()


def test_both_ends_of_time_are_valid() -> None:
    check_ranges(((0, MAX_INTERVAL - 1),))
    check_ranges(tuple((3 * i, 3 * i + 1) for i in range(MAX_RANGES)))


@pytest.mark.parametrize(
    "ranges",
    [
        (),
        None,
        7,
        [(1, 2)],
        ((1, 2, 3),),
        ([1, 2],),
        ((1, True),),
        ((1.0, 2),),
        ((2, 1),),
        ((-1, 1),),
        ((5, 6), (1, 2)),
        ((1, 3), (3, 4)),
        ((1, 2), (3, 4)),
        ((1, MAX_INTERVAL),),
        tuple((3 * i, 3 * i + 1) for i in range(MAX_RANGES + 1)),
    ],
)
def test_every_other_spelling_breaks_mkt_04(ranges: Any) -> None:
    with pytest.raises(RuleViolation) as caught:
        check_ranges(ranges)
    assert caught.value.rule == "MKT-04"


def test_a_range_of_two_thousand_million_intervals_is_measured_without_walking_it() -> None:
    long = ((0, MAX_INTERVAL - 1),)
    assert count(long) == MAX_INTERVAL
    assert contains(long, 1 << 30)
    assert cut_before(long, 1 << 30) == ((1 << 30, MAX_INTERVAL - 1),)
