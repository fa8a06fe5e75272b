"""The device's own management part, the real desk and a real mosquitto: certificates that end soon, a firmware."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

import pytest
from cryptography import x509

from deploy.broker.authority import Authority, ends_ms
from deploy.operator.desk.devices import Device
from deploy.operator.rollout.engine import Standing
from deploy.operator.rollout.outcomes import Outcome
from firmware_app.fleet.memory import Phase
from firmware_app.management.certificate import ensure_key, ensure_request
from firmware_app.store.files import Files
from testbed.rollout.broker import NoBrokerError, program
from tests.deploy.operator.ground import Ground
from tests.firmware_app.management import kit
from tests.firmware_app.management.home import SPEED, Home

pytestmark = pytest.mark.system
PATIENCE_S: Final = 120


class Granting:
    """The desk's own authority, for certificates that end when the test says."""

    def __init__(self, ground: Ground, left: timedelta) -> None:
        self._ground, self._left = ground, left
        self._authority = Authority.load(ground.desk.authority_folder)

    @property
    def pem(self) -> bytes:
        return self._authority.certificate

    def issue(self, folder: Path, stem: str, name: str) -> tuple[Path, Path]:
        certificate, key = folder / f"{stem}.pem", folder / f"{stem}.key"
        ensure_key(key, Files())
        request = ensure_request(folder / f"{stem}.csr", key, name, Files())
        end = datetime.now(UTC) + self._left
        granted = self._authority.grant(request, name, end - timedelta(days=1), 1)
        certificate.write_bytes(granted)
        with self._ground.desk.database.transaction():
            self._ground.desk.devices.add(Device(name=name, feeder=7), 1)
            self._ground.desk.devices.enrol(name, granted, b"", 1)
        return certificate, key


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """A desk that is served, and its broker."""
    try:
        program()
    except NoBrokerError as error:
        pytest.skip(str(error))
    with Ground(tmp_path / "ground") as made:
        made.start_broker()
        made.start_service()
        yield made


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_app.management.part._TICK_S", 1 / SPEED)
    monkeypatch.setattr("firmware_app.management.backoff.FIRST_S", 0.5)


def live(home: Home, *until: Callable[[], bool]) -> None:
    """The device lives until each of these has come about, one after the other."""

    async def played() -> None:
        stop = asyncio.Event()
        living = asyncio.create_task(home.part.run(home.found, stop))
        try:
            async with asyncio.timeout(PATIENCE_S):
                for what in until:
                    while not what():  # noqa: ASYNC110 - it happens in the part
                        await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"it did not come about: {home.journal.notes}")
        finally:
            stop.set()
            await living

    asyncio.run(played())


def test_a_certificate_that_ends_in_a_minute_is_renewed_and_the_old_one_dies(
    ground: Ground, tmp_path: Path
) -> None:
    issuer = Granting(ground, timedelta(seconds=60))
    key_set = ground.desk.papers.key_set()
    home = Home(tmp_path, issuer, ground.port, key_set=key_set, now_ms=time.time_ns() // 1_000_000)
    mine = tmp_path / "data" / "fleet" / "device.pem"
    old, key = mine.read_bytes(), mine.with_suffix(".key").read_bytes()

    def revoked() -> set[int]:
        raw = (ground.desk.broker_folder / "revoked.crl").read_bytes()
        return {entry.serial_number for entry in x509.load_pem_x509_crl(raw)}

    def serial(pem: bytes) -> int:
        return x509.load_pem_x509_certificate(pem).serial_number

    live(home, lambda: mine.read_bytes() != old, lambda: serial(old) in revoked())
    home.store.close()
    assert ends_ms(mine.read_bytes()) > (time.time() + 3_000 * 86_400) * 1_000
    assert "fleet.renewed" in home.names
    assert ground.desk.devices.named(kit.NAME).certificate == mine.read_bytes()

    # the old one: revoked at once, long before its minute is over; its holder is left outside
    fresh, fresh_key = mine.read_bytes(), mine.with_suffix(".key").read_bytes()
    mine.write_bytes(old)
    mine.with_suffix(".key").write_bytes(key)
    shut_out = home.again()
    live(shut_out, lambda: shut_out.part.caller.problem not in ("", "not tried yet", "connecting"))
    shut_out.store.close()
    mine.write_bytes(fresh)
    mine.with_suffix(".key").write_bytes(fresh_key)
    let_in = home.again()
    live(let_in, lambda: not let_in.part.caller.problem)
    let_in.store.close()


def test_who_was_away_until_its_certificate_ended_comes_back_by_a_ticket(
    ground: Ground, tmp_path: Path
) -> None:
    issuer = Granting(ground, timedelta(seconds=-5))
    key_set = ground.desk.papers.key_set()
    home = Home(tmp_path, issuer, ground.port, key_set=key_set, now_ms=time.time_ns() // 1_000_000)
    live(home, lambda: "gridlight enroll --ticket" in home.part.caller.problem)
    home.store.close()
    assert ground.run("enroll", kit.NAME, "--again", "--out", str(tmp_path)) == 0
    from firmware_app.cli import main

    words = ["enroll", str(home.path), "--ticket", str(tmp_path / f"{kit.NAME}.ticket"), "--timeout", "60"]
    assert main([*words, "--quiet"]) == 0
    back = home.again()
    live(back, lambda: not back.part.caller.problem)
    back.store.close()


class Slots:
    """A board with two systems, as RAUC would tell of it; what was installed is what the device gave."""

    def __init__(self) -> None:
        self.booted, self.installed = "A", b""
        self.confirmed = self.restarted = False

    def slot(self) -> str:
        return self.booted

    def install(self, firmware: Path) -> str:
        self.installed = firmware.read_bytes()
        return "" if self.installed.startswith(b"good") else "signature verification failed"

    def confirm(self) -> None:
        self.confirmed = True

    def restart(self, back_to: str) -> None:
        self.restarted, self.booted = True, back_to or "B"


def push_firmware(ground: Ground, data: bytes, folder: Path) -> int:
    firmware = folder / "release.raucb"
    firmware.write_bytes(data)
    words = ("--waves", "1,100%", "--window", "60s", "--hold", "3s", "--detach")
    return ground.run("push", "--firmware", str(firmware), "--key", ground.key, *words)


def test_a_firmware_goes_from_the_desk_into_the_idle_slot_and_is_kept(ground: Ground, tmp_path: Path) -> None:
    slots = Slots()
    issuer = Granting(ground, timedelta(days=900))
    key_set, now_ms = ground.desk.papers.key_set(), time.time_ns() // 1_000_000
    home = Home(tmp_path, issuer, ground.port, key_set=key_set, now_ms=now_ms, updater=slots)
    data = b"good" + Random(1).randbytes(1_500_000)
    assert push_firmware(ground, data, tmp_path) == 0
    live(home, lambda: slots.restarted)
    home.store.close()
    assert slots.installed == data
    assert home.steward.memory.phase is Phase.RESTARTING
    assert not slots.confirmed

    started = home.again()
    live(
        started,
        lambda: started.steward.memory.phase is Phase.SETTLED,
        lambda: ground.desk.rollouts.of_version(1).standing is Standing.DONE,
    )
    started.store.close()
    assert slots.confirmed
    assert ground.desk.rollouts.of_version(1).counts == {Outcome.HEALTHY: 1}

    again = started.again()
    assert push_firmware(ground, b"bad!" + data, tmp_path) == 0
    live(again, lambda: again.steward.memory.failure is not None)
    again.store.close()
    reported = again.steward.reported()
    assert reported["failed"]["reason"] == "cannot be installed: signature verification failed"
    assert slots.booted == "B"
