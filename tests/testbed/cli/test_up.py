"""`up` as people start and stop it: arguments, banner, Ctrl-C, and no process that outlives it, even after SIGKILL."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_app.console import Exit
from testbed import cli

_ROOT = Path(__file__).resolve().parents[3]
_PROGRAM = _ROOT / "testbed" / "bin" / "gridlight-testbed"
_PATIENCE_S = 60.0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["vilage"], "village"),
        (["--speed", "0"], "--speed is 0, expected 1 to 1800"),
        (["--speed", "2000"], "--speed is 2000"),
        (["--from", "25:00"], "expected a time"),
        (["--from", "23:00", "--intervals", "5"], "--intervals is 5, expected 1 to 4"),
        (["--miners", "0"], "--miners is 0"),
        (["--meters-per-process", "0"], "--meters-per-process is 0"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_written(
    words: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert cli.main(["up", *words, "--out", str(out), "--json"]) == Exit.USAGE
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "gridlight.error/1"
    assert sentence in document["error"]["message"]
    assert not out.exists()


def test_a_folder_with_something_in_it_is_not_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "precious").write_text("mine")
    assert cli.main(["up", "--out", str(tmp_path)]) == Exit.USAGE
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


@pytest.fixture
def grid(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A small grid that would run for minutes; whatever a test leaves of it is ended."""
    words = [
        "up",
        "--speed",
        "60",
        "--from",
        "10:00",
        "--meters-per-process",
        "3",
        "--json",
        "--out",
        str(tmp_path),
    ]
    child = subprocess.Popen(
        [sys.executable, str(_PROGRAM), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )
    yield child
    child.kill()
    child.communicate()
    for process in _facts(tmp_path).get("processes", []):
        if _is_up(process):
            os.kill(process["pid"], signal.SIGKILL)


def _facts(folder: Path) -> dict[str, Any]:
    path = folder / "up.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _until_running(folder: Path) -> dict[str, Any]:
    deadline = time.monotonic() + _PATIENCE_S
    while not (facts := _facts(folder)):
        assert time.monotonic() < deadline, "the grid is not up"
        time.sleep(0.1)
    return facts


def _is_up(process: dict[str, Any]) -> bool:
    """Whether the process is still there, and is ours: its command line names its node file."""
    try:
        status = Path(f"/proc/{process['pid']}/stat").read_text().rpartition(")")[2].split()[0]
        command = Path(f"/proc/{process['pid']}/cmdline").read_bytes()
    except OSError:
        return False
    return status != "Z" and f"{process['name']}.json".encode() in command


def _wait_for_the_end(facts: dict[str, Any]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while any(_is_up(process) for process in facts["processes"]):
        assert time.monotonic() < deadline, "processes outlive their supervisor"
        time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_with_a_summary(
    grid: "subprocess.Popen[str]", tmp_path: Path, number: signal.Signals
) -> None:
    facts = _until_running(tmp_path)
    assert facts["state"] == "running"
    assert facts["summary"] is None
    assert all(_is_up(process) for process in facts["processes"])
    grid.send_signal(number)
    out, err = grid.communicate(timeout=_PATIENCE_S)
    assert grid.returncode == Exit.INTERRUPTED
    document = json.loads(out)
    assert next(iter(document)) == "schema"
    assert document["schema"] == "gridlight.up/1"
    assert document["state"] == "interrupted"
    assert document == _facts(tmp_path)
    assert not any(_is_up(process) for process in facts["processes"])
    assert "test keys, worthless elsewhere" in err
    assert facts["genesis"][:4] in err
    assert all(address["endpoint"] in err for address in facts["servers"].values())


def test_processes_notice_that_their_supervisor_was_killed(
    grid: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    facts = _until_running(tmp_path)
    assert len(facts["processes"]) == 4 + 1 + 1 + 2
    grid.kill()
    grid.wait()
    _wait_for_the_end(facts)


def test_a_process_that_hangs_ends_with_its_supervisor_all_the_same(
    grid: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    """Stopped by a signal, a process cannot react to SIGTERM: the supervisor has to end it."""
    facts = _until_running(tmp_path)
    os.kill(facts["processes"][0]["pid"], signal.SIGSTOP)
    grid.send_signal(signal.SIGTERM)
    grid.communicate(timeout=_PATIENCE_S)
    assert grid.returncode == Exit.INTERRUPTED
    _wait_for_the_end(facts)
