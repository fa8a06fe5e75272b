"""A real `gridlight run` within a hurried run: `python -m testbed.live.device FILE CLOCK`.

The same composition root, with the clock of the run in the place of the board's, and with the patience that a hurried
clock asks for. CLOCK is JSON as in a node file.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from firmware_app.command_line import collect_less_often
from firmware_app.config.check import check
from firmware_app.run import run_device
from testbed.live.hurried_time import HurriedTime
from testbed.live.nodefile import clock_of
from testbed.live.pace import pace


def main(path: str, clock_text: str) -> None:
    """Be the device until a signal comes."""
    collect_less_often()
    found = check(Path(path))
    clock = clock_of(json.loads(clock_text))
    params = pace(clock.speed, found.genesis.market.interval_s)["meter_params"]
    asyncio.run(run_device(found, board_time=HurriedTime(clock), params=params))


if __name__ == "__main__":
    main(*sys.argv[1:])
