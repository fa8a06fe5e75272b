"""Numbers as people read them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.report.wording import (
    calendar_day,
    capitalised,
    clock,
    kwh,
    milliseconds,
    money,
    percent,
    quantile,
    runs,
    seconds,
)

NOON = (1_781_395_200 + 12 * 3600) // 900


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (kwh(3_600_000), "1.0"),
        (kwh(4_443_800_000), "1\u202f234.4"),
        (money(111_620_000), "111.62"),
        (percent(0.977), "97.7\u202f%"),
        (percent(None), "none possible"),
        (percent(1.0), "100.0\u202f%"),
        (percent(0.99999), "99.9\u202f%"),
        (percent(0.00001), "0.1\u202f%"),
        (percent(0.0), "0.0\u202f%"),
        (seconds(2.4), "2.4\u202fs"),
        (seconds(3_600), "60\u202fmin"),
        (seconds(None), "none"),
        (milliseconds(3.0), "3.0\u202fms"),
        (milliseconds(0.0912), "0.091\u202fms"),
        (milliseconds(9.97), "10\u202fms"),
        (milliseconds(123.4), "123\u202fms"),
        (capitalised("home 7 on GRID"), "Home 7 on GRID"),
        (clock(NOON, 900), "12:00"),
        (clock(NOON + 48, 900), "00:00"),
        (clock(NOON + 48, 900, ends=True), "24:00"),
        (calendar_day(NOON, 900), "Sunday, 14 June 2026"),
    ],
)
def test_wording(text: str, expected: str) -> None:
    assert text == expected


@given(st.sets(st.integers(0, 60)))
def test_runs_cover_exactly_what_they_were_given(numbers: set[int]) -> None:
    found = runs(sorted(numbers))
    assert {number for first, last in found for number in range(first, last + 1)} == numbers
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(found))


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
)
def test_quantiles_are_values_that_occurred(values: list[float], share: float) -> None:
    found = quantile(values, share)
    assert found in values
    below = sum(value < found for value in values)
    upto = sum(value <= found for value in values)
    assert below < share * len(values) + 1e-9
    assert upto >= share * len(values) - 1e-9
    assert found == pytest.approx(float(np.quantile(values, share, method="inverted_cdf")))
