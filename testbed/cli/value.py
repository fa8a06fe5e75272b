"""`gridlight-testbed value`: what the device's forecast and bidding are worth in measured homes."""

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
        "value",
        "Let ten measured homes trade for up to a year with the device's forecast and bidder,"
        " against the grid alone and a bound.",
        run,
        examples=(
            "gridlight-testbed value --days 60                 # a few minutes",
            "gridlight-testbed value --battery-wh 6400 --report out/value   # the whole year, value.json and value.png",
            "gridlight-testbed value --days 30 --json",
        ),
    )
    command.add_arguments(parser, "value", days=364, chance="the moments of posting")
    parser.add_argument(
        "--battery-wh",
        type=int,
        default=0,
        metavar="WH",
        help="capacity of each home's battery; default: 0, none",
    )
    parser.add_argument(
        "--battery-w", type=int, default=5_000, metavar="W", help="its power in and out; default: 5000"
    )


def run(args: argparse.Namespace) -> int:
    """Run all variants and print what they brought."""
    from firmware_app.bidding.settings import BatterySettings
    from testbed.year.study import cases_of, lines_of, study_value, tariff_terms

    console: Console = args.console
    command.require("--battery-wh", args.battery_wh, 0, 1_000_000)
    command.require("--battery-w", args.battery_w, 1, 1_000_000)
    battery = None
    if args.battery_wh:
        battery = BatterySettings(
            capacity_wh=args.battery_wh, charge_w=args.battery_w, discharge_w=args.battery_w
        )
    village, terms = command.village(args, battery), tariff_terms(seed=args.seed)
    cases = cases_of(village, terms)
    with console.progress("value", total=args.days * (len(cases) + 1), unit="days") as progress:
        study = study_value(
            village, terms, cases, lambda name, day: progress.advance(1, f"{name}, day {day}")
        )
    document = {
        "days": study.days,
        "homes": list(study.homes),
        "battery_wh": study.battery_wh,
        "grid_income_uc": study.grid.total_uc,
        "bound_uc": study.bound_uc,
        "variants": [one.document() for one in study.variants],
    }

    def draw(path: Path) -> None:
        from testbed.year.picture import draw_value

        draw_value(study, path)

    return command.show(args, "value", document, lines_of(study), draw)
