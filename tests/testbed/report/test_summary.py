"""``summary.json``: its keys are a promise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.report.summary import summary_json, write_summary
from tests.testbed.report.example import example_summary

KEYS = [
    *(
        "schema",
        "offered_j",
        "traded_j",
        "bound_j",
        "gap_j",
        "blocks",
        "finals",
        "meters",
        "verified_headers",
    ),
    *("verified_trades", "verified_solutions", "rejected", "latency_p50_s", "latency_p99_s", "wall_s"),
]


def test_keys_and_their_order() -> None:
    document = json.loads(summary_json(example_summary()))
    assert list(document) == KEYS
    assert document["schema"] == "gridlight.demo/1"


def test_values_are_those_of_the_day(tmp_path: Path) -> None:
    summary = example_summary(latency_p50_s=None, latency_p99_s=None)
    write_summary(summary, tmp_path / "summary.json")
    document = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert document["latency_p50_s"] is None, "not observed is not zero"
    assert {key: document[key] for key in KEYS[1:]} == {key: getattr(summary, key) for key in KEYS[1:]}
    assert isinstance(document["traded_j"], int)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        summary_json(example_summary(wall_s=float("nan")))
