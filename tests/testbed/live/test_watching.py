"""What is read out of report files: whole lines only, and each thing that is wrong with a run is a failure."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from testbed.cast import DSO, Cast
from testbed.live.summary import Summary, summary_lines, summary_of
from testbed.live.watching import Tail, View
from testbed.scenarios import catalogue
from testbed.scenarios.part import part_of
from testbed.simulation.day import cast_of


def test_a_tail_gives_whole_lines_once_and_passes_over_torn_ones(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    tail = Tail(path)
    assert list(tail.lines()) == []
    path.write_text('{"schema":"x/1"}\n{"a":1}\n{"a":')
    assert list(tail.lines()) == [{"a": 1}]
    with path.open("a") as file:
        file.write('2}\n{"torn\n{"schema":"x/1"}\n{"a":3}\n')
    assert list(tail.lines()) == [{"a": 2}, {"a": 3}]
    assert list(tail.lines()) == []


@pytest.fixture(scope="module")
def cast() -> Cast:
    """Two intervals of the village."""
    file = catalogue.find("village")
    return cast_of(file, part_of(catalogue.build(file), skip=40, intervals=2), 1)


def _block(height: int, interval: int = 0, *, fork: str = "", round_: int = 0) -> dict[str, Any]:
    return {
        "height": height,
        "hash": f"{height}{fork}",
        "round": round_,
        "time_ms": 0,
        "how": "proven" if interval else "nothing",
        "interval": interval,
        "traded_j": 3_600_000 if interval else 0,
        "gap_j": 0,
        "paid_uc": 5,
        "events": {"OfferPosted": 2},
    }


def _status(height: int, *, fork: str = "", rejected: int = 0) -> dict[str, Any]:
    checks = {"headers": height, "solutions": 2, "trades": 1, "balances": 0, "rejected": rejected}
    return {"height": height, "tip": f"{height}{fork}", **checks}


def _good(cast: Cast) -> list[tuple[str, str, Any]]:
    """A run in which everybody has the same two blocks."""
    first = cast.scenario.first_interval
    lines: list[tuple[str, str, Any]] = [
        (name, "block", _block(height, first + height - 1))
        for name in (*cast.miner_names, DSO)
        for height in (1, 2)
    ]
    return [*lines, *((name, "live.status", _status(2)) for name in cast.meter_names)]


def _summary(cast: Cast, lines: Iterable[tuple[str, str, Any]]) -> Summary:
    scenario = cast.scenario
    view = View(genesis=cast.genesis, wanted=range(scenario.first_interval, scenario.last_interval + 1))
    for actor, name, value in lines:
        view.take({"actor": actor, "name": name, "value": value, "time_ms": 0})
    return summary_of(view, cast, {})


def test_a_good_run_passes_and_is_counted_by_the_copy_of_the_dso_alone(cast: Cast) -> None:
    summary = _summary(cast, _good(cast))
    assert summary.failures == ()
    assert (summary.final, summary.by_how, summary.traded_j) == (2, {"proven": 2}, 7_200_000)
    assert (summary.height, summary.offers, summary.paid_uc) == (2, 4, 10)
    assert summary.checked["solutions"] == 2 * 6
    assert summary_lines(summary, 900, verdict=True)[-1] == "PASS"
    assert "PASS" not in summary_lines(summary, 900, verdict=False)


def test_a_restarted_dso_that_follows_anew_counts_nothing_twice(cast: Cast) -> None:
    first = cast.scenario.first_interval
    again = [(DSO, "block", _block(height, first + height - 1)) for height in (1, 2)]
    assert _summary(cast, [*_good(cast), *again]) == _summary(cast, _good(cast))


def test_intervals_after_the_run_are_not_counted(cast: Cast) -> None:
    later = (DSO, "block", _block(3, cast.scenario.last_interval + 1))
    assert _summary(cast, [*_good(cast), later]).final == 2


def test_each_thing_that_is_wrong_is_a_failure(cast: Cast) -> None:
    meter = next(iter(cast.meter_names))
    last = cast.scenario.last_interval
    good = _good(cast)
    wrong: dict[str, list[tuple[str, str, Any]]] = {
        "differ at height 2": [
            *good,
            ("miner-1", "block", _block(3)),
            ("miner-2", "block", _block(2, fork="x")),
        ],
        "differ at height 1": [*good, (meter, "live.status", _status(1, fork="x"))],
        "two blocks of height 2": [*good, ("miner-1", "block", _block(2, last, fork="x"))],
        "stopped believing": [*good, (meter, "halted", "MKT-29: a gap")],
        "refused 3 answers": [*good, (meter, "live.status", _status(2, rejected=3))],
        "5 meters followed": [line for line in good if line[0] != meter],
        "1 intervals are final": [line for line in good if line[2].get("interval") != last],
        "1 copies of the chain lack": [line for line in good if line[0] != "miner-3"],
    }
    for sentence, lines in wrong.items():
        summary = _summary(cast, lines)
        assert any(sentence in failure for failure in summary.failures), (sentence, summary.failures)
        assert not summary.passed
        assert any(line.startswith("FAIL") for line in summary_lines(summary, 900, verdict=True))


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("refused", ["miner-3", "SOL-02: interval of a solution (got 1, expected 2)"], "SOL-02"),
        ("message-refused", ["miner-0", "LC-15"], "LC-15"),
        ("tx-refused", "LED-09", "LED-09"),
    ],
)
def test_refusals_are_counted_by_rule(cast: Cast, name: str, value: object, rule: str) -> None:
    summary = _summary(cast, [*_good(cast), ("miner-0", name, json.loads(json.dumps(value)))])
    assert summary.refusals == {rule: 1}
    assert f"1 by {rule}" in "\n".join(summary_lines(summary, 900, verdict=True))
