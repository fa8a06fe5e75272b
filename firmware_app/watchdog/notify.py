"""`sd_notify`: what a service tells systemd, as datagrams over a unix socket.

Source: sd_notify(3), systemd.service(5) `Type=notify`, `WatchdogSec=`.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from typing import Final

MAX_STATUS: Final = 400
"""Characters of a status line that are sent; `systemctl status` shows one line."""

_PATIENCE_S: Final = 2.0
"""How long a notification that is sent once may wait for room in systemd's queue, seconds."""


class Notifier:
    """Talks to systemd; without one, says nothing to nobody.

    A notification that cannot be sent is dropped: systemd notices a missing one by itself, and a service that hangs
    while it reports that it is well would be absurd. So the socket does not block, but for what is said once.
    """

    def __init__(self, environ: Mapping[str, str], *, pid: int | None = None) -> None:
        """Find systemd in the environment.

        Args:
            environ: `NOTIFY_SOCKET` is a path, or `@name` of an abstract socket; `WATCHDOG_USEC` how often systemd
                wants to be fed, µs, meant for the process `WATCHDOG_PID` alone.
            pid: of this process.
        """
        where = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + where[1:] if where.startswith("@") else where
        self.enabled: Final = where[:1] in {"@", "/"}
        self.watchdog_ms: Final = _watchdog_ms(environ, os.getpid() if pid is None else pid)
        """Systemd ends the service after so long without `watchdog`, ms; None if it does not watch."""
        self._status = ""

    @property
    def feed_every_ms(self) -> int:
        """How often to call `watchdog`, ms: thrice in systemd's time, or every ten seconds."""
        return 10_000 if self.watchdog_ms is None else max(100, self.watchdog_ms // 3)

    def ready(self) -> None:
        """Say that the start is over."""
        self._send("READY=1", patience_s=_PATIENCE_S)

    def watchdog(self) -> None:
        """Say that all parts are at work. Nobody but `Watch.beat` may decide that."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Say how things stand, for `systemctl status`; the same line is sent once."""
        line = " ".join(text.split())[:MAX_STATUS]
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._send("STOPPING=1", patience_s=_PATIENCE_S)

    def _send(self, state: str, *, patience_s: float = 0) -> None:
        if not self.enabled:
            return
        with (
            contextlib.suppress(OSError, ValueError),  # ValueError: a path with a NUL byte
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
        ):
            out.settimeout(patience_s)
            out.sendto(state.encode("utf-8", "replace"), self._address)


def _watchdog_ms(environ: Mapping[str, str], pid: int) -> int | None:
    try:
        usec = int(environ.get("WATCHDOG_USEC", "0"))
        meant_for = int(environ.get("WATCHDOG_PID", str(pid)))
    except ValueError:
        return None
    return usec // 1_000 if usec > 0 and meant_for == pid else None
