"""What status and doctor show of a pushed configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from firmware_app.config.view import look as look_at_file
from firmware_app.fleet.memory import Failure, Next, Phase
from firmware_app.management.in_force import memory_file
from firmware_app.management.steward import reported_from
from firmware_app.management.view import fleet_view, look, with_fleet
from firmware_app.status.checks import check
from firmware_app.status.health import Health
from firmware_app.status.snapshot import Absent, ConfigView
from tests.firmware_app.config.kit import write_device
from tests.firmware_app.fleet.world import PLAN, memory
from tests.firmware_app.management.kit import enrolled
from tests.status_kit import CONFIG, TRADING

KEPT = memory()
AT_THREE = replace(KEPT, floor=(1, 3), current=replace(KEPT.current, order=(1, 3), hash=bytes(32)))
AHEAD = replace(AT_THREE.current, order=(1, 4), hash=b"\1" * 32)


def _view(kept: Any) -> ConfigView:
    return fleet_view(CONFIG, reported_from(kept))


def test_the_version_in_force_and_nothing_newer() -> None:
    view = _view(AT_THREE)
    assert (view.version, view.state, view.problem) == (3, "healthy", "")
    assert isinstance(view.desired, Absent)


def test_what_is_on_trial_is_what_the_operator_wants() -> None:
    view = _view(replace(AT_THREE, following=Next(phase=Phase.TRIAL, configuration=AHEAD, plan=PLAN)))
    assert (view.version, view.desired, view.state) == (3, 4, "on trial")


def test_what_was_rolled_back_is_shown_until_a_newer_one_is_kept() -> None:
    failure = Failure(order=(1, 4), hash=b"\1" * 32, reason="house: the meter is not read")
    view = _view(replace(AT_THREE, failure=failure))
    assert (view.version, view.desired, view.state) == (3, 4, "rolled back")
    snapshot = Health().look(replace(TRADING, config=view))
    assert "config-rejected" in {notice.code for notice in snapshot.notices}
    assert "the meter is not read" in check("config", snapshot)[0].found
    newer = replace(AT_THREE.current, order=(1, 5))
    assert _view(replace(AT_THREE, failure=failure, current=newer)).state == "healthy"


def test_the_broker_is_a_link_like_the_others() -> None:
    standing = {
        **reported_from(AT_THREE),
        "broker": "broker.example:8883",
        "connected": False,
        "problem": "connection refused",
    }
    shown = with_fleet(TRADING, standing, 400_000)
    assert isinstance(shown.links, tuple)
    link = shown.links[-1]
    assert (link.name, link.role, link.up, link.error) == (
        "broker.example:8883",
        "management",
        False,
        "connection refused",
    )
    assert "unreachable" in check("network", shown)[0].found
    assert with_fleet(TRADING, {**standing, "broker": None}, 0).links == TRADING.links


def test_without_the_service_the_disk_is_asked(tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    path = write_device(alone)
    assert look(path) == look_at_file(path)
    path = enrolled(tmp_path)
    file = memory_file(tmp_path / "data")
    kept = file.load()
    assert kept is not None
    file.save(replace(kept, floor=(1, 9), current=replace(kept.current, order=(1, 9), hash=bytes(32))))
    assert (look(path).version, look(path).state) == (9, "healthy")
    (tmp_path / "genesis.cbor").unlink()
    assert look(path).state == "rejected"
    (tmp_path / "data" / "fleet" / "memory").write_bytes(b"")
    (tmp_path / "data" / "fleet" / "memory.previous").unlink(missing_ok=True)
    assert "enroll --ticket" in look(path).problem
