"""A meter of the neighbourhood: `python -m testbed.neighbourhood.meter`, in a container of the device's own image.

It takes a place in the shared folder, waits until the tier has filled it, is `gridlight run` on the clock of the run
(`testbed/live/device.py`), and ends it when the tier or a signal asks for that. It stays until the tier has said its
verdict: compose ends everybody as soon as one container is gone. Exit code: the program's.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Final

from testbed.neighbourhood.places import GRID, Grounds, Place

_LOOK_S: Final = 0.3
_PATIENCE_S: Final = 900.0
_LATE: Final = 3
_AFTER_S: Final = 15.0
"""After the tier's verdict: its container is to end first."""


def main(grid: Path = GRID) -> int:
    """Take part."""
    place = Place(Grounds(grid).places / socket.gethostname())
    place.folder.mkdir(exist_ok=True)
    place.code.unlink(missing_ok=True)
    until_s = time.monotonic() + _PATIENCE_S
    while not place.invited.exists():
        if time.monotonic() >= until_s:
            sys.stderr.write(f"meter: the tier has not answered for {_PATIENCE_S:.0f} s\n")
            return _LATE
        time.sleep(_LOOK_S)
    return _live(place, Grounds(grid).open)


def _live(place: Place, doors: Path) -> int:
    words = (str(place.folder / "gridlight.toml"), str(place.folder / "clock.json"))
    program = subprocess.Popen([sys.executable, "-m", "testbed.live.device", *words])  # noqa: S603 - our own

    told = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        told.set()
        program.terminate()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    while program.poll() is None:
        if place.leave.exists():
            program.terminate()
            program.wait()
        time.sleep(_LOOK_S)
    place.code.write_text(f"{program.returncode}\n", encoding="ascii")
    while doors.exists() and not told.is_set():
        told.wait(_LOOK_S)
    told.wait(_AFTER_S)
    return program.returncode


if __name__ == "__main__":
    sys.exit(main())
