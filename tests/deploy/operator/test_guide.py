"""The guide's five commands, typed as they stand there: from nothing to a signed push to three emulated meters."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from firmware_app.console import Exit
from testbed.rollout.broker import NoBrokerError, program

pytestmark = pytest.mark.system
REPOSITORY = Path(__file__).resolve().parents[3]
GUIDE = REPOSITORY / "docs" / "operators.md"
STAYS = {"serve": 0, "up": Exit.INTERRUPTED}
"""These go on until Ctrl-C, as the guide says, and then end with this."""
PATIENCE_S = 400


def five() -> list[list[str]]:
    """The commands, as the guide has them."""
    section = GUIDE.read_text(encoding="utf-8").split("## Five commands")[1].split("\n## ")[0]
    block = re.findall(r"```\n(.*?)```", section, flags=re.DOTALL)[0]
    return [shlex.split(line) for line in block.splitlines()]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty folder where both programs can be typed, and nobody has the ports of the guide."""
    try:
        program()
    except NoBrokerError as error:
        pytest.skip(str(error))
    for port in (8883, 8884):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                pytest.skip(f"port {port} of the guide's commands is taken on this machine")
    return tmp_path


def typed(words: list[str], place: Path) -> subprocess.Popen[str]:
    """Start a command, by this very Python."""
    part = {"gridlight-fleet": "deploy/operator", "gridlight-testbed": "testbed"}[words[0]]
    with (place / f"{words[1]}.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, str(REPOSITORY / part / "bin" / words[0]), *words[1:]],
            cwd=place,
            stdout=log,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )


def test_there_are_five() -> None:
    assert [words[:2] for words in five()] == [
        ["gridlight-fleet", "init"],
        ["gridlight-fleet", "enroll"],
        ["gridlight-fleet", "serve"],
        ["gridlight-testbed", "up"],
        ["gridlight-fleet", "push"],
    ]


@pytest.mark.slow
def test_five_commands_lead_from_nothing_to_three_meters(place: Path) -> None:
    staying: dict[str, subprocess.Popen[str]] = {}
    try:
        for words in five():
            process = typed(words, place)
            if words[1] in STAYS:
                staying[words[1]] = process
            else:
                code = process.wait(PATIENCE_S)
                assert code == 0, (words, (place / f"{words[1]}.log").read_text())
        asked = typed(["gridlight-fleet", "status", "v1", "--json", "--quiet"], place)
        assert asked.wait(PATIENCE_S) == 0
        status = json.loads((place / "status.log").read_text())
        assert (status["standing"], status["counts"]["healthy"]) == ("done", 3)
        verified = typed(["gridlight-fleet", "audit", "verify"], place)
        assert verified.wait(PATIENCE_S) == 0
    finally:
        for process in staying.values():
            process.send_signal(signal.SIGINT)
        end_s = time.monotonic() + 120
        for name, process in staying.items():
            assert process.wait(max(1, end_s - time.monotonic())) == STAYS[name], [
                log.read_text()[-500:] for log in place.glob("*.log")
            ]
