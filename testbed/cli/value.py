"""`gridlight-testbed value`: what the device's bidding is worth in measured homes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit

_SCHEMA = "gridlight.value/1"


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "value",
        "Let ten measured homes trade for up to a year with the device's bidder, against the grid alone and a bound.",
        run,
        examples=(
            "gridlight-testbed value --days 60                 # a few minutes",
            "gridlight-testbed value --battery-wh 6400 --report out/value   # the whole year, value.json and value.png",
            "gridlight-testbed value --days 30 --json",
        ),
    )
    parser.add_argument("--days", type=int, default=364, help="from 1 August on, 15 to 364; default: 364")
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
    parser.add_argument("--seed", type=int, default=1, help="of the moments of posting; default: 1")
    parser.add_argument("--report", type=Path, metavar="DIR", help="where to write value.json and value.png")


def run(args: argparse.Namespace) -> int:
    """Run all variants and print what they brought."""
    from firmware_app.bidding.settings import BatterySettings
    from testbed.scenarios.citylearn import DAYS, fetch_wheel, read_homes
    from testbed.scenarios.errors import DataUnavailableError
    from testbed.year.homes import village_of
    from testbed.year.study import CHANCES, lines_of, study_value, tariff_terms

    console: Console = args.console
    for flag, got, low, high in (
        ("--days", args.days, 15, DAYS),
        ("--battery-wh", args.battery_wh, 0, 1_000_000),
        ("--battery-w", args.battery_w, 1, 1_000_000),
    ):
        if not low <= got <= high:
            raise CommandError(f"{flag} is {got}, expected {low} to {high}", code=Exit.USAGE)
    try:
        sources = read_homes(fetch_wheel())
    except DataUnavailableError as error:
        raise CommandError(str(error)) from None
    battery = None
    if args.battery_wh:
        battery = BatterySettings(
            capacity_wh=args.battery_wh, charge_w=args.battery_w, discharge_w=args.battery_w
        )
    village = village_of(sources, days=args.days, battery=battery)
    with console.progress("value", total=args.days * (len(CHANCES) + 4), unit="days") as progress:
        study = study_value(
            village, tariff_terms(seed=args.seed), lambda name, day: progress.advance(1, f"{name}, day {day}")
        )
    document = {
        "days": study.days,
        "homes": list(study.homes),
        "battery_wh": study.battery_wh,
        "grid_income_uc": study.grid.total_uc,
        "bound_uc": study.bound_uc,
        "variants": [one.document() for one in study.variants],
    }
    if args.report is not None:
        from testbed.year.picture import draw_value

        args.report.mkdir(parents=True, exist_ok=True)
        (args.report / "value.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        draw_value(study, args.report / "value.png")
        console.note(f"written to {args.report}")
    console.result(_SCHEMA, document, lines_of(study))
    return Exit.OK
