"""`gridlight run` as it is typed: without tier and time it reads its meter, shows itself, and ends well."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_app.runtime.board_time import real_monotonic_ms
from firmware_app.status import client
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.params import StoreParams
from firmware_app.store.rows import EventRow, ReadingRow
from tests.firmware_app.config.kit import write_device

pytest.importorskip("pymodbus", reason="a Modbus meter is played by pymodbus' server")

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 40.0
_PROFILE = _ROOT / "meter_io" / "profiles" / "data" / "eastron-sdm630.toml"


class _NoTime:
    """The clocks of somebody who only looks into the store."""

    def utc_ms(self) -> int | None:
        return None

    def monotonic_ms(self) -> int:
        return real_monotonic_ms()


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[Path]:
    """The port of a virtual meter."""
    from testbed.fleet.virtual_meters.display import Display
    from testbed.fleet.virtual_meters.ends import PtyEnd
    from testbed.fleet.virtual_meters.household import Household
    from testbed.fleet.virtual_meters.modbus_slave import Layout
    from testbed.fleet.virtual_meters.pymodbus_server import PymodbusServer
    from testbed.fleet.virtual_meters.running import Clock, RunningMeter
    from testbed.fleet.virtual_meters.script import Script

    start_ms = int(time.time()) * 1_000
    household = Household.synthetic(1, start_ms=start_ms - start_ms % 86_400_000)
    clock = Clock(start_ms)
    speaker = PymodbusServer(
        Display(household=household, script=Script(())), Layout.of_profile(_PROFILE), clock, address=1
    )
    running = RunningMeter(speaker, PtyEnd(tmp_path / "meter"), Script(()), clock)
    unplugged = threading.Event()
    thread = threading.Thread(target=lambda: running.run(unplugged.is_set))
    thread.start()
    yield tmp_path / "meter"
    unplugged.set()
    thread.join(10)
    speaker.close()


def _start(log: Path, *words: str) -> "subprocess.Popen[bytes]":
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "firmware_app", *words],
            stdout=out,
            stderr=out,
            env={**os.environ, "PYTHONPATH": path},
        )


def _run(log: Path, *words: str) -> tuple[int, str]:
    """The exit code of a command, and what it said."""
    code = _start(log, *words).wait(_PATIENCE_S)
    return code, log.read_text(encoding="utf-8")


def _until(what: Callable[[], Any]) -> Any:
    """Ask until there is an answer."""
    end_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end_s:
        try:
            answer = what()
        except client.ServiceDownError:
            answer = None
        if answer:
            return answer
        time.sleep(0.1)
    raise TimeoutError("no answer in time")


def test_a_board_without_tier_and_time_reads_shows_itself_and_ends_when_it_is_asked_to(
    tmp_path: Path, meter: Path
) -> None:
    path = write_device(tmp_path, port=str(meter))
    control = tmp_path / "control.sock"
    with path.open("a", encoding="utf-8") as file:
        file.write(f"[status]\nsocket = '{control}'\nport = 0\n")
    text = path.read_text(encoding="utf-8").replace("[market]\n", "poll_ms = 200\n[market]\n", 1)
    path.write_text(text, encoding="utf-8")

    code, said = _run(tmp_path / "refused.log", "run", str(path))
    assert (code, f"gridlight enroll {path}" in said) == (1, True)
    assert _run(tmp_path / "enroll.log", "enroll", str(path))[0] == 0

    log = tmp_path / "device.log"
    device = _start(log, "run", str(path))
    try:

        def status() -> Any:
            (document,) = client.ask(str(control), "status")
            return document if document["meters"][0]["quality"] == "good" else None

        document = _until(status)
        assert document["life"]["state"] == "waiting for clock"
        assert document["config"]["file"] == str(path)
        code, said = _run(tmp_path / "second.log", "run", str(path))
        assert (code, "in use by another process" in said) == (1, True)
        assert next(client.ask(str(control), "read"))["meter"] == "house"
        kinds = [event["kind"] for event in client.ask(str(control), "journal")]
        assert "device.started" in kinds
        assert "part.failed" not in kinds
    finally:
        device.send_signal(signal.SIGTERM)
        code = device.wait(_PATIENCE_S)
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
    assert code == 0, lines
    assert json.loads(lines[-1])["kind"] == "device.stopped"
    assert not control.exists()
    store = DeviceStore(tmp_path / "data", StoreParams(), clock=_NoTime(), boot_id="afterwards")
    assert store.newest(ReadingRow, 1_000)
    assert all(row.at_ms is None for row in store.newest(ReadingRow, 5)), (
        "no reading has a time that nobody knew"
    )
    assert "part.failed" not in {row.name for row in store.newest(EventRow, 100)}
    store.close()
