"""Quarter hours out of hours: no joule lost, none invented, none negative."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.scenarios.interpolation import quarters_of_hours

HOURS = st.lists(st.integers(0, 50_000_000), min_size=1, max_size=30)


def _keeps_every_hour(rule: Callable[[Sequence[int]], Sequence[int]], hours: list[int]) -> bool:
    quarters = rule(hours)
    return [sum(quarters[4 * h : 4 * h + 4]) for h in range(len(hours))] == hours


@given(HOURS)
def test_every_hour_keeps_its_energy_exactly(hours: list[int]) -> None:
    assert _keeps_every_hour(quarters_of_hours, hours)


def test_the_conservation_check_fails_for_the_usual_rounding() -> None:
    def truncating(hours: Sequence[int]) -> list[int]:
        return [hour // 4 for hour in hours for _ in range(4)]

    assert not _keeps_every_hour(truncating, [10])


@given(HOURS)
def test_no_quarter_leaves_the_range_of_the_neighbouring_means(hours: list[int]) -> None:
    for index, quarter in enumerate(quarters_of_hours(hours)):
        around = hours[max(index // 4 - 1, 0) : index // 4 + 2]
        assert min(around) // 4 <= quarter <= -(-max(around) // 4)


def test_a_ramp_becomes_a_straight_line() -> None:
    middle_hour = quarters_of_hours([0, 3200, 6400])[4:8]
    assert middle_hour == (500, 700, 900, 1100)


def test_peaks_and_plateaus_stay_flat() -> None:
    assert quarters_of_hours([100, 400, 100])[4:8] == (100, 100, 100, 100)
    assert quarters_of_hours([7]) == (2, 2, 2, 1)


@pytest.mark.parametrize("hours", [[0, 0, 0], [1, 0, 1]])
def test_nothing_out_of_nothing(hours: list[int]) -> None:
    assert sum(quarters_of_hours(hours)[4:8]) == 0
