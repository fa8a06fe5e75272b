"""`gridlight-testbed deceive`: set hostile servers on the meters of a scenario and see what they make of it."""

import argparse
from collections import Counter
from typing import Final

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit, Paint

_SCHEMA: Final = "gridlight.deceive/1"
_WAYS: Final = {
    "stale": "shows nothing newer than when it began",
    "withholds": "announces blocks and never hands them over",
    "garbles": "sends bytes that are no message, cut, padded or far too many",
    "lies": "alters records under the proofs and signatures of the true ones",
    "slow": "answers when nobody waits any more",
    "forks": "holds the keys of the whole committee and shows a chain of its own",
}


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "deceive",
        "Let some miners deceive the meters that follow them, in virtual time, and show what the meters believe.",
        run,
        examples=(
            "gridlight-testbed deceive lies",
            "gridlight-testbed deceive forks --servers 2 --json",
            "gridlight-testbed deceive stale --scenario homes102 --intervals 8",
        ),
    )
    ways = "; ".join(f"{way}: {what}" for way, what in _WAYS.items())
    parser.add_argument("way", choices=tuple(_WAYS), metavar="WAY", help=ways)
    parser.add_argument(
        "--servers", type=int, default=1, metavar="N", help="how many miners deceive (default 1)"
    )
    parser.add_argument("--scenario", default="village", help="whose meters (default village)")
    parser.add_argument(
        "--from-interval", type=int, default=2, metavar="I", help="when they begin (default 2)"
    )
    parser.add_argument(
        "--intervals", type=int, default=12, metavar="N", help="how long to run, from 11:00 on (default 12)"
    )
    parser.add_argument("--seed", type=int, default=1)


def run(args: argparse.Namespace) -> int:
    """Exit 0 where no meter is fooled, 1 where one believes something false and goes on trading."""
    from testbed.scenarios import catalogue
    from testbed.scenarios.errors import PlanError, ScenarioError
    from testbed.scenarios.part import part_of
    from testbed.simulation.day import cast_of
    from testbed.simulation.deceit import deceive

    console: Console = args.console
    try:
        file = catalogue.find(args.scenario)
        scenario = part_of(catalogue.build(file, seed=args.seed), skip=44, intervals=args.intervals)
    except (ScenarioError, PlanError) as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    cast = cast_of(file, scenario, args.seed)
    if not 1 <= args.servers < cast.miners:
        message = f"--servers is 1 to {cast.miners - 1} here, since one of {cast.miners} miners stays honest"
        raise CommandError(message, code=Exit.USAGE)
    length_ms = scenario.interval_s * 1_000
    from_ms = (scenario.first_interval + args.from_interval) * length_ms
    total = (cast.end_ms - cast.start_ms) // length_ms
    with console.progress(f"{args.way}", total=total, unit="intervals") as progress:
        outcomes = deceive(
            cast, args.way, servers=args.servers, from_ms=from_ms, progress=lambda: progress.advance(1, "")
        )
    fooled = [outcome for outcome in outcomes if outcome.fooled]
    word = console.paint("FOOLED", Paint.RED) if fooled else console.paint("nobody fooled", Paint.GREEN)
    standings = Counter(outcome.status["standing"] for outcome in outcomes)
    refused: Counter[str] = Counter()
    for outcome in outcomes:
        refused.update(outcome.status["refused"])
    lines = [
        f"{word}: {args.servers} of {cast.miners} servers ({args.way}), {len(outcomes)} meters",
        "  standing  " + ", ".join(f"{count} {standing}" for standing, count in sorted(standings.items())),
        "  refused   "
        + (", ".join(f"{count} by {rule}" for rule, count in sorted(refused.items())) or "nothing"),
    ]
    lines += [f"  {outcome.meter} believes a header that no honest miner has" for outcome in fooled]
    document = {
        "way": args.way,
        "servers": args.servers,
        "miners": cast.miners,
        "fooled": len(fooled),
        "standings": dict(sorted(standings.items())),
        "refused": dict(sorted(refused.items())),
        "meters": [outcome.document() for outcome in outcomes],
    }
    console.result(_SCHEMA, document, lines)
    return Exit.FAILED if fooled else Exit.OK
