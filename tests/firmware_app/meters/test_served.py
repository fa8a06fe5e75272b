"""`gridlight scan` beside a running service: its ports are asked for, not scanned, whatever they are called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_app import cli
from firmware_app.console import Exit
from firmware_app.meters.served import at, served_meters
from firmware_app.status.control import status_handler
from firmware_app.status.shown import Shown
from meter_io.ports.address import PortAddress
from tests.firmware_app.status.test_control import service
from tests.status_kit import METER, TRADING


@pytest.fixture
def port(tmp_path: Path) -> Path:
    """A serial port under its stable name."""
    device, name = tmp_path / "ttyUSB0", tmp_path / "by-id-of-an-adapter"
    device.touch()
    name.symlink_to(device)
    return name


@pytest.fixture
def running(tmp_path: Path, port: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A service that reads two meters at this port."""
    monkeypatch.setenv("GRIDLIGHT_SOCKET", str(tmp_path / "s"))
    meters = (
        replace(METER, port=f"{port} 9600 8N1 id 1"),
        replace(METER, name="pv", port=f"{port} 9600 8N1 id 4"),
        replace(METER, name="far", port="tcp://10.0.0.7:502 id 1"),
        replace(METER, name="odd", port="somewhere"),
    )
    shown = Shown(lambda: TRADING.made_monotonic_ms)
    shown.update(replace(TRADING, meters=meters))
    with service(tmp_path / "s", {"status": status_handler(shown)}):
        yield port


def test_a_port_of_the_service_is_known_by_all_its_names(running: Path, tmp_path: Path) -> None:
    served = served_meters(None)
    for name in (running, tmp_path / "ttyUSB0"):
        assert [meter.name for meter in at(served, PortAddress.parse(str(name)))] == ["house", "pv"]
    assert [meter.name for meter in at(served, PortAddress.parse("tcp://10.0.0.7"))] == ["far"]
    assert at(served, PortAddress.parse("/dev/ttyUSB9")) == []


def test_it_is_not_scanned_and_its_meters_are_told(running: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(["scan", "--port", str(running), "--color", "never"])
    captured = capsys.readouterr()
    assert code == Exit.OK
    assert "the running service owns it; it is asked, not scanned" in captured.err
    assert "id 4: Eastron SDM630, 0.8 s old, quality good" in captured.out
    assert "next: gridlight read --meter pv" in captured.out
    cli.main(["scan", "--port", str(running), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert [meter["meter"] for meter in document["served"]] == ["house", "pv"]
    assert document["meters"] == document["ports"] == []


def test_without_a_service_nothing_is_served(tmp_path: Path) -> None:
    assert served_meters(str(tmp_path / "none")) == {}
