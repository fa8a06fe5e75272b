"""`gridlight run`: the device from its start to a signal, through changes of its configuration.

A change that a part or two can take up is theirs (`firmware_app/program.py`). For any other all parts end and begin in
this process, on what is durable: as after a power cut, which everything survives.
"""

from __future__ import annotations

import argparse
import asyncio
import signal

from firmware_app.clock.gate import ClockGate
from firmware_app.config import keys
from firmware_app.config.check import Checked
from firmware_app.config.commands import file_of, refusal
from firmware_app.config.load import ConfigError
from firmware_app.console import CommandError, Console, Exit
from firmware_app.management.steward import Steward, enter
from firmware_app.program import Program
from firmware_app.runtime.board_time import BoardTime, GateTime, real_monotonic_ms
from firmware_app.runtime.memory import live_frugally
from firmware_app.trading.params import MeterParams
from light_client.store.errors import StoreError


def run(args: argparse.Namespace) -> int:
    """Be the device until SIGTERM or SIGINT."""
    console: Console = args.console
    try:
        found, steward = enter(file_of(args), monotonic_ms=real_monotonic_ms)
    except ConfigError as error:
        raise refusal(error, file_of(args)) from None
    if not found.is_enrolled:
        raise CommandError(
            f"{found.config.device.name} has no keys yet", hint=f"gridlight enroll {found.path}"
        )
    console.note(f"running {found.config.device.name} with {found.path}")
    try:
        asyncio.run(run_device(found, steward))
    except (keys.KeysError, StoreError, ConfigError) as error:
        raise CommandError(str(error)) from None
    return Exit.OK


async def run_device(
    found: Checked,
    steward: Steward | None = None,
    *,
    board_time: BoardTime | None = None,
    params: MeterParams | None = None,
) -> None:
    """Run until a signal comes; through a change of the configuration that concerns everything, too.

    Args:
        found: the configuration.
        steward: who looks after it, if the device is in a fleet.
        board_time: instead of the machine's clocks behind a gate.
        params: how patient the trading meter is, if not as usual.

    Raises:
        KeysError: a secret cannot be used.
        StoreBusyError: another process runs this device.
        ConfigError: there is nothing to run by any more.
    """
    live_frugally()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    while not stop.is_set():
        program = Program(found, board_time or _gate_time(found), params or MeterParams(), steward)
        try:
            program.start()
            await _first_of(stop, program.again)
        finally:
            await program.stop()
        if steward is not None and not stop.is_set():
            before = steward.before
            found, steward = enter(found.path, monotonic_ms=real_monotonic_ms)
            if steward is not None:
                steward.before = before


def _gate_time(found: Checked) -> BoardTime:
    gate = ClockGate(
        found.config.clock,
        max_drift_ms=found.genesis.chain.max_drift_ms,
        monotonic_ms=real_monotonic_ms(),
    )
    return GateTime(gate)


async def _first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
