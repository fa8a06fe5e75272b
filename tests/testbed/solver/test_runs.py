"""Sorting rows into groups, by each of its ways, against Python's own sort."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.solver.errors import TooLargeError
from testbed.solver.runs import ordered_groups

_NARROW, _WIDE = st.integers(0, 3), st.sampled_from((0, 1, 7, (1 << 30) - 1))


@given(st.lists(st.tuples(_NARROW, _NARROW), max_size=40) | st.lists(st.tuples(_WIDE, _WIDE), max_size=40))
def test_orders_and_groups_as_tuples_do(rows: list[tuple[int, int]]) -> None:
    table = np.array(rows, np.int64).reshape(-1, 2)
    order, starts = ordered_groups([table[:, 0], table[:, 1]])
    expected = sorted(range(len(rows)), key=rows.__getitem__)
    assert order.tolist() == expected
    ranked = [rows[place] for place in expected]
    assert starts.tolist() == [
        place for place, row in enumerate(ranked) if not place or row != ranked[place - 1]
    ]


def test_columns_too_wide_together_are_numbered_first() -> None:
    wide = np.array([1 << 61, 0, 1 << 61, 5], np.int64)
    order, starts = ordered_groups([wide, wide[::-1].copy()])
    assert order.tolist() == [1, 3, 2, 0]
    assert starts.tolist() == [0, 1, 2, 3]


def test_refuses_what_no_64_bits_can_order() -> None:
    random = np.random.default_rng(1)
    columns = [random.permutation(1 << 13) for _ in range(5)]
    with pytest.raises(TooLargeError):
        ordered_groups(columns)
