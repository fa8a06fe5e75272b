"""`gridlight-testbed run`: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from firmware_app.console import Exit
from testbed.cli import main
from testbed.scenarios import catalogue

KEYS = [
    "offered_j",
    "traded_j",
    "bound_j",
    "gap_j",
    "blocks",
    "finals",
    "meters",
    "verified_headers",
    "verified_trades",
    "verified_solutions",
    "rejected",
    "latency_p50_s",
    "latency_p99_s",
    "wall_s",
]


def test_a_day_writes_report_and_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "village", "--out", str(tmp_path), "--json", "--quiet"]) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert next(iter(document)) == "schema"
    assert document["passed"]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [key for key in KEYS if key not in summary] == []
    assert summary["gap_j"] == summary["bound_j"] - summary["traded_j"] >= 0
    assert summary["verified_solutions"] == summary["finals"] * summary["meters"]
    assert "<html" in (tmp_path / "report.html").read_text()


def test_a_metered_day_says_what_was_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (catalogue.SHIPPED / "village-metered.toml").read_text()
    hour = text.replace("[window]", "[window]\nfrom_interval = 40\nto_interval = 43")
    (tmp_path / "hour.toml").write_text(hour)
    words = ["run", str(tmp_path / "hour.toml"), "--meter-fault", "301:silence@36000+600"]
    assert main([*words, "--json", "--quiet"]) == Exit.OK
    readings = json.loads(capsys.readouterr().out)["readings"]
    assert readings["homes"] == 6
    assert readings["halted"] == [102, 301]
    assert readings["wrong"] == readings["posted_suspect"] == 0
    assert readings["measured"] + readings["estimated"] + readings["unknown"] == 6 * 4
    assert main([*words, "--quiet"]) == Exit.OK
    said = capsys.readouterr().out
    assert "suspect for a while: home 102, 301" in said
    assert "--meter-fault 301:silence@36000+600" in said
    assert main([*words, "--meters", "plan", "--json", "--quiet"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["readings"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "vilage"], "village"),
        (["run", "nowhere.toml"], "nowhere.toml"),
        (["run", "village", "--campaign", "0"], "positive"),
        (["run", "village", "--meters", "readings", "--meter-fault", "9:reset@5"], "101"),
        (["run", "village", "--meters", "readings", "--meter-fault", "101:rest@5"], "false-zero@60+30"),
        (["run", "village", "--meter-fault", "reset"], "HOME:KIND"),
        (["run"], "SCENARIO"),
    ],
)
def test_wrong_use_gets_one_clear_sentence(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == Exit.USAGE
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_a_campaign_names_what_it_ran(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "siege", "--campaign", "2", "--seed", "5", "--json", "--quiet"]) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert document["runs"] == 2
    assert document["false_accusations"] == 0
    assert (document["safety_violations"], document["liveness_failures"], document["failing_seeds"]) == (
        0,
        0,
        [],
    )
