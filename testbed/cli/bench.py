"""`gridlight-testbed bench`: what the design promises, measured."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit

if TYPE_CHECKING:
    from testbed.bench.section import Section

_SCHEMA: Final = "gridlight.bench/2"


def add_parser(commands: Commands) -> None:
    """Add the command."""
    from testbed.bench.suites import SUITES

    parser = add_command(
        commands,
        "bench",
        "Measure what the design promises, beside peers in the same run where there are any.",
        run,
        examples=(
            "gridlight-testbed bench --quick",
            "gridlight-testbed bench clearing --transax DIR/withBattery --json > bench.json",
            "gridlight-testbed bench armhf --armhf-root ROOT  # instructions on the board's processor",
        ),
    )
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help=f"{', '.join(SUITES)}; all of them if none is named"
    )
    parser.add_argument("--quick", action="store_true", help="fewer and smaller cases")
    parser.add_argument(
        "--transax", type=Path, metavar="DIR", help="folder of the published microgrid with batteries"
    )
    parser.add_argument(
        "--scenario", default="village", help="day to copy where the published data is absent"
    )
    parser.add_argument(
        "--pairwise-limit", type=int, default=120, metavar="S", help="seconds for each pairwise program"
    )
    parser.add_argument(
        "--armhf-root",
        type=Path,
        metavar="ROOT",
        help="a Debian armhf root with python3, for the suite armhf",
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print; a missed aim is said, not a failure: it may be the machine."""
    from firmware_app.command_line import likely
    from testbed.bench.section import DisagreementError, Options
    from testbed.bench.suites import SUITES, suite
    from testbed.scenarios.errors import ScenarioError
    from testbed.solver.errors import SolverError

    console: Console = args.console
    for name in args.suites:
        if name not in SUITES:
            message = f"there is no suite {name!r}.{likely(name, SUITES)} Choose from {', '.join(SUITES)}."
            raise CommandError(message, hint="gridlight-testbed bench --help", code=Exit.USAGE)
    options = Options(
        quick=args.quick,
        transax=args.transax,
        scenario=args.scenario,
        pairwise_limit_s=args.pairwise_limit,
        armhf_root=args.armhf_root,
    )
    chosen = {name: suite(name) for name in SUITES if name in args.suites or not args.suites}
    found: dict[str, Section] = {}
    try:
        total = sum(module.steps(options) for module in chosen.values())
        with console.progress("bench", total=total, unit="cases") as progress:
            for name, module in chosen.items():
                found[name] = module.measure(options, lambda case: progress.advance(text=case))
    except ScenarioError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    except (SolverError, DisagreementError) as error:
        raise CommandError(str(error)) from None
    document = {
        "suites": {name: section.document for name, section in found.items()},
        "aims": [
            {"suite": name, **aim.document()} for name, section in found.items() for aim in section.aims
        ],
    }
    lines = [line for name, section in found.items() for line in (f"{name}:", *section.lines, "")]
    lines += [aim.line() for section in found.values() for aim in section.aims]
    console.result(_SCHEMA, document, lines)
    return Exit.OK
