"""A real `gridlight run` within a hurried run: `python -m testbed.live.device FILE CLOCK [SHIFT]`.

The same composition root, with the clock of the run in the place of the board's, and with the patience that a hurried
clock asks for. CLOCK is JSON as in a node file. With SHIFT, a file that says by how many ms the wall clock was set, the
board's own gate looks after the time; without, nobody doubts it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from firmware_app.command_line import collect_less_often
from firmware_app.config.check import check
from firmware_app.run import run_device
from firmware_app.runtime.board_time import BoardTime
from testbed.live.doubted_time import DoubtedTime
from testbed.live.hurried_time import HurriedTime
from testbed.live.nodefile import clock_of
from testbed.live.pace import pace


def main(path: str, clock_text: str, shift: str = "") -> None:
    """Be the device until a signal comes."""
    collect_less_often()
    found = check(Path(path))
    clock = clock_of(json.loads(clock_text))
    params = pace(clock.speed, found.genesis.market.interval_s)["meter_params"]
    board_time: BoardTime = HurriedTime(clock)
    if shift:
        board_time = DoubtedTime(
            clock,
            found.config.clock,
            max_drift_ms=found.genesis.chain.max_drift_ms,
            shift_file=Path(shift),
        )
    asyncio.run(run_device(found, board_time=board_time, params=params))


if __name__ == "__main__":
    main(*sys.argv[1:])
