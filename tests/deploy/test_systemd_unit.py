"""The unit is understood by systemd, and lets the service do little: judged by systemd's own tools."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
UNIT = FOLDER / "gridlight.service"
EXPOSURE = 20
"""Tenths of systemd's scale of exposure from 0 (none) to 10."""
NEWER_KEYS = {"RestartSteps": 254, "RestartMaxDelaySec": 254}
"""Keys that an older systemd says it ignores."""


@pytest.fixture
def systemd_analyze() -> str:
    """The program, or a skip that says why."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed (Debian package systemd)")
    return program


def settings(text: str) -> dict[str, list[str]]:
    """The unit's settings, each with all its values."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text, flags=re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def placed(folder: Path, text: str) -> Path:
    """A unit whose program exists on this machine."""
    unit = folder / "gridlight.service"
    unit.write_text(text.replace("/usr/bin/gridlight", sys.executable))
    return unit


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def version(program: str) -> int:
    return int(run(program, "--version").stdout.split()[1])


def complaints(program: str, unit: Path) -> list[str]:
    """What systemd finds wrong, less what only its age explains."""
    lines = run(program, "verify", "--man=no", str(unit)).stderr.splitlines()
    too_new = [key for key, since in NEWER_KEYS.items() if version(program) < since]
    mine = [line for line in lines if unit.name in line]
    return [line for line in mine if not any(f"'{key}'" in line for key in too_new)]


def exposed(program: str, unit: Path) -> bool:
    return bool(
        run(
            program,
            "security",
            "--offline=true",
            f"--threshold={EXPOSURE}",
            "--no-pager",
            str(unit),
        ).returncode
    )


@pytest.mark.system
def test_systemd_understands_every_line(systemd_analyze: str, tmp_path: Path) -> None:
    assert complaints(systemd_analyze, placed(tmp_path, UNIT.read_text())) == []


@pytest.mark.system
def test_a_misspelt_line_would_be_noticed(systemd_analyze: str, tmp_path: Path) -> None:
    spoilt = UNIT.read_text().replace("WatchdogSec=", "WatchdogSecs=")
    assert complaints(systemd_analyze, placed(tmp_path, spoilt)) != []


@pytest.mark.system
def test_the_service_may_do_little(systemd_analyze: str, tmp_path: Path) -> None:
    assert not exposed(systemd_analyze, placed(tmp_path, UNIT.read_text()))


@pytest.mark.system
@pytest.mark.parametrize("line", ["SystemCallFilter=@system-service", "CapabilityBoundingSet="])
def test_a_lost_line_would_be_noticed(systemd_analyze: str, tmp_path: Path, line: str) -> None:
    without = "\n".join(kept for kept in UNIT.read_text().splitlines() if kept != line)
    if line.startswith("SystemCallFilter"):
        without = re.sub(r"^SystemCallFilter=.*$", "", without, flags=re.MULTILINE)
    assert exposed(systemd_analyze, placed(tmp_path, without))


def test_the_watchdog_the_limits_and_the_devices_are_there() -> None:
    found = settings(UNIT.read_text())
    assert found["Type"] == ["notify"]
    assert found["WatchdogSec"] == ["90s"]
    assert {"MemoryMax", "CPUQuota", "TasksMax", "RestartSteps", "StateDirectory"} <= set(found)
    assert found["User"] == ["gridlight"]
    assert found["DevicePolicy"] == ["closed"]
    assert {line.split()[0] for line in found["DeviceAllow"]} >= {
        "char-ttyUSB",
        "char-ttyACM",
        "char-ttyAMA",
        "char-ttyO",
    }
    assert "ProtectClock" not in found  # it would forbid to read the kernel's NTP state


@pytest.mark.system
def test_the_accounts_and_folders_are_understood(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for program, name in (("systemd-sysusers", "sysusers"), ("systemd-tmpfiles", "tmpfiles")):
        found = shutil.which(program)
        if found is None:
            pytest.skip(f"{program} is not installed (Debian package systemd)")
        words = [found, f"--root={tmp_path}", str(FOLDER / f"gridlight.{name}.conf")]
        done = run(*words[:1], *(["--create"] if name == "tmpfiles" else []), *words[1:])
        assert done.returncode == 0, done.stderr
    assert "gridlight:" in (tmp_path / "etc" / "passwd").read_text()


def test_what_zeromq_and_adapters_need_is_allowed() -> None:
    """Both were found on an emulated board: without the one the service aborts, without the other it opens no port."""
    text = UNIT.read_text(encoding="utf-8")
    assert re.search(r"^SystemCallFilter=sched_setscheduler$", text, re.MULTILINE)
    loaded = (UNIT.parent / "gridlight.modules.conf").read_text(encoding="utf-8").split()
    kinds = {"ttyUSB": "usbserial", "ttyACM": "cdc_acm"}
    for kind, module in kinds.items():
        assert f"DeviceAllow=char-{kind} rw" in text
        assert module in loaded, "systemd looks the kind up when the service starts"
