"""A real `gridlight run` within a hurried run: `python -m testbed.live.device FILE CLOCK [SHIFT]`.

The same composition root, with the clock of the run in the place of the board's, and with the patience that a hurried
clock asks for. CLOCK is a file of JSON as in a node file. A device that is switched on before the run has begun makes
itself ready, says so by a file `ready` beside CLOCK, and waits until CLOCK is there. With SHIFT, a file that says by
how many ms the wall clock was set, the board's own gate looks after the time; without, nobody doubts it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Final

from firmware_app.management.steward import enter
from firmware_app.run import run_device
from firmware_app.runtime.board_time import BoardTime, real_monotonic_ms
from firmware_app.runtime.clock import Clock
from testbed.live.doubted_time import DoubtedTime
from testbed.live.hurried_time import HurriedTime
from testbed.live.nodefile import clock_of
from testbed.live.patience import meter_params

_LOOK_S: Final = 0.2


def main(path: str, clock_path: str, shift_path: str = "") -> None:
    """Be the device until a signal comes."""
    found, steward = enter(Path(path), monotonic_ms=real_monotonic_ms)
    clock = _clock(Path(clock_path))
    params = meter_params(clock.speed, found.genesis.market.interval_s)
    board_time: BoardTime = HurriedTime(clock)
    if shift_path:
        drift_ms = found.genesis.chain.max_drift_ms
        board_time = DoubtedTime(
            clock, found.config.clock, max_drift_ms=drift_ms, shift_file=Path(shift_path)
        )
    asyncio.run(run_device(found, steward, board_time=board_time, params=params))


def _clock(path: Path) -> Clock:
    path.with_name("ready").touch()
    while not path.exists():
        time.sleep(_LOOK_S)
    return clock_of(json.loads(path.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main(*sys.argv[1:])
