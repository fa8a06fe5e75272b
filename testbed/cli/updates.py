"""`gridlight-testbed updates`: good, broken and forged updates on an emulated board, and a power cut meanwhile."""

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
    from testbed.updates.play import Afterwards, Played

_ACTS = ("foreign", "other-board", "cut-off", "power", "dead", "blind", "good")


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "updates",
        "Put updates into an emulated board that reads its meter: each must be taken, refused or taken back.",
        run,
        examples=(
            "gridlight-testbed updates                      # all acts; builds the card if there is none (as root)",
            "gridlight-testbed updates --act power --act good",
            "gridlight-testbed updates --image out/image --keys ~/update-keys --json",
        ),
    )
    parser.add_argument(
        "--act", choices=_ACTS, action="append", help="only this one, and again for more; default: all"
    )
    parser.add_argument(
        "--image", type=Path, metavar="DIR", default=Path("out/image"), help="of cards; default: out/image"
    )
    parser.add_argument(
        "--keys", type=Path, metavar="DIR", help="that the card believes; default: test-keys in --image"
    )
    parser.add_argument(
        "--patience", type=int, metavar="S", default=600, help="for a start or an installation; default: 600"
    )
    parser.add_argument(
        "--trial", type=int, metavar="S", default=60, help="how long a new release may take; default: 60"
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
    """Play the acts, say what became of each."""
    from testbed.qemu.errors import BoardError

    console: Console = args.console
    if not 10 <= args.patience <= 3_600 or not 10 <= args.trial <= 600:
        raise CommandError("--patience is 10 to 3600 and --trial 10 to 600", code=Exit.USAGE)
    # As Ctrl-C: what is told to end takes its emulator with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="gridlight-updates-") as folder:
            played, after = _play(args, Path(folder))
    except BoardError as error:
        raise CommandError(str(error)) from None
    passed = sum(act.passed for act in played)
    document = {"acts": [asdict(act) for act in played], "passed": passed, "afterwards": asdict(after)}
    console.result("gridlight.updates/1", document, lines_of(played, after))
    return Exit.OK if passed == len(played) and after.sound else Exit.FAILED


def _play(args: argparse.Namespace, folder: Path) -> tuple[list[Played], Afterwards]:
    from testbed.qemu import cards
    from testbed.qemu.bench import bench
    from testbed.qemu.machine import BY_INSTRUCTIONS, MACHINES
    from testbed.updates.play import ACTS, Play, afterwards, wanted
    from testbed.updates.releases import Kit, sticks

    console: Console = args.console
    names = wanted(args.act or _ACTS)
    image = cards.built(args.image, "virt", console.note)
    keys = args.keys or args.image / "test-keys"
    kit = Kit(card=image, keys=keys, folder=folder, healthy_within_s=args.trial)
    put_in = sticks(kit, [ACTS[name][1] for name in names], console.note)
    played = []
    with bench(MACHINES["virt"], image, folder, more=BY_INSTRUCTIONS if args.icount else ()) as board:
        play = Play(board, put_in, patience_s=args.patience)
        try:
            with console.progress("updates", total=len(names), unit="acts") as progress:
                progress.advance(0, "first start")
                play.begin()
                for name in names:
                    progress.advance(0, ACTS[name][0])
                    played.append(play.act(name))
                    progress.advance(1, _line(played[-1]))
                    console.note(_line(played[-1]))
        finally:
            if args.log is not None:
                args.log.write_text(board.console_text(), encoding="utf-8")
        board.switch_off()
        return played, afterwards(board, folder)


def _line(act: Played) -> str:
    went = f"slots started: {' '.join(act.slots)}" if act.slots else "no start"
    text = (
        f"{'ok  ' if act.passed else 'FAIL'} {act.title}: slot {act.slot} in use, {went}, {act.seconds:.0f} s"
    )
    return f"{text}; {act.why}" if act.why else text


def lines_of(played: list[Played], after: Afterwards) -> list[str]:
    """The result for people."""
    sound = "sound" if after.sound else "DAMAGED"
    gap = "no time known" if after.longest_gap_s is None else f"longest gap {after.longest_gap_s:.0f} s"
    return [
        *(_line(act) for act in played),
        f"store  {after.readings} readings, {gap}, {sound}",
        f"{sum(act.passed for act in played)} of {len(played)} acts as they must be",
    ]
