"""`gridlight-testbed privacy`: how well addresses can be linked, and what hiding costs."""

from __future__ import annotations

import argparse
from pathlib import Path

from firmware_app.command_line import Commands, add_command
from firmware_app.console import Console
from testbed.year import command


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
    command.add_arguments(parser, "privacy", days=63, chance="habits and moments")


def run(args: argparse.Namespace) -> int:
    """Climb the ladder of settings and print each rung."""
    from testbed.privacy.ladder import RUNGS, climb, lines_of
    from testbed.year.learnt import Learnt
    from testbed.year.study import tariff_terms

    console: Console = args.console
    village = command.village(args)
    with console.progress("privacy", total=args.days * (len(RUNGS) + 1), unit="days") as progress:
        ladder = climb(
            village,
            tariff_terms(seed=args.seed),
            lambda name, day: progress.advance(1, f"{name}, day {day}"),
            foresight=Learnt(village),
        )
    document = {
        "homes": ladder.homes,
        "days": ladder.days,
        "rungs": [step.document() for step in ladder.steps],
    }

    def draw(path: Path) -> None:
        from testbed.privacy.picture import draw_ladder

        draw_ladder(ladder, path)

    return command.show(args, "privacy", document, lines_of(ladder), draw)
