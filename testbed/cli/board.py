"""`gridlight-testbed board`: the card that is flashed, started by QEMU, reset, cut off, and measured."""

from __future__ import annotations

import argparse
import signal
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit

if TYPE_CHECKING:
    from testbed.qemu.machine import Machine
    from testbed.qemu.trial import Trial

_MACHINES = ("virt", "cubieboard", "raspi2b")


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "board",
        "Start a card in QEMU: it reads a virtual meter, survives a reset and a power cut, and is measured.",
        run,
        examples=(
            "gridlight-testbed board --machine virt       # builds the card if there is none; wants root then",
            "gridlight-testbed board --machine cubieboard --card out/image/gridlight-virt-0.4.0.img",
        ),
    )
    parser.add_argument("--machine", choices=_MACHINES, default="virt", help="of QEMU; default: virt")
    parser.add_argument(
        "--card",
        type=Path,
        metavar="FILE",
        help="image for virt; default: the one in --image, built if missing",
    )
    parser.add_argument(
        "--image", type=Path, metavar="DIR", default=Path("out/image"), help="default: out/image"
    )
    parser.add_argument(
        "--patience", type=int, metavar="S", default=300, help="how long a start may take; default: 300"
    )
    parser.add_argument(
        "--measure", type=int, metavar="S", default=60, help="how long it is measured; default: 60"
    )
    parser.add_argument(
        "--icount",
        action="store_true",
        help="let time follow instructions, 2 ns each: a Cortex-A8 at 1 GHz, whatever this machine is doing",
    )


def run(args: argparse.Namespace) -> int:
    """Start the board, say what happened."""
    from testbed.qemu.emulator import BoardError
    from testbed.qemu.machine import MACHINES

    console: Console = args.console
    if not 10 <= args.measure <= 86_400 or not 10 <= args.patience <= 3_600:
        raise CommandError("--measure is 10 to 86400 and --patience 10 to 3600", code=Exit.USAGE)
    machine = MACHINES[args.machine]
    # As Ctrl-C: what is told to end takes its emulator with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="gridlight-card-") as folder:
            trial = _trial(args, machine, Path(folder))
    except BoardError as error:
        raise CommandError(str(error)) from None
    cannot = [f"not as on a board: {sentence}" for sentence in machine.cannot]
    facts = {**asdict(trial), "processor": machine.processor, "cannot": list(machine.cannot)}
    console.result("gridlight.emulated-board/1", facts, [*lines_of(trial), *cannot])
    return Exit.OK if trial.kept and trial.sound else Exit.FAILED


def _trial(args: argparse.Namespace, machine: Machine, folder: Path) -> Trial:
    from testbed.qemu import cards
    from testbed.qemu.bench import bench
    from testbed.qemu.trial import run_trial

    console: Console = args.console
    image = args.card or cards.built(args.image, machine.board, console.note)
    more = ("-icount", "shift=1,sleep=on") if args.icount else ()
    with bench(machine, image, folder, more=more) as board:
        return run_trial(machine, board, patience_s=args.patience, quiet_s=args.measure, say=console.note)


def lines_of(trial: Trial) -> list[str]:
    """The result for people."""
    guest = "unknown" if trial.reading_guest_s is None else f"{trial.reading_guest_s:.1f} s"
    day_mb = trial.written_bytes / trial.written_over_s * 86_400 / 1e6
    return [
        f"machine        {trial.machine}",
        f"first reading  {trial.reading_s:.0f} s after power-on; {guest} after the kernel's start by the board's clock",
        f"again          {', '.join(f'{seconds:.0f} s' for seconds in trial.again_s)} after reset and power cut",
        f"memory         {trial.resident_bytes / 1e6:.1f} MB resident",
        f"written        {trial.written_bytes / 1e3:,.0f} kB in {trial.written_over_s:.0f} s: {day_mb:,.1f} MB a day",
        f"identity       {trial.fingerprint}, {'kept' if trial.kept else 'LOST'}",
        f"store          {trial.readings} readings, {'sound' if trial.sound else 'DAMAGED'}",
        f"power button   {'ended by itself' if trial.clean_end else 'had to be cut off'}",
    ]
