"""Doctor without its service finds what was broken on purpose, names the next step, and changes nothing."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from firmware_app import cli
from firmware_app.config import keys
from firmware_app.config.check import STORE, check
from firmware_app.config.schema import ServerSection
from firmware_app.console import Exit
from firmware_app.status import closely as module
from firmware_app.status.checks import Check
from firmware_app.status.closely import Closely, closely
from firmware_app.store.device_store import FILE_NAME, DeviceStore
from firmware_app.store.params import StoreParams
from firmware_app.store.rows import ReadingRow
from light_client.rules.ledger.genesis import Genesis
from light_client.store.sqlite import SqliteStorage
from tests.firmware_app.config.kit import write_device


class _Clock:
    def utc_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return 0


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """A device that ran for a moment and is off: its document."""
    path = write_device(tmp_path, port=str(tmp_path / "no-such-port"))
    found = check(path)
    keys.create_missing(found.folder, found.store)
    store = DeviceStore(found.folder, StoreParams(), clock=_Clock(), boot_id="a")
    rows = [
        ReadingRow(at_ms=_Clock().utc_ms() - 7_200_000, meter="house", import_j=n, export_j=0, power_mw=0)
        for n in range(3_000)
    ]
    store.record(*rows)
    store.close()
    with SqliteStorage(found.store, page_bytes=1_024):
        pass
    return path


@pytest.fixture(autouse=True)
def down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No service."""
    monkeypatch.setenv("GRIDLIGHT_SOCKET", str(tmp_path / "none"))


def doctor(capsys: pytest.CaptureFixture[str], path: Path, *only: str) -> tuple[int, list[dict[str, Any]]]:
    words = [word for name in only for word in ("--only", name)]
    code = cli.main(["doctor", "--config", str(path), "--json", *words])
    document = json.loads(capsys.readouterr().out)
    assert document["service"] == "not asked"
    return code, document["checks"]


def test_a_whole_store_is_told_with_its_age_and_nothing_is_written(
    device: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = device.parent / "data"
    before = {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix == ".sqlite"}
    code, found = doctor(capsys, device, "store")
    assert (code, [one["state"] for one in found]) == (Exit.OK, ["ok", "ok"])
    assert "newest reading 2 h" in found[0]["found"]
    assert "free" in found[0]["found"]
    assert before == {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix == ".sqlite"}


@pytest.mark.parametrize("name", [FILE_NAME, STORE])
def test_a_damaged_file_is_found_and_the_next_start_is_the_remedy(
    device: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = device.parent / "data" / name
    damaged = bytearray(file.read_bytes())
    middle = len(damaged) // 2 // 1_024 * 1_024
    damaged[middle : middle + 1_024] = b"\xff" * 1_024
    damaged[100:160] = b"\xff" * 60
    file.write_bytes(damaged)
    code, found = doctor(capsys, device, "store")
    (bad,) = (one for one in found if one["state"] == "fail")
    assert (code, name in bad["found"]) == (Exit.FAILED, True)
    assert "systemctl start gridlight" in bad["next"]


def test_a_store_that_was_never_made_and_a_full_disk_are_told(
    device: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (device.parent / "data" / FILE_NAME).unlink()
    monkeypatch.setattr(module, "FREE_DISK", 1 << 60)
    _, found = doctor(capsys, device, "store")
    assert [one["state"] for one in found] == ["warn", "-", "ok"]
    text = device.read_text(encoding="utf-8").replace('data_folder = "data"', 'data_folder = "gone"')
    device.write_text(text, encoding="utf-8")
    code, found = doctor(capsys, device, "store", "keys")
    assert code == Exit.FAILED
    assert all("gridlight enroll" in one["next"] for one in found)


def test_secrets_are_judged_by_who_may_read_them(device: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [one["state"] for one in doctor(capsys, device, "keys")[1]] == ["ok", "ok"]
    seed = device.parent / "data" / keys.SEED
    secret = seed.read_text(encoding="ascii").split()[-1]
    seed.chmod(0o640)
    code, found = doctor(capsys, device, "keys")
    assert (code, found[1]["state"]) == (Exit.FAILED, "fail")
    assert found[1]["next"].startswith(f"chmod 600 {seed}")
    seed.chmod(0o600)
    seed.write_text("gridlight wallet seed 1\nrubbish\n", encoding="ascii")
    code, found = doctor(capsys, device, "keys")
    assert "damaged" in found[1]["found"]
    assert secret not in json.dumps(found)


def test_a_port_that_is_not_there_and_servers_that_do_not_answer(
    device: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = doctor(capsys, device, "meter", "network", "witness")
    assert code == Exit.FAILED
    assert [(one["name"], one["state"]) for one in found] == [
        ("meter", "fail"),
        ("network", "fail"),
        ("network", "fail"),
        ("witness", "warn"),
    ]
    assert all(one["next"] for one in found)


def test_servers_are_told_apart_by_their_role(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[tuple[str, str, str]] = []

    def reach(name: str, role: str, server: ServerSection, genesis: Genesis) -> Check:
        assert genesis == check(device).genesis
        looked.append((name, role, server.name))
        return Check(name=name, state="ok", found=role)

    monkeypatch.setattr("firmware_app.status.reaching.reach", reach)
    looks = closely(device)
    assert [one.state for name in ("network", "witness") for one in looks[name]()] == ["ok"] * 3
    assert looked == [
        ("network", "market", "miner-0"),
        ("network", "management", "dso"),
        ("witness", "witness", "miner-1"),
    ]


def test_a_meter_that_answers_is_asked_once(device: Path, tmp_path: Path) -> None:
    pytest.importorskip("pymodbus", reason="a Modbus meter is played by pymodbus' server")
    from testbed.fleet.virtual_meters.display import Display
    from testbed.fleet.virtual_meters.ends import PtyEnd
    from testbed.fleet.virtual_meters.household import Household
    from testbed.fleet.virtual_meters.modbus_slave import Layout
    from testbed.fleet.virtual_meters.pymodbus_server import PymodbusServer
    from testbed.fleet.virtual_meters.running import Clock, RunningMeter
    from testbed.fleet.virtual_meters.script import Script

    port = tmp_path / "no-such-port"
    household = Household(net_j=(900_000,), interval_ms=900_000, start_ms=1_000_000)
    clock = Clock(1_000_000)
    layout = Layout.of_profile(Path("meter_io/profiles/data/eastron-sdm630.toml"))
    speaker = PymodbusServer(Display(household=household, script=Script(())), layout, clock, address=1)
    meter, unplugged = RunningMeter(speaker, PtyEnd(port), Script(()), clock), threading.Event()
    thread = threading.Thread(target=meter.run, args=(unplugged.is_set,))
    thread.start()
    try:
        while not port.exists():
            time.sleep(0.02)
        (told,) = Closely(check(device)).meters()
    finally:
        unplugged.set()
        thread.join(10)
        speaker.close()
    assert told.state == "ok", told.found
    assert told.found.startswith("house: Eastron SDM630")
    assert "values in" in told.found


def test_a_port_that_somebody_holds_is_left_alone(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "holders", lambda path: ["mbusd (1234)"])
    (told,) = Closely(check(device)).meters()
    assert (told.state, "held by mbusd (1234)" in told.found) == ("-", True)


def test_a_pulse_input_is_there_or_not(device: Path, tmp_path: Path) -> None:
    text = device.read_text(encoding="utf-8").replace("eastron-sdm630", "s0-1000")
    device.write_text(text, encoding="utf-8")
    (told,) = Closely(check(device)).meters()
    assert (told.state, "gpioinfo" in told.next) == ("FAIL", True)
    (tmp_path / "no-such-port").touch()
    (told,) = Closely(check(device)).meters()
    assert told.state == "ok"


def test_a_document_that_cannot_be_used_is_left_to_its_own_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert closely(tmp_path / "none.toml") == {}
    _, found = doctor(capsys, tmp_path / "none.toml", "config", "store", "keys")
    assert [one["state"] for one in found] == ["fail", "-", "-"]


def test_a_look_that_hangs_is_given_up(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(module, "LIMIT_S", 0.05)
    monkeypatch.setattr(module, "_file", lambda path, free: never.wait(5))
    told = list(Closely(check(device)).store())
    assert {one.found for one in told} == {"no answer within 0.05 s"}
    never.set()


def test_what_a_locked_file_says_is_no_damage(device: Path) -> None:
    file = device.parent / "data" / FILE_NAME
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        told = next(iter(Closely(check(device)).store()))
        other.execute("ROLLBACK")
    assert (told.state, "cannot be read" in told.found) == ("warn", True)
