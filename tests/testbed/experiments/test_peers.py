"""Peers are asked in processes of their own: absent ones are named, hanging ones are ended; ours meet the facts."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from testbed.bench.published_book import CROSSING_WH, MOST_ENERGY_WH
from testbed.experiments import peer_worker, peers
from testbed.experiments.findings import Options
from testbed.experiments.peers import Cleared, ask
from testbed.experiments.work import Work


def interpreter(folder: Path, script: str) -> Path:
    """Something that is started in place of an interpreter."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize("count", [100, 1_000])
def test_own_clearings_reach_the_acceptance_volumes(count: int) -> None:
    found = {name: clear(count) for name, clear in peers._own().items()}
    assert list(found.values()) == pytest.approx(
        [MOST_ENERGY_WH[count] / 1e3, CROSSING_WH[count] / 1e3, CROSSING_WH[count] / 1e3], abs=1e-9
    )


def test_an_answer_of_the_first_interpreter_that_has_the_peer_is_taken(tmp_path: Path) -> None:
    said = json.dumps({"energy_kwh": 37.2, "seconds": 0.5, "version": "peer 1"})
    has = interpreter(tmp_path, f"cat > /dev/null; echo noise; echo '{said}'")
    found = ask("pymarket, MUDA", 100, [tmp_path / "nothing", has])
    assert found == Cleared(
        engine="pymarket, MUDA", offers=100, energy_kwh=37.2, seconds=0.5, version="peer 1"
    )


def test_a_peer_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    found = ask("pymarket, MUDA", 100, [tmp_path / "nothing"])
    assert found.energy_kwh is None
    assert found.version.startswith("no ")


def test_a_peer_that_dies_has_no_answer(tmp_path: Path) -> None:
    found = ask("pymarket, MUDA", 100, [interpreter(tmp_path, "cat > /dev/null; exit 1")])
    assert (found.energy_kwh, found.seconds, found.version) == (None, None, "")


def test_a_peer_is_ended_when_its_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "_WALL_S", 0.3)
    found = ask("pymarket, MUDA", 100, [interpreter(tmp_path, "exec sleep 60")])
    assert found.seconds is None


def test_the_worker_says_what_it_lacks() -> None:
    found = ask("gsy-framework, pay as bid", 100, [Path(sys.executable)])
    if not found.version.startswith("no "):
        pytest.skip("gsy-framework is installed here")
    assert "gsy" in found.version


def test_the_worker_knows_nothing_of_this_project() -> None:
    lines = Path(peer_worker.__file__).read_text().splitlines()
    imports = [
        line.split()[1].split(".")[0] for line in lines if line.strip().startswith(("import ", "from "))
    ]
    assert not {"testbed", "light_client", "firmware_app", "meter_io"} & set(imports)


def test_without_any_peer_the_experiment_holds_and_says_what_it_skipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    monkeypatch.setattr(peers, "_counts", lambda options: (100,))
    findings = peers.perform(Options(), Work(lambda name: None))
    assert findings.holds
    assert len([setting for setting in findings.settings if setting.startswith("skipped")]) >= 1
    assert "--peers" in findings.conclusions[1]


def test_what_trades_more_than_there_is_is_out_of_bounds() -> None:
    name = "pymarket, Huang"
    for energy, met in ((62.0, True), (62.6, False)):
        cleared = Cleared(engine=name, offers=100, energy_kwh=energy, seconds=0.1, version="1")
        assert peers._comparisons([cleared])[0].met is met
