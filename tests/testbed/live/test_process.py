"""Real processes on the loopback interface: they talk, die, come back with what they had, and end as they should."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from testbed.live.process import BUG, REFUSED, STOPPED, WRONG_USE
from tests.testbed.live.grid import reports, write_genesis, write_pair

_ROOT = Path(__file__).resolve().parents[3]
_PROGRAM = Path(__file__).with_name("grid.py")
_PATIENCE_S = 15.0

Start: TypeAlias = Callable[[Path], "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start processes and leave none behind."""
    children: list[subprocess.Popen[str]] = []

    def run(path: Path) -> subprocess.Popen[str]:
        command = [sys.executable, str(_PROGRAM), str(path)]
        environ = {**os.environ, "PYTHONPATH": str(_ROOT)}
        child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ)
        children.append(child)
        return child

    yield run
    for child in children:
        child.kill()
        child.communicate()


def _end(child: "subprocess.Popen[str]") -> tuple[int, str]:
    """Wait for the end of a process; return its exit code and what it said."""
    _, said = child.communicate(timeout=_PATIENCE_S)
    return child.returncode, said


def _until(path: Path, wanted: Callable[[list[dict[str, Any]]], bool], what: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + _PATIENCE_S
    while not wanted(found := reports(path)):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found


def _loads(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in found if line["name"] == "live.load"]


def _answers(found: list[dict[str, Any]]) -> list[int]:
    return [line["value"] for line in found if line["name"] == "asker.answer"]


def test_a_killed_process_comes_back_with_everything_it_had_answered(tmp_path: Path, start: Start) -> None:
    counter_file, asker_file = write_pair(tmp_path)
    counter, asker = start(counter_file), start(asker_file)
    log = tmp_path / "asker.jsonl"
    before = max(_answers(_until(log, lambda found: len(_answers(found)) >= 10, "ten answers")))
    counter.send_signal(signal.SIGKILL)
    counter.wait()
    again = start(counter_file)
    found = _until(log, lambda lines: max(_answers(lines)) >= before + 10, "ten more answers")
    assert "asker.stepped-back" not in {line["name"] for line in found}, "an answer was sent, then forgotten"
    starts = [
        line["value"] for line in reports(tmp_path / "counter.jsonl") if line["name"] == "counter.started"
    ]
    assert starts[0] == 0
    assert starts[1] >= before
    for child in (asker, again):
        child.send_signal(signal.SIGTERM)
        assert _end(child)[0] == STOPPED
    connections = [line["value"] for line in reports(log) if line["name"] == "live.connections"]
    assert connections[-1]["connected"] == ["counter"]
    assert set(connections[-1]["faults"]) <= {"queue-full"}, (
        "only what was asked while nobody was there is lost"
    )


def test_virtual_time_runs_in_the_reports(tmp_path: Path, start: Start) -> None:
    _, asker_file = write_pair(tmp_path)
    asker = start(asker_file)
    log = tmp_path / "asker.jsonl"
    found = _until(log, lambda lines: len(_loads(lines)) >= 2, "two reports of the load")
    asker.send_signal(signal.SIGINT)
    code, said = _end(asker)
    assert code == STOPPED
    assert "stopped" in said
    times = [line["time_ms"] for line in _loads(found)]
    assert times == sorted(times)
    assert times[0] > 1_767_225_600_000
    assert times[-1] - times[0] >= 50_000, "a second between status reports is a hundred at this speed"


def test_a_bug_ends_with_70_and_a_traceback(tmp_path: Path, start: Start) -> None:
    counter_file, asker_file = write_pair(tmp_path, message="boom")
    counter = start(counter_file)
    start(asker_file)
    code, said = _end(counter)
    assert code == BUG
    assert "Traceback" in said
    assert "ZeroDivisionError: a bug for the test" in said


def test_a_taken_port_and_a_taken_store_are_refused_in_a_sentence(tmp_path: Path, start: Start) -> None:
    counter_file, _ = write_pair(tmp_path)
    port = int(json.loads(counter_file.read_text())["actors"][0]["listen"].rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        code, said = _end(start(counter_file))
    assert code == REFUSED
    assert "cannot listen on" in said
    assert "Traceback" not in said
    start(counter_file)
    _until(tmp_path / "counter.jsonl", bool, "the first runs")
    code, said = _end(start(counter_file))
    assert code == REFUSED
    assert "in use by another process" in said


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"schema": "gridlight.node/2"}, "expected 'gridlight.node/1'"),
        ({"surprise": 1}, "unknown keys ['surprise']"),
        ({"clock": {"start_real_ms": 0, "start_virtual_ms": 0, "speed": 0}}, "speed of the clock"),
        ({"genesis": "missing.cbor"}, "No such file"),
        ({"role": "wizard"}, "there is no role 'wizard'"),
        ({"transport_key": "missing.key"}, "cannot be read"),
        ({"genesis": "real.cbor"}, "is no test chain"),
    ],
)
def test_a_wrong_node_file_is_refused_in_a_sentence(
    tmp_path: Path, start: Start, change: dict[str, Any], sentence: str
) -> None:
    counter_file, _ = write_pair(tmp_path)
    write_genesis(tmp_path / "real.cbor", name="production")
    document = json.loads(counter_file.read_text())
    inner = document["actors"][0]
    for key, value in change.items():
        (inner if key in inner else document)[key] = value
    counter_file.write_text(json.dumps(document))
    code, said = _end(start(counter_file))
    assert code == WRONG_USE
    assert sentence in said
    assert "Traceback" not in said
