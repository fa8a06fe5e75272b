"""`gridlight run` in a fleet, as it is typed: configuration comes over a real broker, is kept, or rolled back."""

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

from firmware_app.fleet.plan import RolloutPlan
from firmware_app.fleet.telemetry import health_from_bytes, presence_from_bytes
from firmware_app.fleet.topics import Said
from firmware_app.status import client
from tests.firmware_app.fleet.world import bundle, delta, signed
from tests.firmware_app.management import kit

pytest.importorskip("pymodbus", reason="a Modbus meter is played by pymodbus' server")
pytestmark = [pytest.mark.system, pytest.mark.slow]

_ROOT = Path(__file__).resolve().parents[3]
QUICK = RolloutPlan(window_ms=25_000, hold_ms=5_000)


def _until(what: Callable[[], Any], patience_s: float = kit.PATIENCE_S) -> Any:
    end_s = time.monotonic() + patience_s
    while time.monotonic() < end_s:
        try:
            answer = what()
        except client.ServiceDownError:
            answer = None
        if answer:
            return answer
        time.sleep(0.2)
    raise TimeoutError("no answer in time")


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

    profile = _ROOT / "meter_io" / "profiles" / "data" / "eastron-sdm630.toml"
    start_ms = int(time.time()) * 1_000
    household = Household.synthetic(1, start_ms=start_ms - start_ms % 86_400_000)
    clock = Clock(start_ms)
    speaker = PymodbusServer(
        Display(household=household, script=Script(())), Layout.of_profile(profile), clock, address=1
    )
    running = RunningMeter(speaker, PtyEnd(tmp_path / "meter"), Script(()), clock)
    unplugged = threading.Event()
    thread = threading.Thread(target=lambda: running.run(unplugged.is_set))
    thread.start()
    yield tmp_path / "meter"
    unplugged.set()
    thread.join(10)
    speaker.close()


class Device:
    """One process of `gridlight run`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = str(path.parent / "control.sock")
        self.log = path.parent / "device.log"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *words: str) -> "subprocess.Popen[bytes]":
        """Start `gridlight`."""
        python_path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        with self.log.open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "firmware_app", *words],
                stdout=out,
                stderr=out,
                env={**os.environ, "PYTHONPATH": python_path},
            )

    def start(self) -> None:
        self.process = self.command("run", str(self.path))
        _until(lambda: list(client.ask(self.socket, "fleet")))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(kit.PATIENCE_S)
            self.process = None

    def standing(self) -> dict[str, Any]:
        """What it answers to `fleet`."""
        (answer,) = client.ask(self.socket, "fleet")
        return answer

    def is_measured(self) -> bool:
        """Whether its meter is read."""
        (document,) = client.ask(self.socket, "status")
        return bool(document["meters"][0]["quality"] == "good")

    def kinds(self) -> set[str]:
        """What its log told of."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return {json.loads(line)["kind"] for line in lines if line.startswith("{")}


@pytest.fixture
def device(tmp_path: Path, meter: Path) -> Iterator[tuple[Device, kit.Operator, kit.Broker]]:
    """A device with a meter, a broker, and an operator; enrolled, and not started."""
    with kit.broker(tmp_path / "broker") as broker:
        path = kit.enrolled(tmp_path, broker.authority, port=broker.port, meter=str(meter))
        made = Device(path)
        assert made.command("enroll", str(path)).wait(kit.PATIENCE_S) == 0
        operator = kit.Operator(broker)
        try:
            yield made, operator, broker
        finally:
            made.stop()
            operator.close()


DESIRED = kit.TOPICS.device(kit.NAME, Said.DESIRED)
REPORTED = kit.TOPICS.device(kit.NAME, Said.REPORTED)
PRESENCE = kit.TOPICS.device(kit.NAME, Said.PRESENCE)
HEALTH = kit.TOPICS.device(kit.NAME, Said.HEALTH)


def _says(**wanted: Any) -> Callable[[bytes], bool]:
    return lambda raw: all(json.loads(raw)[key] == value for key, value in wanted.items())


def _is(version: int) -> Callable[[bytes], bool]:
    return lambda raw: (
        json.loads(raw)["version"]["version"] == version and json.loads(raw)["state"] == "settled"
    )


def test_a_pushed_configuration_is_kept_and_one_that_does_harm_is_rolled_back(
    device: tuple[Device, kit.Operator, kit.Broker], tmp_path: Path
) -> None:
    made, operator, broker = device
    made.start()
    assert presence_from_bytes(operator.until(PRESENCE)).online
    operator.until(REPORTED, _is(0))
    assert health_from_bytes(operator.until(HEALTH)).parts["store"] == "working"
    _until(made.is_measured)

    # what concerns the bidder alone is taken over without any restart
    gentle = bundle(1, delta(("privacy.lot_wh", 250)), plan=QUICK, needs_clock=False)
    operator.say(DESIRED, signed(gentle), retain=True)
    operator.until(REPORTED, _is(1))
    assert "part.failed" not in made.kinds()

    # a port that leads nowhere is known to be wrong before anything is done
    nowhere = bundle(2, delta(("meter.house.port", "/dev/nowhere")), plan=QUICK, needs_clock=False)
    operator.say(DESIRED, signed(nowhere), retain=True)
    operator.until(REPORTED, lambda raw: "FLT-16" in json.loads(raw)["refused"])

    # another address on the bus is no such thing: everything begins anew, the meter is silent, and it goes back
    wrong = bundle(3, delta(("meter.house.address", 77)), plan=QUICK, needs_clock=False)
    operator.say(DESIRED, signed(wrong), retain=True)
    operator.until(REPORTED, lambda raw: (json.loads(raw)["next"] or {}).get("version") == 3)
    said = json.loads(operator.until(REPORTED, lambda raw: json.loads(raw)["failed"] is not None))
    said = json.loads(operator.until(REPORTED, _is(1))) if said["state"] != "settled" else said
    assert (said["failed"]["version"], said["version"]["version"]) == (3, 1)
    assert "house: the meter is not read" in said["failed"]["reason"]
    _until(made.is_measured)

    # the broker is gone, a bundle comes by file, and the operator hears of it later
    broker.stop()
    file = tmp_path / "v4.bundle"
    file.write_bytes(signed(bundle(4, delta(("log.burst", 20)), plan=QUICK, needs_clock=False)))
    applying = made.command("fleet", "apply", str(file), "--config", str(made.path), "--socket", made.socket)
    assert applying.wait(kit.PATIENCE_S) == 0
    broker.start()
    operator.until(REPORTED, _is(4))

    # a power cut, and it runs by what it ran by; nobody sent the will but the broker
    made.stop(signal.SIGKILL)
    assert not presence_from_bytes(operator.until(PRESENCE, lambda raw: b"false" in raw)).online
    assert made.command("fleet", "show", "--config", str(made.path), "--socket", made.socket).wait(60) == 0
    made.start()
    assert made.standing()["version"]["version"] == 4
    operator.until(PRESENCE, lambda raw: b"true" in raw)
    (document,) = client.ask(made.socket, "status")
    assert (document["config"]["version"], document["config"]["state"]) == (4, "healthy")
    made.stop()
    assert not presence_from_bytes(operator.until(PRESENCE, lambda raw: b"false" in raw)).online
