"""The clock of a run on its way to a board: what is laid onto the card suffices, and the desk hands it out."""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import testbed
from deploy.image import layout
from testbed.qemu.machine import HOST
from testbed.qemu.partitions import taken
from testbed.qemu.run_clock import MODULES, ClockDesk, lay_run_clock
from tests.testbed.qemu.card_kit import empty_card, need_tools

_ROOT = Path(testbed.__file__).parent


def test_the_modules_are_all_that_the_device_needs(tmp_path: Path) -> None:
    for name in MODULES:
        target = tmp_path / "testbed" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_ROOT / name, target)
    words = [sys.executable, "-c", "import testbed.live.device; print(testbed.live.device.__file__)"]
    path = os.pathsep.join((str(tmp_path), str(_ROOT.parent)))
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path)), "and it is the copy that was loaded"


def test_every_module_is_needed(tmp_path: Path) -> None:
    needed = {"__init__.py", "live/__init__.py"}
    words = [sys.executable, "-X", "importtime", "-c", "import testbed.live.device"]
    env = {**os.environ, "PYTHONPATH": str(_ROOT.parent)}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=env, cwd=tmp_path)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    needed |= {
        name.removeprefix("testbed.").replace(".", "/") + ".py"
        for name in loaded
        if name.startswith("testbed.live.")
    }
    assert set(MODULES) == needed


def test_a_card_gets_modules_a_line_for_systemd_and_the_fetcher(tmp_path: Path) -> None:
    need_tools()
    card = empty_card(tmp_path)
    lay_run_clock(card, layout.ROOT_A, "http://10.0.2.2:1/meter-0101")
    service = taken(card, layout.ROOT_A, "/etc/systemd/system/gridlight.service.d/run.conf")
    assert service is not None
    assert b"ExecStart=\nExecStart=/usr/bin/python3 -m testbed.live.device " in service
    clock = taken(card, layout.ROOT_A, "/etc/systemd/system/gridlight-run-clock.service")
    assert clock is not None
    assert clock.endswith(b"fetch-clock http://10.0.2.2:1/meter-0101\n")
    device = taken(card, layout.ROOT_A, "/opt/gridlight-run/testbed/live/device.py")
    assert device == (_ROOT / "live/device.py").read_bytes()


def _ask(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url.replace(HOST, "127.0.0.1"), timeout=10) as reply:  # noqa: S310 - ours
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""


def test_who_asks_is_ready_and_gets_the_clock_once_there_is_one(tmp_path: Path) -> None:
    with ClockDesk() as desk:
        url = desk.url_for("meter-0101", tmp_path)
        assert not (tmp_path / "ready").exists()
        assert _ask(url)[0] == 503
        assert (tmp_path / "ready").exists()
        (tmp_path / "clock.json").write_text('{"speed": ', encoding="utf-8")
        assert _ask(url)[0] == 503, "half a file is none"
        (tmp_path / "clock.json").write_text('{"speed": 60}', encoding="utf-8")
        code, said = _ask(url)
        assert (code, json.loads(said)) == (200, {"speed": 60})
        assert _ask(url.replace("meter-0101", "another"))[0] == 404


@pytest.mark.parametrize("name", MODULES)
def test_every_module_is_there(name: str) -> None:
    assert (_ROOT / name).is_file()
