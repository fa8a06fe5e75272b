"""`gridlight status` and `gridlight doctor`, against a running service and without one."""

from __future__ import annotations

import argparse
import json
import tarfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firmware_app import cli
from firmware_app.clock.gate import Sync
from firmware_app.console import Console, Exit
from firmware_app.status import show
from firmware_app.status.bundle import LEFT_OUT, redacted
from firmware_app.status.checks import CHECKS
from firmware_app.status.cli import _CHECKS
from firmware_app.status.control import status_handler
from firmware_app.status.document import to_document
from firmware_app.status.local import Looks, snapshot
from firmware_app.status.shown import Shown
from firmware_app.status.snapshot import Absent, Board, ConfigView, Snapshot
from tests.firmware_app.status.test_control import service
from tests.status_kit import BARE, BOARD, CONFIG, FAILED, LINKS, NOW_MS, TRADING

CALM = replace(TRADING, links=LINKS[:3])
GOOD = Sync(source="chrony", synchronised=True, offset_us=-412, stratum=3)


async def journal(_: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
    """The last events."""
    yield {"kind": "clock.jumped", "level": "warning", "message": "the clock was set"}


@pytest.fixture
def shown() -> Shown:
    """What the service shows."""
    holder = Shown(lambda: CALM.made_monotonic_ms)
    holder.update(CALM)
    return holder


@pytest.fixture
def running(shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shown]:
    """A running service that the commands find by themselves."""
    path = tmp_path / "control.sock"
    monkeypatch.setenv("GRIDLIGHT_SOCKET", str(path))
    with service(path, {"status": status_handler(shown), "journal": journal}):
        yield shown


@pytest.fixture
def down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No service."""
    monkeypatch.setenv("GRIDLIGHT_SOCKET", str(tmp_path / "none"))


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main([*words, "--color", "never"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.usefixtures("running")
def test_status_asks_the_running_service(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "status")
    assert (code, err) == (Exit.OK, "")
    assert out.startswith("meter-0427  feeder 7")
    code, out, _ = said(capsys, "status", "--json")
    document = json.loads(out)
    assert list(document)[:3] == ["schema", "age_ms", "served"]
    assert document["schema"] == "gridlight.status/1"
    assert document["meters"][0]["power_w"] == -2_312


def test_status_ends_with_one_on_a_failure_and_if_strict_on_a_warning(
    running: Shown, capsys: pytest.CaptureFixture[str]
) -> None:
    doubtful = replace(CALM, device=replace(CALM.device, simulated=True))
    running.update(doubtful)
    assert said(capsys, "status")[0] == Exit.OK
    code, out, _ = said(capsys, "status", "--strict")
    assert code == Exit.FAILED
    assert "SIMULATED" in out
    running.update(FAILED)
    assert said(capsys, "status")[0] == Exit.FAILED


@pytest.mark.usefixtures("down")
def test_status_without_a_service_says_so_and_does_what_it_can(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "status")
    assert code == Exit.FAILED
    assert "The service is not running." in err
    assert "next: systemctl start gridlight" in err
    assert "NOT RUNNING" in out
    code, out, _ = said(capsys, "status", "--json")
    document = json.loads(out)
    assert (document["served"], document["market"], code) == (False, None, Exit.FAILED)
    assert document["market_why"] == "the service is not running"


def test_waiting_ends_when_the_state_is_reached(running: Shown, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "status", "--wait", "trading", "--timeout", "5")[0] == Exit.OK
    running.update(BARE)
    began_s = time.monotonic()
    code, _, err = said(capsys, "status", "--wait", "trading", "--timeout", "0.2")
    assert code == Exit.UNDECIDED
    assert "'trading' was not reached within 0.2 s: got 'unprovisioned'" in err
    assert time.monotonic() - began_s < 5


def test_waiting_outlasts_a_service_that_is_not_there_yet(
    shown: Shown, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "later.sock"
    args = argparse.Namespace(
        socket=str(path), wait="trading", timeout=60, watch=False, strict=False, console=Console(quiet=True)
    )
    stack = []

    def sleep(_: float) -> None:
        context = service(path, {"status": status_handler(shown)})
        context.__enter__()
        stack.append(context)

    try:
        assert show.run(args, looks(), sleep_s=sleep) == Exit.OK
    finally:
        for context in stack:
            context.__exit__(None, None, None)
    assert "TRADING" in capsys.readouterr().out


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("as_json", [False, True])
def test_watching_goes_on_until_it_is_stopped(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    rounds = iter(range(3))

    def sleep(_: float) -> None:
        if next(rounds, None) is None:
            raise KeyboardInterrupt

    args = argparse.Namespace(socket=None, wait=None, watch=True, strict=False, console=Console(json=as_json))
    with pytest.raises(KeyboardInterrupt):
        show.run(args, looks(), sleep_s=sleep)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    if as_json:
        assert {json.loads(line)["schema"] for line in lines} == {"gridlight.status/1"}
    else:
        assert set(lines) == {"13:07:12 trading"}


@pytest.mark.usefixtures("running")
def test_doctor_asks_the_running_service_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "doctor")
    assert code == Exit.OK
    assert "Asking the running service (it owns the ports); trading is not interrupted." in err
    assert "ok    clock     0.4 ms slow of NTP time; not below floor 2026-06-14 11:06:58 UTC" in out
    assert "ok    counter   no reset, roll-over, false zero or back-step in 30 d" in out
    assert [line.split()[1] for line in out.splitlines() if line.startswith("ok")] == ["service", *CHECKS]


def test_doctor_names_the_next_step_and_ends_with_one(
    running: Shown, capsys: pytest.CaptureFixture[str]
) -> None:
    running.update(FAILED)
    code, out, _ = said(capsys, "doctor")
    assert code == Exit.FAILED
    assert "FAIL  meter     house: last reading 5 h old, limit 3 min" in out
    assert "next: check plug and power of ttyUSB0" in out
    assert "For support: doctor --bundle FILE" in out
    code, out, _ = said(capsys, "doctor", "--json", "--only", "clock", "--only", "config")
    document = json.loads(out)
    assert {check["name"] for check in document["checks"]} == {"clock", "config"}
    assert (document["schema"], document["failures"]) == ("gridlight.doctor/1", 2)


@pytest.mark.usefixtures("down")
def test_doctor_without_a_service_looks_at_the_board(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "doctor", "--only", "board", "--only", "witness", "--only", "meter")
    assert "So these checks look at the board, and at what its configuration names." in err
    assert "-     witness   not run: the service is not running" in out
    assert "gridlight scan finds meters" in out
    assert code == Exit.OK
    code, out, _ = said(capsys, "doctor", "--only", "service")
    assert code == Exit.FAILED
    assert "FAIL  service   The service is not running." in out


def test_a_check_that_does_not_exist_is_answered_with_the_likely_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, err = said(capsys, "doctor", "--only", "clok")
    assert code == Exit.USAGE
    assert "Did you mean 'clock'?" in err
    assert ("service", *CHECKS) == _CHECKS


def test_what_support_gets_is_listed_redacted_and_private(
    running: Shown, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running.update(FAILED)
    file = tmp_path / "support.tar.gz"
    _, _, err = said(capsys, "doctor", "--bundle", str(file))
    assert err.index("status.json") < err.index("Written:")
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as archive:
        texts = {
            Path(entry.name).name: opened.read().decode()
            for entry in archive
            if (opened := archive.extractfile(entry)) is not None
        }
    assert set(texts) == {"status.json", "doctor.txt", "journal.jsonl"}
    assert "clock.jumped" in texts["journal.jsonl"]
    assert json.loads(texts["status.json"])["market_why"] == LEFT_OUT.why
    assert "meter-0427" in texts["status.json"]
    code, _, err = said(capsys, "doctor", "--bundle", str(file))
    assert code == Exit.FAILED
    assert "exists already" in err


def numbers(document: Any) -> set[int]:
    """All numbers of a document that are large enough to be recognised."""
    if isinstance(document, dict):
        return set().union(*map(numbers, document.values()), set())
    if isinstance(document, list):
        return set().union(*map(numbers, document), set())
    return {abs(document)} if type(document) is int and abs(document) > 100 else set()


def test_no_amount_of_the_market_or_the_meter_is_in_a_bundle() -> None:
    whole = to_document(TRADING)
    secret = numbers([whole["market"], whole["day"], whole["forecast"]])
    secret |= {abs(whole["meters"][0][key]) for key in ("power_w", "import_j", "export_j")}
    public = numbers({key: value for key, value in whole.items() if key not in {"market", "day", "forecast"}})
    public -= secret
    assert len(secret) > 50
    kept = numbers(to_document(redacted(TRADING)))
    assert kept <= public | {
        whole["proof"]["solution_interval"],
        180_000,
        420_000,
        1_800_000,
    }  # limits that happen to be equal
    assert numbers(to_document(TRADING)) & secret


# -- without a service -----------------------------------------------------------------------------------------------


def looks(**changes: Any) -> Looks:
    plain = Looks(board=lambda: BOARD, clock=lambda: GOOD, config=lambda: CONFIG, utc_ms=lambda: NOW_MS)
    return replace(plain, **changes)


def fails() -> Board:
    raise OSError("no such board")


def sleeps() -> ConfigView:
    time.sleep(1.5)
    return CONFIG


def test_each_look_is_bounded_and_stands_alone() -> None:
    began_s = time.monotonic()
    seen: Snapshot = snapshot("down", looks(board=fails, config=sleeps), limit_s=0.3)
    assert time.monotonic() - began_s < 1.4
    assert seen.board == Absent("OSError: no such board")
    assert seen.config == Absent("no answer within 0.3 s")
    assert not isinstance(seen.clock, Absent)
    assert (seen.clock.offset_us, seen.made_utc_ms) == (-412, NOW_MS)


def test_an_unsynchronised_clock_tells_no_time() -> None:
    bad = Sync(source="kernel", synchronised=False, reason="nobody holds it")
    seen = snapshot("down", looks(clock=lambda: bad))
    assert isinstance(seen.made_utc_ms, Absent)
    assert not isinstance(seen.clock, Absent)
    assert seen.clock.offset_us == Absent("nobody holds it")
