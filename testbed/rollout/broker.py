"""A real mosquitto on this machine, with the configuration that operators run."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from deploy.broker.authority import Authority, Credential, Role
from deploy.broker.folder import write_broker
from deploy.broker.settings import BrokerSettings
from firmware_app.fleet.topics import Topics
from testbed.live.deployment import HOST, free_ports

_PROGRAMS: Final = ("mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto")
_START_S: Final = 20.0
_STOP_S: Final = 30.0


class NoBrokerError(Exception):
    """mosquitto is not installed, or did not start."""


def program() -> str:
    """Where mosquitto is.

    Raises:
        NoBrokerError: it is not installed.
    """
    for name in _PROGRAMS:
        found = shutil.which(name)
        if found:
            return found
    raise NoBrokerError("mosquitto is not installed: apt-get install mosquitto")


class Mosquitto:
    """One broker that runs from a folder written for it; a context manager that ends the process."""

    def __init__(self, folder: Path, log: Path) -> None:
        """Prepare.

        Args:
            folder: with ``mosquitto.conf``.
            log: what it says is appended here.
        """
        self.program: Final = program()
        self.folder: Final = folder
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        lines = (folder / "mosquitto.conf").read_text(encoding="ascii").splitlines()
        self._ports = [int(line.split()[1]) for line in lines if line.startswith("listener ")]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.stop()

    def start(self) -> None:
        """Start it, and wait until it takes connections.

        Raises:
            NoBrokerError: it does not.
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - found by its name
                [self.program, "-c", str(self.folder / "mosquitto.conf")], stdout=log, stderr=log
            )
        deadline = time.monotonic() + _START_S
        while not all(_listens(port) for port in self._ports):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise NoBrokerError(f"mosquitto did not start: {self.log()[-500:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it as a service manager would: it saves what it keeps."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would: what it had not saved is lost."""
        self._end(signal.SIGKILL)

    def reload(self) -> None:
        """Let it read rights, tokens and revocations again."""
        self._running().send_signal(signal.SIGHUP)

    def log(self) -> str:
        """What it said."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def memory_kib(self) -> int:
        """Its resident set."""
        return resident_kib(self._running().pid)

    def _end(self, how: signal.Signals) -> None:
        process = self._running()
        process.send_signal(how)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise NoBrokerError("the broker does not run")
        return self._process


class Broker(Mosquitto):
    """A broker with an authority of its own, for a fleet that has no desk."""

    def __init__(self, folder: Path, fleet: bytes, *, devices: int = 100) -> None:
        now = datetime.now(UTC)
        self.authority = Authority.create(folder / "authority", fleet, now)
        data = folder / "retained"
        data.mkdir()
        self.port, self.enrol_port = free_ports(2)
        settings = BrokerSettings(
            folder=folder / "broker",
            data_folder=data,
            bind=HOST,
            port=self.port,
            enrol_port=self.enrol_port,
            devices=devices,
            watchers=("screen",),
            user=pwd.getpwuid(os.geteuid()).pw_name,
        )
        write_broker(settings.folder, settings, Topics(fleet), self.authority, (HOST, "localhost"), now)
        super().__init__(settings.folder, folder / "mosquitto.log")

    def credential(self, name: str, role: Role = Role.DEVICE) -> Credential:
        """A certificate with its key."""
        return self.authority.client(name, role, datetime.now(UTC))


def resident_kib(pid: int) -> int:
    """Resident set of a process, KiB; nought where it is gone."""
    return _status_kib(pid, "VmRSS:")


def peak_kib(pid: int) -> int:
    """The largest that its resident set ever was, KiB; nought where it is gone."""
    return _status_kib(pid, "VmHWM:")


def _status_kib(pid: int, field: str) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith(field)), 0)


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True
