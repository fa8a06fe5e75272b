"""The last lines of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from testbed.report.model import Expectation
from testbed.report.terminal import terminal_summary
from tests.testbed.report.example import example_day, example_summary


def test_a_good_day(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_bytes(bytes(312_000))
    lines = terminal_summary(example_day(), files=[report, Path("events.jsonl")]).splitlines()
    titles = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert titles[:8] == ["Energy", "Money", "Proof", "Refused", "Ledger", "Meters", "Feeders", "PASS"]
    text = "\n".join(lines)
    assert "60 of 96 intervals proven optimal, 34 had nothing to trade, 2 kept an earlier plan" in text
    assert "3 false solutions: CNS-05 2, MKT-03 1" in text
    assert "2.35 settled" in text
    assert "3 of 3 expectations hold" in text
    assert lines[-1] == f"{report} (312 kB)   events.jsonl   again: gridlight-testbed run village --seed 1"
    assert "\x1b" not in text
    assert text.isprintable() or set(text) - {"\n"} <= set(map(chr, range(32, 127)))


def test_a_bad_day_says_what_broke_right_after_the_verdict() -> None:
    broken = Expectation(name="no fork", passed=False, got="1", expected="0")
    lines = terminal_summary(example_day(expectations=(broken,)), colour=True).splitlines()
    at = next(number for number, line in enumerate(lines) if "FAIL" in line)
    assert "\x1b[31;1mFAIL\x1b[0m" in lines[at]
    assert "2 of 3 expectations hold" in lines[at]
    assert lines[at + 1].strip() == "no fork: got 1, expected 0"


def test_a_day_on_which_nothing_could_trade() -> None:
    summary = example_summary(traded_j=0, bound_j=0, gap_j=0, latency_p50_s=None, latency_p99_s=None)
    text = terminal_summary(replace(example_day(), summary=summary, traded_j=(0,) * 96))
    assert "nothing could have been traded" in text
    assert "offer to final" not in text
