"""`gridlight-testbed bench`: how fast clearing, proving and verifying are at scale."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit

if TYPE_CHECKING:
    from testbed.bench.cases import Base
    from testbed.bench.measure import Timing

_SCHEMA: Final = "gridlight.bench/1"
_HEAD: Final = (
    "case                       offers  classes   total   clear  settle   bound  rules  pairwise   ratio"
)


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "bench",
        "Measure solving, proving and verifying on growing grids, beside the published formulation.",
        run,
        examples=(
            "gridlight-testbed bench --quick",
            "gridlight-testbed bench --transax DIR/withBattery --json > bench.json",
        ),
    )
    parser.add_argument(
        "--transax", type=Path, metavar="DIR", help="folder of the published microgrid with batteries"
    )
    parser.add_argument(
        "--scenario", default="village", help="day to copy where the published data is absent"
    )
    parser.add_argument(
        "--quick", action="store_true", help="copies 1 and 4 only, no pairwise program over 10 s"
    )
    parser.add_argument(
        "--pairwise-limit", type=int, default=120, metavar="S", help="seconds for each pairwise program"
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print; a missed target is said, not a failure: it may be the machine."""
    from testbed.bench.audit import ASKED_S, measure_audit
    from testbed.bench.cases import case_of
    from testbed.bench.parsing import ASKED_RATIO, DisagreementError, measure_parsing
    from testbed.bench.suite import COPIES, cases_of, growth, judged, run_suite
    from testbed.scenarios.errors import ScenarioError
    from testbed.solver.errors import SolverError

    console: Console = args.console
    copies = COPIES[:2] if args.quick else COPIES
    try:
        base = _base(args)
    except ScenarioError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    limit_s = min(args.pairwise_limit, 10) if args.quick else args.pairwise_limit
    timings: list[Timing] = []
    try:
        with console.progress("bench", total=cases_of(copies), unit="cases") as progress:
            timings.extend(
                run_suite(
                    base,
                    copies=copies,
                    pairwise_limit_s=limit_s,
                    on_case=lambda name: progress.advance(text=name),
                )
            )
    except SolverError as error:
        raise CommandError(str(error)) from None
    audits = [
        measure_audit(case_of(base, copies=1, priced=priced, limited=False, day=True), repeats=7)
        for priced in (False, True)
    ]
    try:
        parsing = list(measure_parsing(_shared() / "vectors" / "sml", repeats=9 if args.quick else 51))
    except DisagreementError as error:
        raise CommandError(str(error)) from None
    targets = judged(timings)
    document = {
        "data": base.name,
        "cases": [timing.document() for timing in timings],
        "growth_exponents": growth(timings),
        "targets": targets,
        "audits": [audit.document() for audit in audits],
        "parsing": [timing.document() for timing in parsing],
    }
    lines = [f"data: {base.name}; times in ms, medians", _HEAD, *(_line(timing) for timing in timings)]
    lines += [f"growth of {kind}: offers^{exponent}" for kind, exponent in growth(timings).items()]
    lines += [
        f"{'met' if target['met'] else 'MISSED'}: {target['case']}, {target['measured']:,.6g} {target['kind']},"
        f" asked {target['asked']:,}"
        for target in targets
    ]
    lines += [
        f"{'met' if audit.audit_s <= ASKED_S else 'MISSED'}: audit of {audit.case} from ledger bytes,"
        f" {audit.audit_s * 1e3:.0f} ms, asked {ASKED_S * 1e3:.0f}"
        for audit in audits
    ]
    lines += [
        f"{'met' if timing.met else 'MISSED'}: parsing {timing.case}, {timing.ours_s / timing.telegrams * 1e6:.0f} us a"
        f" telegram, {timing.ratio:.1f} times as fast as {timing.other}, asked {ASKED_RATIO:g}"
        for timing in parsing
    ]
    console.result(_SCHEMA, document, lines)
    return Exit.OK


def _base(args: argparse.Namespace) -> "Base":
    from testbed.bench.cases import published_day, shipped_day

    if args.transax is not None:
        return published_day(args.transax)
    folder = _shared() / "data" / "transax" / "withBattery"
    return published_day(folder) if folder.is_dir() else shipped_day(args.scenario)


def _shared() -> Path:
    """Where data lie that cannot be redistributed."""
    return Path(os.environ.get("GRIDLIGHT_SHARED") or "../shared")


def _line(timing: "Timing") -> str:
    rules = "-" if timing.rules_bound_s is None else f"{timing.rules_bound_s * 1e3:.1f}"
    pairwise = "-" if timing.pairwise_s is None else f"{timing.pairwise_s * 1e3:,.0f}"
    ratio = "-" if timing.ratio is None else f"{timing.ratio:,.0f}"
    times = (timing.total_s, timing.clear_s, timing.settle_s, timing.bound_s)
    return (
        f"{timing.case:<26} {timing.offers:>6} {timing.classes:>8} "
        + " ".join(f"{seconds * 1e3:>7.2f}" for seconds in times)
        + f" {rules:>6} {pairwise:>9} {ratio:>7}"
    )
