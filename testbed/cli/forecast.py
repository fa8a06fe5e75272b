"""`gridlight-testbed forecast`: the device's forecast on measured homes, beside naive ones and a library's models."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from firmware_app.command_line import Commands, add_command, likely
from firmware_app.console import CommandError, Console, Exit

if TYPE_CHECKING:
    from testbed.forecasting.measured import MeasuredSeries
    from testbed.forecasting.models import Peer
    from testbed.forecasting.summary import Comparison

_SCHEMA: Final = "gridlight.forecast/1"
_HOMES: Final = 10
_BETTER_HOMES: Final = 8
_KINDS: Final = ("load", "generation", "net")


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "forecast",
        "Judge the device's forecast on a year of measured homes, beside the naive one and a library's models.",
        run,
        examples=(
            "gridlight-testbed forecast --homes 1 2 --models none",
            "gridlight-testbed forecast --models ConformalSeasonalPool MSTL --origins 12",
            "gridlight-testbed forecast --report out/forecast --json > forecast.json",
        ),
    )
    parser.add_argument(
        "--homes",
        nargs="+",
        type=int,
        metavar="N",
        default=list(range(1, _HOMES + 1)),
        help="which of the ten",
    )
    parser.add_argument(
        "--series", nargs="+", choices=_KINDS, default=list(_KINDS), help="which of their series"
    )
    parser.add_argument(
        "--plant", action=argparse.BooleanOptionalAction, default=True, help="the photovoltaic plant too"
    )
    parser.add_argument("--days", type=int, default=364, metavar="N", help="of the year, 58 or more")
    parser.add_argument(
        "--models",
        nargs="+",
        metavar="MODEL",
        default=["all"],
        help="of statsforecast: their names, none, or all but AutoARIMA (the default), which takes half a minute a day",
    )
    parser.add_argument(
        "--step", type=int, default=17, metavar="N", help="intervals between two forecasts of ours"
    )
    parser.add_argument(
        "--origins", type=int, default=12, metavar="N", help="forecasts of each costly model for each series"
    )
    parser.add_argument("--report", type=Path, metavar="DIR", help="write plots and the numbers there")


def run(args: argparse.Namespace) -> int:
    """Measure and print; exit 1 where the device's forecast is not better than the naive one on eight of ten homes."""
    from testbed.forecasting import measured
    from testbed.scenarios.errors import ScenarioError

    console: Console = args.console
    if not all(1 <= home <= _HOMES for home in args.homes):
        raise CommandError(f"homes are 1 to {_HOMES}, got {args.homes}", code=Exit.USAGE)
    peers = _peers(console, args.models)
    try:
        places = {f"home {number}" for number in args.homes}
        chosen = [
            series
            for series in measured.homes(days=args.days)
            if series.place in places and series.series.name.lower() in args.series
        ]
        if args.plant:
            chosen.append(measured.plant(days=args.days))
    except ScenarioError as error:
        raise CommandError(str(error)) from None
    comparison = _compare(console, chosen, peers, args)
    if args.report is not None:
        from testbed.forecasting.figures import write

        try:
            write(comparison, args.report)
        except OSError as error:
            raise CommandError(f"cannot write {args.report}: {error.strerror}", code=Exit.USAGE) from None
    return _print(console, comparison)


def _peers(console: Console, names: list[str]) -> "tuple[Peer, ...]":
    from testbed.forecasting.models import NoLibraryError, peers

    if names == ["none"]:
        return ()
    try:
        known = peers()
    except NoLibraryError as error:
        if names != ["all"]:
            raise CommandError(str(error)) from None
        console.note(f"{error}; only the naive forecast is beside ours")
        return ()
    by_name = {peer.name: peer for peer in known}
    if names == ["all"]:
        return tuple(peer for peer in known if peer.name != "AutoARIMA")
    for name in names:
        if name not in by_name:
            message = f"there is no model {name!r}.{likely(name, by_name)} Choose from {', '.join(by_name)}."
            raise CommandError(message, code=Exit.USAGE)
    return tuple(by_name[name] for name in names)


def _compare(
    console: Console, chosen: "list[MeasuredSeries]", peers: "tuple[Peer, ...]", args: argparse.Namespace
) -> "Comparison":
    from testbed.forecasting import backtest
    from testbed.forecasting.summary import Comparison

    outcomes = []
    settings = backtest.settings()
    with console.progress("forecast", total=len(chosen) * (2 + len(peers)), unit="backtests") as progress:
        for series in chosen:
            try:
                places = backtest.origins(series, args.step)
            except ValueError as error:
                raise CommandError(str(error), code=Exit.USAGE) from None
            if not places:
                raise CommandError(f"{args.days} days are too few to judge anything", code=Exit.USAGE)
            for judge in (backtest.ours, backtest.naive):
                outcomes.append(judge(series, places, settings))
                progress.advance(text=series.name)
            for peer in peers:
                few = places if peer.cheap else backtest.spread(places, args.origins)
                outcomes.append(backtest.fitted(series, few, peer))
                progress.advance(text=f"{series.name}: {peer.name}")
    return Comparison(outcomes=tuple(outcomes))


def _print(console: Console, comparison: "Comparison") -> int:
    from firmware_app.forecast.settings import Series
    from testbed.forecasting.summary import table

    documents, lines, aims = [], [], []
    for series in Series:
        for plant in (False, True):
            found = comparison.lines(series, plant=plant)
            if not found:
                continue
            skills = comparison.skills(series, plant=plant)
            better = sum(skill > 0 for skill in skills.values())
            documents += [{**line.document(), "plant": plant} for line in found]
            what = f"{series.name.lower()} of the {'plant' if plant else 'homes'}"
            lines += [
                f"{what}: better than naive at {better} of {len(skills)}",
                *(f"  {row}" for row in table(found)),
                "",
            ]
            aims.append(
                {
                    "series": series.name.lower(),
                    "plant": plant,
                    "better_than_naive": better,
                    "places": len(skills),
                    "skill_permille": {place: round(1_000 * skill) for place, skill in skills.items()},
                }
            )
            reached = 10 * better >= _BETTER_HOMES * len(skills)
            aims[-1]["reached"] = reached
    console.result(_SCHEMA, {"models": documents, "aims": aims}, lines)
    return Exit.OK if all(aim["reached"] for aim in aims) else Exit.FAILED
