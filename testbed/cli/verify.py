"""`gridlight-testbed verify`: judge a solution file of any origin by the rules alone, without a solver."""

import argparse
from pathlib import Path
from typing import Final

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit, Paint

_SCHEMA: Final = "gridlight.verify/1"


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "verify",
        "Check a solution file: is every plan in it feasible, and proven to be the best one?",
        run,
        examples=(
            "gridlight-testbed verify out/day.solution",
            "gridlight-testbed solve village --out out/day.solution && gridlight-testbed verify out/day.solution",
        ),
    )
    parser.add_argument(
        "file", type=Path, help="written by `gridlight-testbed solve --out`, or by anybody else"
    )


def run(args: argparse.Namespace) -> int:
    """Exit 0 where everything is proven, 1 where a rule refuses, 2 where the file cannot be read."""
    from time import perf_counter

    from light_client.rules.errors import RuleViolation
    from light_client.rules.market.clearing import check_solution, needs_no_solution, solution_from_wire
    from testbed.solver.solution_file import SolutionFileError, read

    console: Console = args.console
    try:
        claims = read(args.file)
    except SolutionFileError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    started = perf_counter()
    traded_j, gap_j, unproven = 0, 0, 0
    for number, claim in enumerate(claims):
        try:
            proven = check_solution(claim.problem, solution_from_wire(claim.solution))
        except RuleViolation as error:
            return _refused(console, number, claim.problem.first_interval, error)
        traded_j += proven.values[0]
        gap_j += proven.gaps[0]
        unproven += any(proven.gaps)
    seconds = perf_counter() - started
    trivial = sum(needs_no_solution(claim.problem) for claim in claims)
    document = {
        "verdict": "accepted",
        "clearings": len(claims),
        "without_trade": trivial,
        "planned_j": traded_j,
        "gap_j": gap_j,
        "within_allowed_gap": unproven,
        "verify_s": round(seconds, 6),
    }
    word = console.paint("accepted", Paint.GREEN)
    console.result(
        _SCHEMA,
        document,
        [
            f"{word}: {len(claims)} clearing(s), checked in {seconds * 1e3:.1f} ms",
            f"  {traded_j / 3.6e6:,.1f} kWh planned, gap {gap_j} J",
        ],
    )
    return Exit.OK


def _refused(console: Console, number: int, first_interval: int, error: "Exception") -> int:
    from light_client.rules.errors import RuleViolation

    rule = error.rule if isinstance(error, RuleViolation) else ""
    document = {
        "verdict": "rejected",
        "rule": rule,
        "clearing": number,
        "first_interval": first_interval,
        "reason": str(error),
    }
    word = console.paint("rejected", Paint.RED)
    console.result(
        _SCHEMA, document, [f"{word}: clearing {number} (from interval {first_interval}): {error}"]
    )
    return Exit.FAILED
