"""MKT-02: feeders and their limits."""

from __future__ import annotations

from typing import Any

import pytest

from light_client.rules.errors import RuleViolation
from light_client.rules.market.grid import MAX_FEEDERS, MAX_INTERVAL_S, MAX_POWER_W, Feeder, Grid
from light_client.rules.units import FeederId


def test_limits_become_joules_per_interval() -> None:
    near = Feeder(feeder=FeederId(0), c_ext_w=20_000, c_int_w=25_000)
    far = Feeder(feeder=FeederId(65_535), c_ext_w=0)
    grid = Grid(feeders=(near, far), interval_s=900)
    assert grid.ext_j == {0: 18_000_000, 65_535: 0}
    assert grid.int_j == {0: 22_500_000, 65_535: None}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("feeder", -1),
        ("feeder", 65_536),
        ("feeder", True),
        ("feeder", "1"),
        ("c_ext_w", -1),
        ("c_ext_w", MAX_POWER_W + 1),
        ("c_ext_w", None),
        ("c_ext_w", 1.0),
        ("c_int_w", -1),
        ("c_int_w", MAX_POWER_W + 1),
        ("c_int_w", False),
    ],
)
def test_a_feeder_out_of_range_breaks_mkt_02(name: str, value: Any) -> None:
    fields: dict[str, Any] = {"feeder": 1, "c_ext_w": 5, name: value}
    with pytest.raises(RuleViolation) as caught:
        Feeder(**fields)
    assert caught.value.rule == "MKT-02"


@pytest.mark.parametrize("numbers", [(), (2, 1), (1, 1), tuple(range(MAX_FEEDERS + 1))])
def test_feeders_are_ascending_distinct_and_bounded_in_number(numbers: tuple[int, ...]) -> None:
    feeders = tuple(Feeder(feeder=FeederId(number), c_ext_w=1) for number in numbers)
    with pytest.raises(RuleViolation) as caught:
        Grid(feeders=feeders, interval_s=900)
    assert caught.value.rule == "MKT-02"


@pytest.mark.parametrize("interval_s", [0, MAX_INTERVAL_S + 1, True, 900.0])
def test_the_length_of_the_interval_is_bounded(interval_s: Any) -> None:
    with pytest.raises(RuleViolation) as caught:
        Grid(feeders=(Feeder(feeder=FeederId(1), c_ext_w=1),), interval_s=interval_s)
    assert caught.value.rule == "MKT-02"
