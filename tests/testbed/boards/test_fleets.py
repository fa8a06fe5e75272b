"""Fleets in one process and in processes: a small sample of `gridlight-testbed up --fleet`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_app.console import Exit
from testbed.boards.faults import FleetScript
from testbed.boards.grid import scenario_text
from testbed.boards.inprocess import run_inprocess
from testbed.boards.verdict import BoardVerdict, fleet_document, fleet_lines
from testbed.cast import Cast
from testbed.cli import main
from testbed.live.staging import Staging, cast_for
from testbed.scenarios import catalogue

NOON_S = 43_200


def _cast(folder: Path, homes: int) -> Cast:
    (folder / "fleet.toml").write_text(scenario_text(homes, seed=3), encoding="utf-8")
    staging = Staging(
        scenario="fleet.toml", data=None, seed=3, skip=48, intervals=3, miners=4, solvers=1, speed=1
    )
    return cast_for(staging, folder)


@pytest.mark.parametrize("homes", [2, 9, 10, 11, 105])
def test_a_grid_has_as_many_homes_as_are_asked_for(tmp_path: Path, homes: int) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(scenario_text(homes, seed=3), encoding="utf-8")
    day = catalogue.build(catalogue.find(str(path)))
    assert len(day.homes) == homes
    assert max(sum(home.feeder == feeder.feeder for home in day.homes) for feeder in day.feeders) <= 10
    assert sum(home.battery is not None for home in day.homes) == 1


def test_in_one_process_every_meter_ends_verified_whatever_the_script_does(tmp_path: Path) -> None:
    cast = _cast(tmp_path, 7)
    script = FleetScript.parse(
        f"101:down@{NOON_S - 900}+1200\n102:cut@{NOON_S - 900}+1500\n103:reset@{NOON_S}+10\n",
        [home.home_id for home in cast.scenario.homes],
    )
    counted: list[int] = []
    day, found, failures = run_inprocess(cast, script, counted.append)
    assert failures == ()
    assert [verdict.complaints for verdict in found] == [()] * 7
    assert counted[-1] == cast.scenario.intervals
    assert [verdict.lives for verdict in found] == [2, 1, 2, 1, 1, 1, 1]
    assert sum(verdict.trades for verdict in found) > 0
    assert all(verdict.verified == verdict.trades for verdict in found)
    assert found[1].accidents == (f"102:cut@{NOON_S - 900}+1500",)
    assert day.meters


def test_a_meter_that_stays_cut_off_is_no_verified_one(tmp_path: Path) -> None:
    cast = _cast(tmp_path, 3)
    script = FleetScript.parse(f"102:cut@{NOON_S}+7200", [home.home_id for home in cast.scenario.homes])
    _, found, _ = run_inprocess(cast, script, lambda _: None)
    assert [bool(verdict.complaints) for verdict in found] == [False, True, False]


def _verdict(**changes: object) -> BoardVerdict:
    plain = BoardVerdict(
        name="meter-0101",
        profile="sml",
        lives=1,
        height=9,
        level="whole solutions",
        offers=2,
        trades=2,
        verified=2,
        guest_bytes=40_000_000,
        whole_bytes=90_000_000,
        accidents=(),
        complaints=(),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_the_report_names_every_complaint_and_both_memories() -> None:
    found = [_verdict(), _verdict(name="meter-0102", complaints=("ended with 70, expected 0",))]
    text = "\n".join(fleet_lines(found, ["docker is gone"]))
    assert "40.0 MB (90.0 MB with the emulator)" in text
    assert "FAIL        meter-0102 ended with 70, expected 0" in text
    assert "FAIL        docker is gone" in text
    assert "1 of 2 meters ended verified" in text
    document = fleet_document(found, "process", ["101:down@1+1"], [])
    assert document["schema"] == "gridlight.fleet/1"
    assert json.loads(json.dumps(document))["boards"][1]["complaints"] == ["ended with 70, expected 0"]


def test_too_many_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    code = main(["up", "--fleet", "90000", "--mode", "process", "--out", str(out)])
    assert code == Exit.USAGE
    assert "would fit" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--fleet", "4", "--mode", "inprocess", "--emulated", "1"],
        ["--fleet", "4", "--mode", "qemu", "--emulated", "1"],
        ["--fleet", "4", "--mode", "process", "--emulated", "4"],
    ],
)
def test_how_many_are_whole_computers_is_said_where_it_means_something(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", *words, "--out", str(tmp_path / "run")]) == Exit.USAGE
    assert "--emulated says how many" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_card_that_is_not_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--fleet", "2", "--mode", "qemu", "--card", str(tmp_path / "no.img"), "--speed", "10"]
    assert main(["up", *words, "--out", str(tmp_path / "run")]) == Exit.FAILED
    assert "there is no card" in capsys.readouterr().err


def test_a_wrong_script_is_told_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "script"
    script.write_text("101:down@1+1\n999:cut@1+1\n", encoding="utf-8")
    words = ["--faults", str(script), "--out", str(tmp_path / "run"), "--from", "12:00", "--intervals", "2"]
    assert main(["up", "--fleet", "4", "--mode", "inprocess", *words]) == Exit.USAGE
    assert "line 2: there is no home '999'" in capsys.readouterr().err


def test_one_command_one_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--out",
        str(tmp_path / "run"),
        "--from",
        "12:00",
        "--intervals",
        "2",
        "--faults",
        "drawn",
        "--json",
    ]
    code = main(["up", "--fleet", "5", "--mode", "inprocess", *words])
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "gridlight.fleet/1"
    assert len(document["boards"]) == 5
    assert code == (Exit.FAILED if any(board["complaints"] for board in document["boards"]) else Exit.OK)
    assert json.loads((tmp_path / "run" / "fleet.json").read_text(encoding="utf-8"))["script"]


@pytest.mark.slow
def test_whole_devices_in_processes_lose_power_and_network_and_end_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script"
    script.write_text(
        f"101:down@{NOON_S}+900\n102:cut@{NOON_S}+900\n102:reset@{NOON_S + 1800}+60\n", encoding="utf-8"
    )
    words = ["--from", "12:00", "--intervals", "5", "--speed", "120", "--faults", str(script), "--json"]
    code = main(["up", "--fleet", "2", "--mode", "process", "--out", str(tmp_path / "run"), *words])
    document = json.loads(capsys.readouterr().out)
    assert code == Exit.OK, document
    assert [board["complaints"] for board in document["boards"]] == [[], []]
    assert [board["lives"] for board in document["boards"]] == [2, 2]
    assert sum(board["offers"] for board in document["boards"]) > 0
    assert all(10_000_000 < board["guest_bytes"] < 64_000_000 for board in document["boards"])
