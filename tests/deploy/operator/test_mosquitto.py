"""The desk before a real mosquitto with TLS: a push reaches real agents, the service is killed half-way, letters are
answered when they are on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.broker.authority import Authority, Role
from deploy.operator.rollout.engine import Standing
from deploy.operator.rollout.outcomes import Outcome
from firmware_app.fleet.letters import Letter, receipt_from_bytes
from firmware_app.fleet.telemetry import Alarm, AlarmNote, HealthReport
from firmware_app.fleet.topics import Said
from testbed.rollout.broker import NoBrokerError, program
from tests.deploy.operator.ground import Ground, RemoteMeter
from tests.firmware_app.fleet.world import EXAMPLE

pytestmark = pytest.mark.system
NAMES = ("meter-0001", "meter-0002", "meter-0003")


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """Everything but meters."""
    try:
        program()
    except NoBrokerError as error:
        pytest.skip(str(error))
    with Ground(tmp_path) as made:
        (tmp_path / "meter.toml").write_text(EXAMPLE.read_text())
        rows = "".join(f"{name},7,{tmp_path / 'meter.toml'}\n" for name in NAMES)
        (tmp_path / "meters.csv").write_text("name,feeder,document\n" + rows)
        assert (
            made.run("enroll", "--csv", str(tmp_path / "meters.csv"), "--out", str(tmp_path / "tickets")) == 0
        )
        authority = Authority.load(made.desk.authority_folder)
        with made.desk.database.transaction():
            for name in NAMES:
                certificate = authority.client(name, Role.DEVICE, datetime.now(UTC)).certificate
                made.desk.devices.enrol(name, certificate, b"", 1)
        made.start_broker()
        made.start_service()
        (tmp_path / "change.toml").write_text("[privacy]\nlot_wh = 250\n")
        yield made


def push(ground: Ground, *words: str) -> int:
    return ground.run(
        "push",
        str(ground.folder / "change.toml"),
        *("--key", ground.key, "--waves", "1,100%", "--window", "60s", "--hold", "3s", "--detach", *words),
    )


def online(ground: Ground) -> int:
    return sum(ground.desk.devices.named(name).online for name in NAMES)


def standing(ground: Ground) -> Standing:
    return ground.desk.rollouts.of_version(1).standing


def test_a_push_reaches_real_agents_though_the_service_is_killed(ground: Ground) -> None:
    meters = [RemoteMeter(ground, name) for name in NAMES]
    try:
        assert ground.until(lambda: online(ground) == len(NAMES), meters), ground.said("service")
        assert push(ground) == 0
        assert ground.until(lambda: ground.desk.rollouts.of_version(1).wave >= 1, meters), ground.said(
            "service"
        )
        ground.kill("service")
        for meter in meters:
            meter.round()
        ground.start_service()
        assert ground.until(lambda: standing(ground) is Standing.DONE, meters), ground.said("service")
        assert ground.desk.rollouts.of_version(1).counts == {Outcome.HEALTHY: 3}
        assert [meter.meter.driver.running["privacy"]["lot_wh"] for meter in meters] == [250] * 3
        assert ground.run("audit", "verify") == 0

        letter = Letter(key="a-1", at_ms=None, body=AlarmNote(alarm=Alarm.CLOCK, raised=True).encode())
        for _ in range(2):
            meters[0].say(Said.LETTER, letter.encode(), "alarm")
        receipt = meters[0].hears_receipt()
        assert receipt is not None
        assert receipt_from_bytes(receipt).keys == ("a-1",)
        assert ground.desk.inbox.letters_by_kind(NAMES[0]) == {"alarm": 1}
        assert ground.desk.inbox.alarm_counts() == {"clock": 1}
        well = HealthReport(at_ms=None, problem="").encode()
        meters[0].say(Said.HEALTH, well)
        assert ground.until(lambda: not ground.desk.inbox.alarm_counts(), meters)
    finally:
        for meter in meters:
            meter.break_off()
    assert ground.until(lambda: online(ground) == 0, []), "the broker spoke the will of each"
