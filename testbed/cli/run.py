"""`gridlight-testbed run SCENARIO`: a whole trading day in virtual time, with a report."""

from __future__ import annotations

import argparse
import gc
import shlex
import sys
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit

if TYPE_CHECKING:
    from testbed.scenarios.files import ScenarioFile


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "run",
        "Run a whole trading day of a scenario in virtual time: meters, DSO, solvers and miners, every check made.",
        run,
        examples=(
            "gridlight-testbed run homes102 --out out/demo   # 102 homes, report.html and summary.json",
            "gridlight-testbed run village --seed 7 --json",
            "gridlight-testbed run my-grid.toml",
            "gridlight-testbed run village --meters readings --meter-fault 102:false-zero@36000+600",
            "gridlight-testbed run siege --campaign 5000 --out out/siege   # under attack; goes on where it was",
        ),
    )
    parser.add_argument("scenario", metavar="SCENARIO", help="name of a shipped scenario, or a .toml file")
    parser.add_argument("--seed", type=int, help="instead of the scenario's own seed")
    _add_meter_options(parser)
    parser.add_argument(
        "--campaign",
        type=int,
        metavar="N",
        help="run N seeds from --seed on, each with mishaps and adversaries of its own",
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="days run at once (default: 2)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to write report.html and summary.json, or campaign.jsonl",
    )


def _add_meter_options(parser: argparse.ArgumentParser) -> None:
    """Options that put electricity meters into a scenario."""
    parser.add_argument(
        "--meters",
        choices=("plan", "readings"),
        help="instead of the scenario's own: whether homes go by their plan, or a virtual meter is read in each",
    )
    parser.add_argument(
        "--meter-protocol",
        choices=("p1", "sml", "modbus-rtu", "mixed"),
        help="what virtual meters speak, instead of the scenario's own (p1)",
    )
    parser.add_argument(
        "--meter-fault",
        action="append",
        default=[],
        metavar="HOME:KIND@S+S",
        help="an accident of a home's meter: second of the day, duration; may be given several times",
    )


def _with_meters(file: ScenarioFile, args: argparse.Namespace) -> ScenarioFile:
    """The scenario file with what the options say of meters.

    Raises:
        PlanError: a fault is not of the form HOME:KIND@SECOND+DURATION.
    """
    from testbed.scenarios.metering import MeterProtocol, MeterSource

    meters = file.meters
    if args.meters is not None:
        meters = replace(meters, source=MeterSource(args.meters))
    if args.meter_protocol is not None:
        meters = replace(meters, protocol=MeterProtocol(args.meter_protocol))
    if args.meter_fault:
        meters = replace(meters, faults=(*meters.faults, *args.meter_fault))
    return replace(file, meters=meters)


def _meter_words(args: argparse.Namespace) -> list[str]:
    """The options again, as they were given: for the command that repeats a day."""
    words = [] if args.meters is None else ["--meters", args.meters]
    words += [] if args.meter_protocol is None else ["--meter-protocol", args.meter_protocol]
    for fault in args.meter_fault:
        words += ["--meter-fault", fault]
    return words


def run(args: argparse.Namespace) -> int:
    """Run one day and report on it, or a campaign of days."""
    from testbed.scenarios import catalogue
    from testbed.scenarios.errors import ScenarioError

    gc.set_threshold(200_000, 50, 1_000)  # a day keeps millions of objects that are never garbage
    try:
        file = _with_meters(catalogue.find(args.scenario), args)
        if args.campaign is not None:
            return _campaign(args, file)
        return _day(args, file)
    except ScenarioError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None


def _campaign(args: argparse.Namespace, file: ScenarioFile) -> int:
    """Run many seeds; every failing one is named and can be replayed."""
    from testbed.simulation.campaign import Verdict, run_campaign
    from testbed.simulation.logbook import Logbook

    if args.campaign < 1 or args.workers < 1:
        raise CommandError("--campaign and --workers take a positive number", code=Exit.USAGE)
    console: Console = args.console
    first = file.seed if args.seed is None else args.seed
    seeds = range(first, first + args.campaign)
    logbook = Logbook.open(None if args.out is None else args.out / "campaign.jsonl", file)
    known = [logbook.known[seed] for seed in seeds if seed in logbook.known]
    failing = [verdict for verdict in known if not verdict.passed]
    with console.progress(f"{file.name} campaign", total=len(seeds), unit="days") as progress:

        def count(verdict: Verdict) -> None:
            logbook.add(verdict)
            if not verdict.passed:
                failing.append(verdict)
                console.warn(f"seed {verdict.seed}: {'; '.join(verdict.complaints)}")
            progress.advance(1, f"{len(failing)} failed")

        progress.advance(len(known), f"{len(failing)} failed")
        left = [seed for seed in seeds if seed not in logbook.known]
        verdicts = known + run_campaign(file, left, workers=args.workers, progress=count)
    failing.sort(key=lambda verdict: verdict.seed)
    parts = Counter(part for verdict in verdicts for part in verdict.parts)
    document = {
        "scenario": file.name,
        "runs": len(verdicts),
        "safety_violations": sum(len(verdict.safety) for verdict in verdicts),
        "liveness_failures": sum(len(verdict.liveness) for verdict in verdicts),
        "false_accusations": sum(len(verdict.accusations) for verdict in verdicts),
        "convictions": sum(verdict.convictions for verdict in verdicts),
        "adversaries": dict(sorted(parts.items())),
        "crashes": sum(verdict.crashes for verdict in verdicts),
        "finals": sum(verdict.finals for verdict in verdicts),
        "failing_seeds": [verdict.seed for verdict in failing],
    }
    played = ", ".join(f"{name} {count}" for name, count in sorted(parts.items())) or "nobody"
    lines = [
        f"{len(verdicts)} days, {document['crashes']} crashes, {document['finals']} final intervals",
        f"played false: {played}; members convicted: {document['convictions']}",
        f"safety violations {document['safety_violations']}, liveness failures {document['liveness_failures']}",
        f"false accusations {document['false_accusations']}",
        *(f"again: gridlight-testbed run {args.scenario} --campaign 1 --seed {v.seed}" for v in failing),
    ]
    console.result("gridlight.campaign/1", document, lines)
    return Exit.FAILED if failing else Exit.OK


def _day(args: argparse.Namespace, file: ScenarioFile) -> int:
    """Run the day, write the report, say how it went."""
    from testbed.report.html import write_report
    from testbed.report.summary import write_summary
    from testbed.report.terminal import terminal_summary
    from testbed.scenarios import catalogue
    from testbed.simulation.day import cast_of, run_day
    from testbed.simulation.mishaps import mishaps_of
    from testbed.simulation.offline import offline_optimum
    from testbed.simulation.recheck import recheck
    from testbed.simulation.report import trading_day

    console: Console = args.console
    seed = file.seed if args.seed is None else args.seed
    scenario = catalogue.build(file, seed=seed)
    cast = cast_of(file, scenario, seed)
    mishaps = mishaps_of(file, cast)
    total = (cast.end_ms - cast.start_ms) // (scenario.interval_s * 1_000)
    homes, feeders = len(scenario.homes), len(scenario.feeders)
    title = f"{homes} homes, {feeders} feeders, {cast.miners} miners, {cast.solvers} solvers"
    with console.progress(scenario.name, total=total, unit="intervals") as progress:
        day = run_day(
            cast,
            faults=mishaps.faults,
            troupe=mishaps.troupe,
            link=mishaps.link,
            progress=lambda _, record: progress.advance(
                1, f"{record.finals.total()} final, {len(record.blocks)} blocks"
            ),
        )
    with console.progress("checking again, from the blocks alone"):
        check = recheck(cast.genesis, day.observed.record.blocks, day.observed.record.committees)
        optimum = offline_optimum(scenario, cast.market)
    words = ["gridlight-testbed", "run", args.scenario, "--seed", str(seed), *_meter_words(args)]
    command = shlex.join(words)
    report = trading_day(
        day, optimum, check, title=file.title or title, command=command, undisturbed=not file.faults
    )
    files: list[Path] = []
    if args.out is not None:
        files = [args.out / "report.html", args.out / "summary.json"]
        args.out.mkdir(parents=True, exist_ok=True)
        write_report(report, files[0])
        write_summary(report.summary, files[1])
    text = terminal_summary(report, files=files, colour=sys.stdout.isatty())
    document = {
        "scenario": scenario.name,
        "seed": seed,
        "passed": report.passed,
        **asdict(report.summary),
        "readings": None if report.readings is None else asdict(report.readings),
        "expectations": [asdict(expectation) for expectation in report.checked()],
    }
    console.result("gridlight.run/1", document, text.splitlines())
    return Exit.OK if report.passed else Exit.FAILED
