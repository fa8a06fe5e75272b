"""`gridlight-testbed solve`: clear a day of a scenario or of the published microgrid, and prove it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit, Paint

if TYPE_CHECKING:
    from testbed.scenarios.model import Scenario
    from testbed.solver.rolling import Clearing, Day

_SCHEMA: Final = "gridlight.solve/1"


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "solve",
        "Clear one day of a grid with most energy traded, and prove that nothing better exists.",
        run,
        examples=(
            "gridlight-testbed solve village",
            "gridlight-testbed solve --transax DIR --c-ext-w 20000 --offline --json  # the published microgrid",
            "gridlight-testbed solve village --window 2 --out out/day.solution",
        ),
    )
    source = parser.add_argument_group("the day to clear: one of")
    source.add_argument("scenario", nargs="?", help="name of a scenario or path of its .toml file")
    source.add_argument(
        "--transax", type=Path, metavar="DIR", help="folder with prosumer_*.csv of the published microgrid"
    )
    parser.add_argument(
        "--c-ext-w", type=_watts, metavar="W", help="external limit of every feeder (needed with --transax)"
    )
    parser.add_argument(
        "--c-int-w",
        type=_watts,
        metavar="W",
        help="internal limit of every feeder (default: none, or the scenario's)",
    )
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--window",
        type=_window,
        metavar="L",
        help="clear interval by interval with prediction window L, 2 or more",
    )
    when.add_argument(
        "--offline", action="store_true", help="clear the whole day as one problem (the default)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write a solution file for `gridlight-testbed verify`"
    )


def _watts(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 1 << 34:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected whole watts in 0..{1 << 34}")
    return int(text)


def _window(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 2 <= int(text) <= 96:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number of intervals in 2..96")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Clear, judge by the rules, print; exit 1 where optimality is not proven."""
    from light_client.rules.market.grid import Grid
    from light_client.rules.market.params import MarketParams
    from testbed.solver.rolling import Day, clear_at_once, clear_day, open_offers
    from testbed.solver.solution_file import write

    console: Console = args.console
    scenario = _scenario(args)
    prices = {offer.price_uc_per_kwh for offer in scenario.offers}
    params = MarketParams(
        interval_s=scenario.interval_s, uniform_price_uc_per_kwh=prices.pop() if len(prices) == 1 else None
    )
    grid = Grid(feeders=scenario.feeders, interval_s=scenario.interval_s)
    offers = open_offers(scenario)
    if args.window is None:
        clearing = clear_at_once(offers, first_interval=scenario.first_interval, params=params, grid=grid)
        day = Day(clearings=(clearing,), trades=())
        traded_j = _sold(clearing)
    else:
        with console.progress("clear", total=scenario.intervals, unit="intervals") as progress:
            day = clear_day(
                offers, window=args.window, params=params, grid=grid, on_step=lambda _: progress.advance()
            )
        traded_j = day.traded_j
    if args.out is not None:
        steps = [(c.problem.first_interval, c.offers, c.solved.solution) for c in day.clearings]
        try:
            write(args.out, params=params, grid=grid, clearings=steps)
        except OSError as error:
            raise CommandError(f"cannot write {args.out}: {error.strerror}", code=Exit.USAGE) from None
    return _report(console, day, len(offers), traded_j)


def _scenario(args: argparse.Namespace) -> "Scenario":
    from dataclasses import replace
    from datetime import date

    from testbed.scenarios import catalogue
    from testbed.scenarios.errors import ScenarioError
    from testbed.scenarios.transax import microgrid

    if (args.scenario is None) == (args.transax is None):
        raise CommandError(
            "name a scenario or give --transax DIR, one of both",
            code=Exit.USAGE,
            hint="gridlight-testbed solve --help",
        )
    try:
        if args.transax is not None:
            if args.c_ext_w is None:
                raise CommandError(
                    "the published data states no limits: give --c-ext-w",
                    code=Exit.USAGE,
                    hint="--c-ext-w 20000",
                )
            return microgrid(args.transax, day=date(2026, 6, 14), c_ext_w=args.c_ext_w, c_int_w=args.c_int_w)
        scenario = catalogue.build(catalogue.find(args.scenario))
    except ScenarioError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    limits = {"c_ext_w": args.c_ext_w, "c_int_w": args.c_int_w}
    given = {name: value for name, value in limits.items() if value is not None}
    return replace(scenario, feeders=tuple(replace(feeder, **given) for feeder in scenario.feeders))


def _sold(clearing: "Clearing") -> int:
    from light_client.rules.market.objective import traded_energy

    return traded_energy(clearing.solved.solution.plan)


def _report(console: Console, day: "Day", offers: int, traded_j: int) -> int:
    gaps = [clearing.solved.gaps for clearing in day.clearings]
    gap_j = sum(gap[0] for gap in gaps)
    proven = not any(any(gap) for gap in gaps)
    tie_break = "proven" if proven else "not proven"
    solve_s = sum(clearing.solved.stats.seconds.get("solve", 0.0) for clearing in day.clearings)
    verify_s = sum(clearing.solved.stats.seconds.get("verify", 0.0) for clearing in day.clearings)
    size = sum(_certificate_bytes(clearing) for clearing in day.clearings)
    document = {
        "traded_j": traded_j,
        "bound_j": traded_j + gap_j,
        "gap_j": gap_j,
        "tie_break": tie_break,
        "offers": offers,
        "clearings": len(day.clearings),
        "solve_s": round(solve_s, 6),
        "verify_s": round(verify_s, 6),
        "certificate_bytes": size,
    }
    verdict = (
        console.paint("proven optimal", Paint.GREEN) if proven else console.paint("not proven", Paint.RED)
    )
    lines = [
        f"{traded_j / 3.6e6:,.1f} kWh traded, {verdict}: gap {gap_j} J, tie-break {tie_break}",
        f"  {offers} offers in {len(day.clearings)} clearing(s), solved in {solve_s * 1e3:.1f} ms",
        f"  verified in {verify_s * 1e3:.1f} ms, certificates of {size} bytes",
    ]
    console.result(_SCHEMA, document, lines)
    return Exit.OK if proven else Exit.FAILED


def _certificate_bytes(clearing: "Clearing") -> int:
    from light_client.rules.encoding import encode

    base = clearing.problem.first_interval
    return sum(
        len(encode(certificate.to_wire(base))) for certificate in clearing.solved.solution.certificates
    )
