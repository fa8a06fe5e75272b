"""What the commands about measured homes have in common: which homes, for how long, and where results go."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from firmware_app.command_line import CommandParser
from firmware_app.console import CommandError, Console, Exit

if TYPE_CHECKING:
    from firmware_app.bidding.settings import BatterySettings
    from testbed.year.homes import Village

_LEAST_DAYS: Final = 15
_MOST_DAYS: Final = 364


def add_arguments(parser: CommandParser, name: str, *, days: int, chance: str) -> None:
    """Add what both commands take.

    Args:
        name: of the command: its results are files of this name.
        days: how many if nothing is said.
        chance: what the seed is of.
    """
    parser.add_argument(
        "--days",
        type=int,
        default=days,
        help=f"from 1 August on, {_LEAST_DAYS} to {_MOST_DAYS}; default: {days}",
    )
    parser.add_argument("--seed", type=int, default=1, help=f"of {chance}; default: 1")
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help=f"where to write {name}.json and {name}.png"
    )


def require(flag: str, got: int, low: int, high: int) -> None:
    """End the command where a number is out of its bounds.

    Raises:
        CommandError: it is.
    """
    if not low <= got <= high:
        raise CommandError(f"{flag} is {got}, expected {low} to {high}", code=Exit.USAGE)


def village(args: argparse.Namespace, battery: BatterySettings | None = None) -> Village:
    """The ten homes over as many days as were asked for.

    Raises:
        CommandError: too few or too many days, or the homes cannot be had.
    """
    from testbed.scenarios.citylearn import fetch_wheel, read_homes  # noqa: PLC0415 - numpy
    from testbed.scenarios.errors import DataUnavailableError  # noqa: PLC0415 - likewise
    from testbed.year.homes import village_of  # noqa: PLC0415 - likewise

    require("--days", args.days, _LEAST_DAYS, _MOST_DAYS)
    try:
        sources = read_homes(fetch_wheel())
    except DataUnavailableError as error:
        raise CommandError(str(error)) from None
    return village_of(sources, days=args.days, battery=battery)


def show(
    args: argparse.Namespace,
    name: str,
    document: Mapping[str, Any],
    lines: list[str],
    draw: Callable[[Path], None],
) -> int:
    """Print the result; with `--report` write it too, with its picture."""
    console: Console = args.console
    folder: Path | None = args.report
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        draw(folder / f"{name}.png")
        console.note(f"written to {folder}")
    console.result(f"gridlight.{name}/1", document, lines)
    return Exit.OK
