"""`gridlight-testbed up [SCENARIO]`: a whole grid as processes of this machine, in hurried real time."""

from __future__ import annotations

import argparse
import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit
from testbed.live.display import Display
from testbed.qemu.options import add_card_options

if TYPE_CHECKING:
    from testbed.live.staging import Staging
    from testbed.scenarios.files import ScenarioFile

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "up",
        "Start a whole grid on this machine, every node a process: DSO, miners, solvers, meters; Ctrl-C stops all.",
        run,
        examples=(
            "gridlight-testbed up                                # 6 homes, a quarter of an hour in 1.5 s",
            "gridlight-testbed up --from 12:00 --intervals 8     # a part of the day",
            "gridlight-testbed up homes102 --speed 60 --out out/live",
            "gridlight-testbed up --speed 200 --from 00:00 --kills 200   # SIGKILL at 200 random moments",
            "gridlight-testbed up --fleet 8 --mode process --faults drawn   # eight whole devices, each with its meter",
            "gridlight-testbed up --fleet 8 --mode container --image gridlight:armhf --speed 90",
            "gridlight-testbed up --fleet 10 --mode container --emulated 2 --speed 60   # two whole computers",
            "gridlight-testbed up --fleet 2 --mode qemu --speed 60 --from 12:00 --intervals 8 --faults drawn",
            "gridlight-testbed up --fleet 3 --speed 60 --tickets meter-0101.ticket meter-0102.ticket meter-0103.ticket",
            "gridlight-testbed up --fleet 1000 --mode inprocess --from 12:00 --intervals 4",
        ),
    )
    parser.add_argument(
        "scenario",
        metavar="SCENARIO",
        nargs="?",
        default="village",
        help="name or .toml file; default: village",
    )
    parser.add_argument("--speed", type=int, default=600, help="virtual seconds in a real one; default: 600")
    parser.add_argument(
        "--from", dest="start", default="06:00", metavar="HH:MM", help="first interval; default: 06:00"
    )
    parser.add_argument(
        "--intervals", type=int, metavar="N", help="how many to trade; default: the rest of the day"
    )
    parser.add_argument("--miners", type=int, help="instead of the scenario's number")
    parser.add_argument("--solvers", type=int, help="instead of the scenario's number")
    parser.add_argument(
        "--meters",
        choices=("plan", "readings"),
        help="instead of the scenario's own: whether homes go by their plan, or a virtual meter is read in each",
    )
    parser.add_argument("--meters-per-process", type=int, default=26, metavar="N", help="default: 26")
    parser.add_argument("--seed", type=int, help="instead of the scenario's own seed")
    parser.add_argument(
        "--kills",
        type=int,
        default=0,
        metavar="N",
        help="kill N processes at random moments, then look at what is on the disks; default: 0",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="a new folder; default: out/live, out/live-2, ..."
    )
    _add_fleet_options(parser)


def _add_fleet_options(parser: argparse.ArgumentParser) -> None:
    """Options of a fleet of whole devices."""
    fleet = parser.add_argument_group("a fleet of whole devices instead of a scenario's meters")
    fleet.add_argument("--fleet", type=int, metavar="N", help="a village of N homes, a board in each")
    fleet.add_argument(
        "--mode",
        choices=("inprocess", "process", "container", "qemu"),
        default="process",
        help="what boards run in; default: process",
    )
    fleet.add_argument(
        "--faults",
        metavar="FILE",
        help="script of what goes wrong, lines of HOME:KIND@SECOND+DURATION; 'drawn' draws one from the seed",
    )
    fleet.add_argument(
        "--tickets",
        metavar="FILE",
        nargs="+",
        default=[],
        help="of `gridlight-fleet enroll`, for meter-0101 and so on: these boards join that operator's fleet",
    )
    fleet.add_argument("--image", default="gridlight:armhf", help="of containers; default: gridlight:armhf")
    fleet.add_argument("--engine", default="docker", help="that runs containers; default: docker")
    fleet.add_argument(
        "--emulated",
        type=int,
        default=0,
        metavar="N",
        help="the first N boards are whole emulated computers, whatever the others are; default: 0",
    )
    add_card_options(fleet)


def run(args: argparse.Namespace) -> int:
    """Start everything, show how it goes, say how it went."""
    from testbed.live.aftermath import aftermath, aftermath_lines
    from testbed.live.deployment import deploy
    from testbed.live.killing import Killer
    from testbed.live.staging import StagingError
    from testbed.live.summary import summary_lines
    from testbed.live.supervisor import SupervisorError
    from testbed.live.up import InterruptedRunError, State
    from testbed.live.up import run as run_live

    console: Console = args.console
    if args.fleet is not None:
        return _run_fleet(args)
    file, staging = _staging(args)
    folder = new_folder(args.out)
    try:
        deployment = deploy(folder, file, staging, meters_per_process=args.meters_per_process)
        with Display(console, staging.intervals) as display:
            chance = Random(f"{staging.seed}/kills")  # noqa: S311 - a test wants repeatable chance
            killer = Killer(show=display, kills=args.kills, chance=chance)
            outcome = asyncio.run(run_live(deployment, killer))
    except StagingError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    except SupervisorError as error:
        raise CommandError(str(error), hint=f"less {folder}/nodes/*.log") from None
    except InterruptedRunError as error:
        raise CommandError(str(error), code=Exit.INTERRUPTED) from None
    summary, interval_s, facts = outcome.summary, deployment.cast.scenario.interval_s, outcome.facts
    stopped = outcome.state is State.INTERRUPTED
    after: list[str] = []
    if args.kills and not stopped:
        found = aftermath(deployment)
        facts = {**facts, "kills": {"killed": dict(Counter(killer.killed)), **asdict(found)}}
        after = aftermath_lines(found, len(killer.killed))
        summary = replace(summary, failures=(*summary.failures, *found.failures()))
    lines = [*after, *summary_lines(summary, interval_s, verdict=not stopped)]
    console.result("gridlight.up/1", facts, [*lines, f"everything is in {folder}"])
    if stopped:
        return Exit.INTERRUPTED
    if summary.timer_late_ms > interval_s * 1_000 // 3:
        console.warn(
            f"this machine was up to {summary.timer_late_ms / 1e3:,.0f} s of virtual time late: "
            f"try --speed {max(1, staging.speed // 2)}"
        )
    return Exit.OK if summary.passed else Exit.FAILED


def _run_fleet(args: argparse.Namespace) -> int:
    """Run a fleet of whole devices, and say of each how it ended."""
    from testbed.boards import command

    _check("--fleet", args.fleet, 2, 100_000)
    _check("--emulated", args.emulated, 0, 1_000)
    args.scenario = "village"
    _, staging = _staging(args)
    with Display(args.console, staging.intervals) as display:
        return command.run(args, staging, lambda: new_folder(args.out), display)


def _staging(args: argparse.Namespace) -> tuple[ScenarioFile, Staging]:
    """What the arguments ask for, checked as far as that goes before anything is written."""
    from testbed.live.pace import highest_speed
    from testbed.live.staging import Staging
    from testbed.scenarios import catalogue
    from testbed.scenarios.errors import ScenarioError

    try:
        file = catalogue.find(args.scenario)
        seed = file.seed if args.seed is None else args.seed
        day = catalogue.build(file, seed=seed)
    except ScenarioError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    skip = start_s(args.start) // day.interval_s
    staging = Staging(
        scenario="scenario.toml",
        data=None,
        seed=seed,
        skip=skip,
        intervals=day.intervals - skip if args.intervals is None else args.intervals,
        miners=file.tier.miners if args.miners is None else args.miners,
        solvers=file.tier.solvers if args.solvers is None else args.solvers,
        speed=args.speed,
        meters=args.meters,
    )
    _check("--speed", staging.speed, 1, highest_speed(day.interval_s))
    _check("--intervals", staging.intervals, 1, day.intervals - skip)
    _check("--miners", staging.miners, 1, 31)
    _check("--kills", args.kills, 0, 10_000)
    _check("--solvers", staging.solvers, 0, 16)
    _check("--meters-per-process", args.meters_per_process, 1, 1_000)
    return file, staging


def _check(flag: str, got: int, low: int, high: int) -> None:
    if not low <= got <= high:
        raise CommandError(f"{flag} is {got}, expected {low} to {high}", code=Exit.USAGE)


def start_s(text: str) -> int:
    """Seconds since midnight."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise CommandError(f"--from is {text!r}, expected a time such as 06:00", code=Exit.USAGE)
    return int(found[1]) * 3_600 + int(found[2]) * 60


def new_folder(asked: Path | None, usual: str = "out/live") -> Path:
    """Make the folder that was asked for, or the first free one of the usual name."""
    try:
        for folder in _candidates(usual) if asked is None else [asked]:
            if not folder.exists() or (asked is not None and not any(folder.iterdir())):
                folder.mkdir(parents=True, exist_ok=True)
                return folder
    except OSError as error:
        raise CommandError(f"cannot write to {asked}: {error.strerror}", code=Exit.USAGE) from None
    raise CommandError(
        f"{asked} is not empty, expected a new folder", hint="--out with another name", code=Exit.USAGE
    )


def _candidates(usual: str) -> Iterator[Path]:
    yield Path(usual)
    number = 2
    while True:
        yield Path(f"{usual}-{number}")
        number += 1
