"""Lets the service of a card take part in a hurried run: its clock is that of the run, and nothing else is another.

A board has no switch for it, so it is laid onto the copy of a card: a few modules of the testbed, a line for systemd
that starts `testbed.live.device` in the place of `gridlight run`, and a script that fetches the run's clock from this
machine once the service waits for it and the board's own clock is right. Everything that confines the service stays.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import testbed
from deploy.image import layout
from testbed.qemu.machine import HOST
from testbed.qemu.partitions import File, put

MODULES: Final = (
    "__init__.py",
    "live/__init__.py",
    "live/device.py",
    "live/doubted_time.py",
    "live/hurried_time.py",
    "live/nodefile.py",
    "live/patience.py",
)
"""Of the testbed: what `testbed.live.device` imports beyond the program itself."""
_FOLDER: Final = "/opt/gridlight-run"
_UNITS: Final = "/etc/systemd/system"
_SERVICE: Final = f"""\
# Laid onto this copy of a card by the testbed: the same program, by the clock of a hurried run.
[Unit]
Wants=gridlight-run-clock.service

[Service]
# It counts as started at once: it waits for the clock of the run, which comes by the network, which starts after it.
Type=exec
ExecStart=
ExecStart=/usr/bin/python3 -m testbed.live.device /etc/gridlight/gridlight.toml /run/gridlight/clock.json
Environment=PYTHONPATH={_FOLDER}
TimeoutStartSec=infinity
StandardOutput=journal+console
StandardError=journal+console
"""
_CLOCK: Final = f"""\
[Unit]
Description=fetch the clock of the run
After=chrony.service

[Service]
ExecStart=/bin/sh {_FOLDER}/fetch-clock @URL@
"""
_FETCH: Final = """\
# Brings the clock of the run to a service that waits for it, as soon as the board's own clock is right.
cd /run || exit 1
while sleep 0.3; do
    if [ -e gridlight/ready ] && [ ! -e gridlight/clock.json ]; then
        chronyc waitsync 0 0.02 0 1 >/dev/null || continue
        busybox wget -q -O clock.new "$1" || continue
        chown gridlight clock.new && mv clock.new gridlight/clock.json
    fi
done
"""


def lay_run_clock(card: Path, slot: layout.Partition, url: str) -> None:
    """Lay onto a slot of a card what makes its service take part in a hurried run.

    Args:
        url: where the board asks for the clock.

    Raises:
        BoardError: it cannot be written.
    """
    source = Path(testbed.__file__).parent
    modules = (
        File(path=f"{_FOLDER}/testbed/{name}", content=(source / name).read_bytes()) for name in MODULES
    )
    texts = {
        f"{_UNITS}/gridlight.service.d/run.conf": _SERVICE,
        f"{_UNITS}/gridlight-run-clock.service": _CLOCK.replace("@URL@", url),
        f"{_FOLDER}/fetch-clock": _FETCH,
    }
    written = (File(path=path, content=text.encode("ascii")) for path, text in texts.items())
    put(card, slot, (*modules, *written))


class ClockDesk:
    """Hands the clock of a run to boards that ask for it, and notes that they are ready; threads of its own."""

    def __init__(self) -> None:
        """Listen on a free port of the loopback interface.

        Raises:
            OSError: there is none.
        """
        self._folders: dict[str, Path] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._folders))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="clock desk", daemon=True)

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()

    def url_for(self, name: str, folder: Path) -> str:
        """Where a board asks.

        Args:
            folder: on this machine, in which `clock.json` will lie, and `ready` is made.
        """
        self._folders[name] = folder
        return f"http://{HOST}:{self._server.server_address[1]}/{name}"


def _handler(folders: Mapping[str, Path]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            folder = folders.get(self.path.strip("/"))
            if folder is None:
                self.send_error(404)
                return
            (folder / "ready").touch()
            try:
                clock = (folder / "clock.json").read_bytes()
                json.loads(clock)
            except (FileNotFoundError, ValueError):
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(clock)))
            self.end_headers()
            self.wfile.write(clock)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
            """Nobody reads it."""

    return Handler
