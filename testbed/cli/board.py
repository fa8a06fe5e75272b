"""`gridlight-testbed board`: the card that is flashed, started by QEMU, reset, cut off, and measured."""

from __future__ import annotations

import argparse
import json
import signal
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit
from testbed.cli.up import new_folder, start_s
from testbed.live.display import Display
from testbed.qemu.options import add_card_options
from testbed.scenarios.model import DAY_S
from testbed.scenarios.synthetic import INTERVAL_S

if TYPE_CHECKING:
    from testbed.boards.running import Ended
    from testbed.qemu.trial import Trial

_SCHEMA: Final = "gridlight.emulated-board/2"


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "board",
        "Start a card in QEMU: it reads a virtual meter, trades, survives resets and power cuts, and is measured.",
        run,
        examples=(
            "gridlight-testbed board --machine virt       # builds the card if there is none; wants root then",
            "gridlight-testbed board --machine cubieboard --card out/image/gridlight-virt-0.1.0.img",
            "gridlight-testbed board --intervals 0 --instructions   # no trading; count until the first reading",
        ),
    )
    add_card_options(parser)
    parser.add_argument(
        "--patience", type=int, metavar="S", default=300, help="how long a start may take; default: 300"
    )
    parser.add_argument(
        "--measure", type=int, metavar="S", default=60, help="how long it is measured; default: 60"
    )
    parser.add_argument(
        "--from", dest="start", default="12:00", metavar="HH:MM", help="first interval traded; default: 12:00"
    )
    parser.add_argument(
        "--intervals", type=int, default=12, metavar="N", help="how many to trade; 0: none; default: 12"
    )
    parser.add_argument(
        "--speed",
        type=int,
        default=20,
        help="virtual seconds in a real one while it trades: a start takes a minute or two; default: 20",
    )
    parser.add_argument(
        "--instructions",
        action="store_true",
        help="count instructions by a plugin of QEMU; wants a C compiler",
    )
    parser.add_argument(
        "--icount",
        action="store_true",
        help="let time follow instructions, 2 ns each: a Cortex-A8 at 1 GHz, whatever this machine is doing",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="a new folder; default: out/board, out/board-2, ..."
    )


def run(args: argparse.Namespace) -> int:
    """Start the board, let it trade, say what happened."""
    from testbed.boards.housing import HousingError
    from testbed.live.staging import StagingError
    from testbed.live.supervisor import SupervisorError
    from testbed.live.up import InterruptedRunError
    from testbed.qemu.errors import BoardError

    _check(args)
    # As Ctrl-C: what is told to end takes its emulator with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    out = new_folder(args.out, "out/board")
    try:
        trial, ended = _played(args, out)
    except (BoardError, HousingError, StagingError) as error:
        raise CommandError(str(error), hint=f"less {out}/console.log") from None
    except SupervisorError as error:
        raise CommandError(str(error), hint=f"less {out}/trading/nodes/*.log") from None
    except InterruptedRunError as error:
        raise CommandError(str(error), code=Exit.INTERRUPTED) from None
    return _report(args, trial, ended, out)


def _check(args: argparse.Namespace) -> None:
    for flag, got, low, high in (
        ("--measure", args.measure, 10, 86_400),
        ("--patience", args.patience, 10, 3_600),
        ("--intervals", args.intervals, 0, (DAY_S - start_s(args.start)) // INTERVAL_S),
        ("--speed", args.speed, 1, 600),
    ):
        if not low <= got <= high:
            raise CommandError(f"{flag} is {got}, expected {low} to {high}", code=Exit.USAGE)


def _played(args: argparse.Namespace, out: Path) -> tuple[Trial, Ended | None]:
    """First the card as it is flashed, by real time; then the same card in a grid, by a hurried clock."""
    from testbed.boards.neighbours import Stretch, trade_among_neighbours
    from testbed.qemu import cards
    from testbed.qemu.bench import Answers, bench
    from testbed.qemu.machine import BY_INSTRUCTIONS, MACHINES
    from testbed.qemu.trial import run_trial

    console: Console = args.console
    machine = MACHINES[args.machine]
    image = cards.card_of(args.card, args.cards, args.machine, console.note)
    answers, more = Answers(), BY_INSTRUCTIONS if args.icount else ()
    with bench(machine, image, out, counts=args.instructions, more=more, answers=answers) as board:
        trial = run_trial(
            machine,
            board,
            answered_after=answers.after,
            patience_s=args.patience,
            quiet_s=args.measure,
            say=console.note,
        )
    try:
        if not args.intervals:
            return trial, None
        folder = out / "trading"
        folder.mkdir()
        stretch = Stretch(skip=start_s(args.start) // INTERVAL_S, intervals=args.intervals, speed=args.speed)
        with Display(console, args.intervals) as display:
            return trial, trade_among_neighbours(args.machine, board.card, folder, stretch, display)
    finally:
        board.card.unlink()


def _report(args: argparse.Namespace, trial: Trial, ended: Ended | None, out: Path) -> int:
    from testbed.boards.neighbours import NAME
    from testbed.boards.verdict import fleet_lines
    from testbed.live.summary import summary_lines
    from testbed.qemu.machine import MACHINES

    machine = MACHINES[args.machine]
    facts: dict[str, Any] = {
        **asdict(trial),
        "processor": machine.processor,
        "cannot": list(machine.cannot),
        "trading": None,
    }
    lines, good = lines_of(trial), trial.kept and trial.sound
    if ended is not None:
        (verdict,) = (board for board in ended.boards if board.name == NAME)
        idle = () if verdict.trades else (f"{NAME} has traded nothing: it was to trade among its neighbours",)
        failures = (*ended.failures, *ended.summary.failures, *idle)
        facts["trading"] = {
            "intervals": args.intervals,
            "speed": args.speed,
            "board": asdict(verdict),
            "tier": asdict(ended.summary),
            "failures": list(failures),
        }
        lines += summary_lines(ended.summary, INTERVAL_S, verdict=False)
        lines += fleet_lines(ended.boards, failures)
        good = good and not failures and not any(board.complaints for board in ended.boards)
    lines += [f"not as on a board: {sentence}" for sentence in machine.cannot]
    (out / "board.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    console: Console = args.console
    console.result(_SCHEMA, facts, [*lines, "PASS" if good else "FAIL", f"everything is in {out}"])
    return Exit.OK if good else Exit.FAILED


def lines_of(trial: Trial) -> list[str]:
    """The result for people."""
    read, shown = (", ".join(f"{seconds:.0f}" for seconds in each) for each in (trial.read_s, trial.shown_s))
    how = " (in the middle of writing)" if trial.cut_while_writing else ""
    guest = "unknown" if trial.reading_guest_s is None else f"{trial.reading_guest_s:.1f} s"
    return [
        f"machine        {trial.machine}",
        f"first reading  {read} s after power-on, reset and power cut{how}",
        f"               {guest} after the first start of its kernel, by the board's own clock",
        f"on its page    {shown} s, with its network up",
        f"memory         {trial.resident_bytes / 1e6:.1f} MB resident",
        *_counted(trial),
        f"written        {_written(trial)}",
        f"identity       {trial.fingerprint}, {'kept' if trial.kept else 'LOST'}",
        f"store          {trial.readings} readings, {'sound' if trial.sound else 'DAMAGED'}",
        f"power button   {'ended by itself' if trial.clean_end else 'had to be cut off'}",
    ]


def _written(trial: Trial) -> str:
    """What the card is told between two starts: most of it at the end of an interval, so no minute tells of a day."""
    if not trial.start_bytes:
        return "this machine's card does not count"
    start = f"{trial.start_bytes / 1e3:,.0f} kB by the first start"
    told = f"{start}; then {trial.written_bytes / 1e3:,.0f} kB in {trial.written_over_s:.0f} s"
    if trial.written_over_s < 2 * INTERVAL_S:
        return f"{told}, which says nothing of a day: --measure {4 * INTERVAL_S} does"
    return f"{told}: {trial.written_bytes / trial.written_over_s * 86_400 / 1e6:,.1f} MB a day"


def _counted(trial: Trial) -> list[str]:
    if trial.instructions is None or trial.instructions_per_s is None:
        return []
    first, later = trial.instructions / 1e9, trial.instructions_per_s / 1e6
    return [f"instructions   {first:.2f} billion until the first reading, later {later:.1f} million a second"]
