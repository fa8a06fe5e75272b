"""`gridlight-testbed commission`: a new card in an emulated board, a fleet to join, and a factory reset."""

from __future__ import annotations

import argparse
import signal
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit

if TYPE_CHECKING:
    from testbed.commissioning.play import Step


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "commission",
        "Start a new card in an emulated board: it makes its keys, joins a fleet, and forgets everything when reset.",
        run,
        examples=(
            "gridlight-testbed commission                   # builds the card if there is none (as root)",
            "gridlight-testbed commission --image out/image --json",
        ),
    )
    parser.add_argument(
        "--image", type=Path, metavar="DIR", default=Path("out/image"), help="of cards; default: out/image"
    )
    parser.add_argument(
        "--patience", type=int, metavar="S", default=600, help="how long a start may take; default: 600"
    )
    parser.add_argument(
        "--icount",
        action="store_true",
        help="let the board's time follow its instructions: on a busy machine nothing times out then",
    )
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="where the board's console goes; default: nowhere"
    )


def run(args: argparse.Namespace) -> int:
    """Play the steps, say what became of each."""
    from testbed.commissioning.play import line_of
    from testbed.qemu.errors import BoardError

    console: Console = args.console
    if not 10 <= args.patience <= 3_600:
        raise CommandError("--patience is 10 to 3600", code=Exit.USAGE)
    # As Ctrl-C: what is told to end takes its emulator with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="gridlight-first-") as folder:
            steps = _play(args, Path(folder))
    except BoardError as error:
        raise CommandError(str(error)) from None
    passed = all(step.passed for step in steps)
    document = {"passed": passed, "steps": [asdict(step) for step in steps]}
    console.result("gridlight.commission/1", document, [line_of(step) for step in steps])
    return Exit.OK if passed else Exit.FAILED


def _play(args: argparse.Namespace, folder: Path) -> list[Step]:
    from testbed.commissioning.fleet import Operator
    from testbed.commissioning.play import Life
    from testbed.qemu import cards
    from testbed.qemu.bench import bench
    from testbed.qemu.machine import BY_INSTRUCTIONS, MACHINES

    console: Console = args.console
    image = cards.built(args.image, "virt", console.note)
    with ExitStack() as stack:
        operator = stack.enter_context(Operator(folder, "meter-0101"))
        board = stack.enter_context(
            bench(MACHINES["virt"], image, folder, more=BY_INSTRUCTIONS if args.icount else ())
        )
        try:
            return Life(board, operator, folder, patience_s=args.patience, say=console.note).live()
        finally:
            if args.log is not None:
                args.log.write_text(board.console_text(), encoding="utf-8")
