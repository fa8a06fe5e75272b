"""Where a reader plugs in: a pty behind a stable name, or a TCP port of this machine."""

import contextlib
import os
import select
import socket
import termios
import tty
from pathlib import Path
from typing import Protocol

_CHUNK = 4_096
_BAUDS = {
    getattr(termios, f"B{baud}"): baud
    for baud in (300, 600, 1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200)
}


class End(Protocol):
    """One place to read a meter from. Plugged in at first."""

    is_plugged: bool

    @property
    def name(self) -> str:
        """What a reader is given as its port."""

    def plug(self) -> None:
        """Appear, under the same name as before."""

    def unplug(self) -> None:
        """Disappear, name and all."""

    def read(self, timeout_s: float) -> bytes:
        """Return what a reader sent, after at most so long."""

    def write(self, data: bytes) -> None:
        """Say something, if anybody listens."""


class PtyEnd:
    """A pseudo terminal behind a symbolic link, as a USB adapter behind /dev/serial/by-id."""

    def __init__(self, link: Path, *, owner: int | None = None) -> None:
        """Plug in. The link must not exist yet.

        Args:
            owner: the user who may read, if it is another one.

        Raises:
            OSError: it does, or cannot be made.
        """
        self._link = link
        self._owner = owner
        self._fds: tuple[int, int] | None = None
        self.is_plugged = False
        self.plug()

    @property
    def name(self) -> str:
        """The link."""
        return str(self._link)

    @property
    def device(self) -> str:
        """The terminal behind it, another one after each plugging in."""
        return "" if self._fds is None else os.ttyname(self._fds[1])

    @property
    def baud(self) -> int:
        """The speed that a reader has set: nothing goes slower for it, but a meter can look; 0 while unplugged."""
        return 0 if self._fds is None else _BAUDS.get(termios.tcgetattr(self._fds[1])[5], 0)

    def plug(self) -> None:
        """Open a fresh terminal and point the link at it."""
        ours, theirs = os.openpty()
        try:
            tty.setraw(theirs)
            os.set_blocking(ours, False)
            if self._owner is not None:
                os.fchown(theirs, self._owner, -1)
            self._link.symlink_to(os.ttyname(theirs))
        except OSError:
            os.close(ours)
            os.close(theirs)
            raise
        self._fds, self.is_plugged = (ours, theirs), True

    def unplug(self) -> None:
        """Remove the link, then the terminal: a reader sees a hang-up."""
        if self._fds is None:
            return
        self._link.unlink(missing_ok=True)
        for fd in self._fds:
            os.close(fd)
        self._fds, self.is_plugged = None, False

    def read(self, timeout_s: float) -> bytes:
        """Return what a reader sent."""
        if self._fds is None or not select.select([self._fds[0]], [], [], timeout_s)[0]:
            return b""
        with contextlib.suppress(OSError):
            return os.read(self._fds[0], _CHUNK)
        return b""

    def write(self, data: bytes) -> None:
        """Say something; what a terminal that nobody reads cannot hold is lost, as on a wire."""
        if self._fds is not None:
            with contextlib.suppress(BlockingIOError):
                os.write(self._fds[0], data)


class TcpEnd:
    """A listening port for one reader at a time, as most meters have it."""

    def __init__(self, port: int = 0, *, host: str = "127.0.0.1") -> None:
        """Listen; port 0 finds a free one, and keeps it.

        Args:
            host: the address of this machine on which it listens.

        Raises:
            OSError: the port is in use.
        """
        self._port = port
        self._host = host
        self._listener: socket.socket | None = None
        self._reader: socket.socket | None = None
        self.is_plugged = False
        self.plug()

    @property
    def name(self) -> str:
        """Host and port."""
        return f"tcp://{self._host}:{self._port}"

    def plug(self) -> None:
        """Listen."""
        self._listener = socket.create_server((self._host, self._port), backlog=1)
        self._port = self._listener.getsockname()[1]
        self.is_plugged = True

    def unplug(self) -> None:
        """Hang up and listen no more."""
        for one in (self._reader, self._listener):
            if one is not None:
                one.close()
        self._reader = self._listener = None
        self.is_plugged = False

    def read(self, timeout_s: float) -> bytes:
        """Return what a reader sent; let one in if there is none."""
        if self._listener is None:
            return b""
        waiting = self._reader or self._listener
        if not select.select([waiting], [], [], timeout_s)[0]:
            return b""
        if self._reader is None:
            self._reader, _ = self._listener.accept()
            return b""
        data = b""
        with contextlib.suppress(OSError):
            data = self._reader.recv(_CHUNK)
        if not data:
            self._hang_up()
        return data

    def write(self, data: bytes) -> None:
        """Say something, if there is a reader."""
        if self._reader is not None:
            try:
                self._reader.sendall(data)
            except OSError:
                self._hang_up()

    def _hang_up(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
