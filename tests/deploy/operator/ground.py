"""A desk, a real mosquitto and meters that speak to it over TLS, on this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from deploy.broker.authority import Authority, Role
from deploy.operator.cli import main
from deploy.operator.desk.folder import Desk, open_desk
from firmware_app.fleet.topics import Said
from testbed.live.deployment import free_ports
from testbed.rollout.broker import program
from tests.deploy.broker.talker import Talker
from tests.deploy.operator.desk_kit import Meter

COMMAND: Final = Path(__file__).resolve().parents[3] / "deploy" / "operator" / "bin" / "gridlight-fleet"

_CONNECTED: Final = "connected to "
"""What the service says when it hears."""


class RemoteMeter:
    """A meter of the kit behind a real connection; its clock runs a second with each round."""

    def __init__(self, ground: Ground, name: str) -> None:
        key_set = ground.desk.papers.key_set()
        self.meter = Meter(name, key_set=key_set, now_ms=time.time_ns() // 1_000_000)
        authority = Authority.load(ground.desk.authority_folder)
        credential = authority.client(name, Role.DEVICE, datetime.now(UTC))
        self._topics = self.meter.topics
        self._talker = Talker(name, ground.desk.authority_folder / "authority.crt", ground.folder, credential)
        will = self.meter.presence(online=False)
        self._talker.will(will.topic, will.payload)
        self._talker.connect(ground.port)
        self._desired = self._topics.device(name, Said.DESIRED)
        self._talker.subscribe(self._desired)
        self._talker.subscribe(self._topics.device(name, Said.RECEIPT))

    def round(self) -> None:
        """Hear, live a second, speak."""
        self._talker.turn(lambda: False, 0.02)
        heard, self._talker.heard = self._talker.heard, []
        for topic, payload in heard:
            if topic == self._desired:
                self.meter.hear(payload)
        for message in self.meter.live():
            self._talker.publish(message.topic, message.payload, retain=True)

    def say(self, said: Said, payload: bytes, kind: str = "") -> None:
        """Say something else."""
        self._talker.publish(self._topics.device(self.meter.name, said, kind), payload)

    def hears_receipt(self) -> bytes | None:
        """The next receipt."""
        return self._talker.hears(self._topics.device(self.meter.name, Said.RECEIPT), 10.0)

    def break_off(self) -> None:
        """Lose the connection: the broker speaks the will."""
        self._talker.break_off()


class Ground:
    """All of it; a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.enrol_port = free_ports(2)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._started: set[str] = set()
        ports = ("--port", str(self.port), "--enrol-port", str(self.enrol_port))
        assert self.run("init", "--local", "--host", "localhost", *ports) == 0
        self.desk: Desk = open_desk(folder / "fleet")

    def run(self, command: str, *words: str) -> int:
        """A command of the operator."""
        return main([command, *words, "--desk", str(self.folder / "fleet"), "--quiet"])

    @property
    def key(self) -> str:
        """The operator's key."""
        return str(self.folder / "fleet" / "operator.key")

    def start_broker(self) -> None:
        """Start mosquitto as the desk says."""
        self._start("broker", program(), "-c", str(self.desk.broker_folder / "mosquitto.conf"))
        end_s = time.monotonic() + 60
        while not _listens(self.port) and time.monotonic() < end_s:
            time.sleep(0.05)
        settings = self.folder / "fleet" / "desk.toml"
        text = settings.read_text().replace(
            "# reload", f'reload = ["kill", "-HUP", "{self._processes["broker"].pid}"]\n# reload'
        )
        settings.write_text(text)

    def start_service(self) -> None:
        """Start the service."""
        before = self.said("service").count(_CONNECTED) if "service" in self._started else 0
        self._started.add("service")
        self._start(
            "service",
            sys.executable,
            str(COMMAND),
            "serve",
            "--desk",
            str(self.folder / "fleet"),
            "--page-port",
            "0",
        )
        end_s = time.monotonic() + 60
        while self.said("service").count(_CONNECTED) == before and time.monotonic() < end_s:
            time.sleep(0.05)

    def kill(self, name: str) -> None:
        """End one of them as a power cut would."""
        process = self._processes.pop(name)
        process.kill()
        process.wait(30)

    def until(self, done: Callable[[], bool], meters: list[RemoteMeter], patience_s: float = 90.0) -> bool:
        """Let everybody live until something has happened; whether it has."""
        end_s = time.monotonic() + patience_s
        while not done() and time.monotonic() < end_s:
            for meter in meters:
                meter.round()
            time.sleep(0.05)
        return done()

    def said(self, name: str) -> str:
        """What a process printed."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(command, stdout=log, stderr=log, cwd=COMMAND.parents[3])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(30)
        self.desk.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True
