"""A trading day whose parts contradict each other is refused; one that does not judges itself."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.report.model import FeederDay, ReportError, loading
from tests.testbed.report.example import example_day, example_summary


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"gap_j": 1}, "gap_j"),
        ({"blocks": -1}, "blocks"),
        ({"finals_proven": 1}, "proven, kept, vacuous and computed"),
        ({"latency_p50_s": -0.5}, "latency_p50_s"),
    ],
)
def test_contradicting_totals_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ReportError, match=told):
        example_summary(**changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"wanted_j": (1,)}, "length of wanted_j"),
        ({"bound_cumulative_j": (1,)}, "length of bound_cumulative_j"),
        ({"feeders": (FeederDay(feeder=4, c_ext_w=1, net_j=(0,)),)}, "net_j of feeder 4"),
        ({"traded_j": (1,) * 96}, "sum of traded_j"),
        ({"rejected_by_rule": (("CNS-05", 1),)}, "sum of rejected_by_rule"),
    ],
)
def test_contradicting_series_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ReportError, match=told):
        example_day(**changes)


@pytest.mark.parametrize(
    ("net_j", "word"),
    [(None, "unknown"), (99, "below"), (100, "at"), (-100, "at"), (101, "above"), (-101, "above")],
)
def test_where_a_flow_stands(net_j: int | None, word: str) -> None:
    assert loading(net_j, 100) == word


def test_the_example_reaches_its_limits_and_passes() -> None:
    day = example_day()
    counts = day.feeder_intervals()
    assert counts["at"] > 0
    assert counts["above"] == 0
    assert sum(counts.values()) == 3 * 96
    assert day.passed
    assert len(day.checked()) == 3
