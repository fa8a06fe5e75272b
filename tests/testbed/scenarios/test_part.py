"""A part of a day is a scenario of its own: the same homes, their energy of those intervals, and offers within it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.scenarios import catalogue
from testbed.scenarios.errors import PlanError
from testbed.scenarios.part import part_of

_DAY = catalogue.build(catalogue.find("village"))


def test_the_whole_day_is_a_part_of_itself() -> None:
    assert part_of(_DAY, skip=0, intervals=_DAY.intervals) == _DAY


@given(st.integers(0, 95), st.integers(1, 96))
def test_a_part_holds_exactly_what_lies_in_it(skip: int, intervals: int) -> None:
    if skip + intervals > 96:
        with pytest.raises(PlanError):
            part_of(_DAY, skip=skip, intervals=intervals)
        return
    part = part_of(_DAY, skip=skip, intervals=intervals)
    inside = range(part.first_interval, part.last_interval + 1)
    assert len(inside) == intervals
    assert part.first_interval == _DAY.first_interval + skip
    kept = set(part.offers)
    for offer in _DAY.offers:
        assert (offer in kept) == (offer.first_interval in inside and offer.last_interval in inside)
    for whole, home in zip(_DAY.homes, part.homes, strict=True):
        assert home.home_id == whole.home_id
        assert home.load_j == tuple(whole.load_j[skip + at] for at in range(intervals))
        assert home.pv_j == tuple(whole.pv_j[skip + at] for at in range(intervals))


@pytest.mark.parametrize(("skip", "intervals"), [(-1, 2), (0, 0), (96, 1), (0, 97)])
def test_what_is_no_part_of_the_day_is_refused(skip: int, intervals: int) -> None:
    with pytest.raises(PlanError, match="part of a day"):
        part_of(_DAY, skip=skip, intervals=intervals)
