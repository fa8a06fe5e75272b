"""`gridlight-testbed soak`: virtual meters with random faults, for weeks of virtual time."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit

if TYPE_CHECKING:
    from testbed.fleet.virtual_meters.soak import SoakReport

_SHOWN_BREACHES = 20


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "soak",
        "Read 20 virtual meters on 4 buses while faults happen, and hold the reader to its promises.",
        run,
        examples=(
            "gridlight-testbed soak                      # one virtual week, some minutes",
            "gridlight-testbed soak --days 1 --seed 7 --json",
        ),
    )
    parser.add_argument("--days", type=int, default=7, help="virtual days; default: 7")
    parser.add_argument("--seed", type=int, default=1, help="of households and faults; default: 1")
    parser.add_argument(
        "--faults-per-day", type=int, default=4, metavar="N", help="for each meter; default: 4"
    )
    parser.add_argument("--every", type=int, default=30, metavar="S", help="polling, seconds; default: 30")


def run(args: argparse.Namespace) -> int:
    """Let the days pass and say which promises were broken."""
    from testbed.fleet.virtual_meters.soak import Soak

    console: Console = args.console
    for flag, got, low, high in (
        ("--days", args.days, 1, 366),
        ("--faults-per-day", args.faults_per_day, 0, 24),
        ("--every", args.every, 5, 120),
    ):
        if not low <= got <= high:
            raise CommandError(f"{flag} is {got}, expected {low} to {high}", code=Exit.USAGE)
    soak = Soak(
        days=args.days,
        seed=args.seed,
        faults_per_day=args.faults_per_day,
        every_ms=args.every * 1_000,
    )
    with console.progress("soak", total=args.days, unit="days") as progress:
        report = soak.run(lambda day: progress.advance(1, f"day {day}"))
    console.result("gridlight.soak/1", _facts(report, args.seed), _lines(report))
    return Exit.FAILED if report.breaches else Exit.OK


def _facts(report: SoakReport, seed: int) -> dict[str, object]:
    return {
        "days": report.days,
        "seed": seed,
        "meters": report.meters,
        "buses": report.buses,
        "faults": dict(sorted(report.faults.items())),
        "readings": dict(sorted(report.readings.items())),
        "intervals": dict(sorted(report.intervals.items())),
        "failed_rounds": report.failures,
        "worst_delay_ms": report.worst_delay_ms,
        "breaches": [
            {
                "promise": breach.promise,
                "meter": breach.meter,
                "at_ms": breach.at_ms,
                "sentence": breach.sentence,
            }
            for breach in report.breaches
        ],
    }


def _lines(report: SoakReport) -> list[str]:
    total = sum(report.readings.values())
    held = [
        f"{count:,} {name}" for name, count in sorted(report.readings.items()) if name != "good" and count
    ]
    lines = [
        f"{report.meters} meters on {report.buses} buses, {report.days} days, {sum(report.faults.values())} faults",
        f"  readings    {total:,}, of which {report.readings['good']:,} good; {', '.join(held)}",
        "  intervals   " + ", ".join(f"{count:,} {name}" for name, count in sorted(report.intervals.items())),
        f"  failed      {report.failures:,} rounds",
        f"  delay       {report.worst_delay_ms} ms at worst, of a meter with nothing wrong",
    ]
    if not report.breaches:
        return [*lines, "every promise kept: on time, true, without a hole, recovered after every fault"]
    shown = [f"  {breach}" for breach in report.breaches[:_SHOWN_BREACHES]]
    return [*lines, f"{len(report.breaches)} broken promises", *shown]
