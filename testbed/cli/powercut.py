"""`gridlight-testbed powercut`: cut the power at every write of what the device keeps, and reopen what is left."""

import argparse
from typing import Final

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit, Paint

_SCHEMA: Final = "gridlight.powercut/1"
_SUBJECTS: Final = {
    "ring": "history of readings and trades, folding its log in, at its quota",
    "outbox": "messages put in and delivered",
    "settings": "configuration documents, replaced as a whole",
    "wallet": "the wallet's next index and the light client's floor",
    "orders": "what the trading meter decided, and the steps of its orders that may wait",
    "salvage": "a start that finds a damaged page of the history",
    "headless": "a start that finds the history without its first page",
    "replacement": "the swap of a damaged file, whose log must join no other file",
    "state-salvage": "a start that finds a damaged page of wallet and light client",
    "fleet": "the agent's memory as bundles arrive, prove themselves or do not",
}


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "powercut",
        "Cut the power at every write and sync of what the device keeps, tear what was not synced, and reopen it.",
        run,
        examples=(
            "gridlight-testbed powercut",
            "gridlight-testbed powercut wallet settings --json",
            "gridlight-testbed powercut ring --samples 30 --seed 7",
        ),
    )
    described = "; ".join(f"{name}: {what}" for name, what in _SUBJECTS.items())
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"{described}. All if none is named")
    parser.add_argument(
        "--samples",
        type=int,
        default=6,
        metavar="N",
        help="random fates of unsynced sectors at each point, beside the telling ones (default 6)",
    )
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="cut at each N-th operation only (default 1: all)"
    )
    parser.add_argument(
        "--again",
        type=int,
        default=40,
        metavar="N",
        help="also cut while each N-th reopening writes; 0: never (default 40)",
    )
    parser.add_argument(
        "--since",
        type=int,
        default=0,
        metavar="N",
        help="the first operation to be cut, to look at one again",
    )
    parser.add_argument("--seed", type=int, default=1)


def run(args: argparse.Namespace) -> int:
    """Exit 0 where every promise was kept after every cut, 1 where one was not."""
    from firmware_app.command_line import likely
    from testbed.powercut.campaign import NotRecordedError, Result, Thoroughness, cut_everywhere
    from testbed.powercut.subjects import SUBJECTS
    from testbed.powercut.vfs import NoSeamError

    console: Console = args.console
    for name in args.subjects:
        if name not in SUBJECTS:
            message = (
                f"there is no subject {name!r}.{likely(name, SUBJECTS)} Choose from {', '.join(SUBJECTS)}."
            )
            raise CommandError(message, hint="gridlight-testbed powercut --help", code=Exit.USAGE)
    if min(args.samples, args.again, args.since) < 0 or args.every < 1:
        message = "--samples, --again and --since are 0 or more, --every is 1 or more"
        raise CommandError(message, code=Exit.USAGE)
    how = Thoroughness(samples=args.samples, every=args.every, again=args.again, since=args.since)
    results: list[Result] = []
    try:
        for name, make in SUBJECTS.items():
            if name not in args.subjects and args.subjects:
                continue
            with console.progress(name, total=100, unit="% of its operations") as progress:
                done = 0

                def report(number: int, total: int) -> None:
                    nonlocal done
                    part = 100 * number // total
                    progress.advance(part - done)
                    done = part

                results.append(cut_everywhere(make(), how, seed=args.seed, progress=report))
    except (NoSeamError, NotRecordedError) as error:
        raise CommandError(str(error)) from None
    failed = sum(result.failed for result in results)
    word = console.paint("BROKEN", Paint.RED) if failed else console.paint("all promises kept", Paint.GREEN)
    lines = [f"{word} after {sum(result.cuts for result in results):,} power cuts"]
    lines += [
        f"  {result.subject:<14} {result.operations:>6,} operations  {result.cuts:>8,} cuts"
        f"  {result.repeated:>8,} of them while recovering  {result.failed:>6,} broken"
        for result in results
    ]
    lines += [f"  {result.subject}: {failure}" for result in results for failure in result.failures]
    document = {
        "seed": args.seed,
        "cuts": sum(result.cuts for result in results),
        "failed": failed,
        "subjects": [result.document() for result in results],
    }
    console.result(_SCHEMA, document, lines)
    return Exit.FAILED if failed else Exit.OK
