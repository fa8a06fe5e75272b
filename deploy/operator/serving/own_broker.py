"""A mosquitto of the service's own, run from the desk's folder: to try things, and for a fleet on one machine."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from firmware_app.console import CommandError

_PROGRAMS: Final = ("mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto")
_START_S: Final = 30.0
_LOOK_S: Final = 0.05
_STOP_S: Final = 20


class OwnBroker:
    """The process; a context manager that ends it."""

    def __init__(self, folder: Path, port: int) -> None:
        """Prepare.

        Args:
            folder: as `init` wrote it.
            port: where it will listen.

        Raises:
            CommandError: mosquitto is not installed.
        """
        found = next(filter(None, map(shutil.which, _PROGRAMS)), None)
        if found is None:
            raise CommandError("mosquitto is not installed", hint="apt-get install mosquitto")
        self._command: Final = [found, "-c", str(folder / "mosquitto.conf")]
        self._port: Final = port
        self._log: Final = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - found by its name
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        end_s = (
            time.monotonic() + _START_S
        )  # until it listens it knows no signals, and would end at the first
        while not self._listens() and not self.problem and time.monotonic() < end_s:
            time.sleep(_LOOK_S)
        return self

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=1.0).close()
        except OSError:
            return False
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def problem(self) -> str:
        """Why it does not run; empty if it does."""
        if self._process is None or self._process.poll() is None:
            return ""
        return f"mosquitto ended: {self._log.read_text(encoding='utf-8', errors='replace')[-300:].strip()}"

    def reload(self) -> bool:
        """Let it read tokens and revocations again."""
        if self._process is None or self._process.poll() is not None:
            return False
        self._process.send_signal(signal.SIGHUP)
        return True
