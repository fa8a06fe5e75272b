"""`gridlight-testbed week`: one real device beside a live tier, through everything that can go wrong."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit

if TYPE_CHECKING:
    from testbed.live.board import Board
    from testbed.live.deployment import Deployment
    from testbed.live.up import Running
    from testbed.live.watching import View
    from testbed.live.week import Mishap, Player

_SCHEMA = "gridlight.week/1"


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "week",
        "Run one real device beside a live tier through a week of mishaps, then look at what that cost.",
        run,
        examples=(
            "gridlight-testbed week                                    # seven days in about 40 minutes",
            "gridlight-testbed week --days 1 --mishap power-cut@40 --mishap tier-gone@50+8",
        ),
    )
    parser.add_argument("--days", type=int, default=7, help="default: 7")
    parser.add_argument("--speed", type=int, default=300, help="virtual seconds in a real one; default: 300")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    parser.add_argument(
        "--mishap",
        dest="mishaps",
        action="append",
        metavar="KIND@INTERVAL+INTERVALS",
        help="instead of the usual week; may be given several times",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")


def run(args: argparse.Namespace) -> int:
    """Play the week, and say what was found."""
    from testbed.live.supervisor import SupervisorError
    from testbed.live.week import WEEK, Mishap

    console: Console = args.console
    if not 1 <= args.days <= 31 or not 1 <= args.speed <= 300:
        raise CommandError("--days is 1 to 31 and --speed 1 to 300", code=Exit.USAGE)
    try:
        mishaps = tuple(map(Mishap.parse, args.mishaps)) if args.mishaps else WEEK
        args.out.mkdir(parents=True)
    except (ValueError, OSError) as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    try:
        document = asyncio.run(_play(args, mishaps))
    except SupervisorError as error:
        raise CommandError(str(error), hint=f"less {args.out}/nodes/*.log") from None
    found = document["findings"]
    lines = [
        f"{len(document['mishaps'])} mishaps in {args.days} days, {document['lives']} lives,"
        f" {document['offers']} offers, {document['trades']} final trades",
        *(f"FOUND: {sentence}" for sentence in found),
        "no double offer, no lost trade, no gap without a record, no hand" if not found else "see above",
    ]
    console.result(_SCHEMA, document, lines)
    return Exit.FAILED if found else Exit.OK


class _Quiet:
    """Shows nothing: the player is the show."""

    def starting(self, ready: int, total: int) -> None:
        """Nothing to say."""

    def begun(self, running: Running) -> None:
        """Nothing to say."""

    def progress(self, running: Running, view: View) -> None:
        """Nothing to say."""


async def _play(args: argparse.Namespace, mishaps: tuple[Mishap, ...]) -> dict[str, object]:
    from testbed.live.board import Board, without
    from testbed.live.deployment import deploy
    from testbed.live.line import Line
    from testbed.live.staging import Staging
    from testbed.live.up import run as run_live
    from testbed.live.week import Player, faults_of
    from testbed.scenarios import catalogue

    file = catalogue.find("village")
    day = catalogue.build(file, seed=args.seed)
    staging = Staging(
        scenario="scenario.toml",
        data=None,
        seed=args.seed,
        skip=0,
        intervals=day.intervals * args.days,
        days=args.days,
        miners=4,
        solvers=1,
        speed=args.speed,
    )
    deployment = deploy(args.out, file, staging, meters_per_process=1)
    homes = [home for home in day.homes if home.battery is None]
    home = max(homes, key=lambda each: sum(each.pv_j) - sum(each.load_j))
    grid = without(deployment, home)
    cast = deployment.cast
    length_ms = cast.scenario.interval_s * 1_000
    folder = args.out / "device"
    folder.mkdir()
    faults = faults_of(
        mishaps,
        first_ms=cast.scenario.first_interval * length_ms,
        length_ms=length_ms,
        plugged_ms=cast.start_ms,
    )
    board = Board(folder=folder, deployment=deployment, home=home, day=day, faults=faults, doubts_clock=True)
    lines = {name: Line(address) for name, address in deployment.servers.items()}
    board.write({name: await line.open() for name, line in lines.items()}, extra="[clock]\njump_ms = 60000\n")
    player = Player(show=_Quiet(), board=board, lines=tuple(lines.values()), mishaps=mishaps)
    code = -1
    try:
        await run_live(grid, player)
    finally:
        code = board.end()
        for line in lines.values():
            await line.close()
    return _found(board, deployment, player, code)


def _found(board: Board, deployment: Deployment, player: Player, code: int) -> dict[str, object]:
    from testbed.live.week_check import findings, look

    if board.clock is None:
        raise CommandError("the run ended before it began")
    scenario = deployment.cast.scenario
    store = board.open_store(board.clock)
    try:
        left = look(board, deployment, store)
    finally:
        store.close()
    found = findings(
        left,
        board,
        first=scenario.first_interval,
        last=scenario.last_interval,
        interval_s=scenario.interval_s,
    )
    if code != 0:
        found.append(f"the device ended with {code} when it was asked to end")
    return {
        "mishaps": [str(each) for each in player.begun_],
        "lives": board.lives,
        "died": player.died,
        "offers": len(left.offers),
        "trades": len(left.trades),
        "findings": found,
    }
