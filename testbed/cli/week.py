"""`gridlight-testbed week`: one real device beside a live tier, through everything that can go wrong."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit, Paint, Progress
from testbed.cli.up import new_folder, start_s

if TYPE_CHECKING:
    from testbed.live.up import Running
    from testbed.live.watching import View
    from testbed.week.playing import Lived, Plan

_SCHEMA = "gridlight.week/1"
_MOST_INTERVALS = 31 * 96
_SHOWN = 8
"""Broken promises that people are shown of each kind."""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "week",
        "Run one real device beside a live tier through a week of mishaps, and hold what is left to its promises.",
        run,
        examples=(
            "gridlight-testbed week --report out/week-report               # seven days in about 40 minutes",
            "gridlight-testbed week --from 08:00 --intervals 24 --mishap power-cut@8 --mishap unplugged@12+2",
            "gridlight-testbed week --intervals 96 --mishap tier-gone@20+48 --json",
        ),
    )
    parser.add_argument("--intervals", type=int, default=672, metavar="N", help="default: 672, seven days")
    parser.add_argument(
        "--from", dest="start", default="00:00", metavar="HH:MM", help="first interval; default: 00:00"
    )
    parser.add_argument(
        "--mishap",
        dest="mishaps",
        action="append",
        metavar="KIND@INTERVAL+INTERVALS",
        help="instead of the usual week, counted from the first interval; may be given several times."
        " Kinds: power-cut, disk-full, disk-dead, card-full, card-failed, clock-ahead, clock-back, tier-gone,"
        " broker-gone, unplugged, page-of-history, page-of-market",
    )
    parser.add_argument("--speed", type=int, default=300, help="virtual seconds in a real one; default: 300")
    parser.add_argument("--seed", type=int, default=1, help="of the village; default: 1")
    parser.add_argument("--report", type=Path, metavar="DIR", help="a folder for page and picture")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="a new folder; default: out/live, out/live-2, ..."
    )


def run(args: argparse.Namespace) -> int:
    """Play the week, and say what it cost."""
    from testbed.live.supervisor import SupervisorError
    from testbed.live.up import InterruptedRunError, State
    from testbed.rollout.broker import NoBrokerError
    from testbed.week.card import CardError
    from testbed.week.playing import live_through

    console: Console = args.console
    plan = _plan(args)
    folder = new_folder(args.out)
    try:
        with _Display(console, plan.intervals) as display:
            lived = asyncio.run(live_through(plan, folder, display))
    except NoBrokerError as error:
        raise CommandError(str(error), hint="a script without broker-gone needs none") from None
    except CardError as error:
        raise CommandError(
            str(error), hint="a script without card-full and card-failed needs no card"
        ) from None
    except SupervisorError as error:
        raise CommandError(str(error), hint=f"less {folder}/nodes/*.log") from None
    except InterruptedRunError as error:
        raise CommandError(str(error), code=Exit.INTERRUPTED) from None
    lines = [*_lines(lived, console), f"everything is in {folder}"]
    document = {"seed": plan.seed, "speed": plan.speed, **_facts(lived)}
    if args.report is not None:
        from testbed.week.page import write_report

        page = write_report(lived, args.report, document)
        lines.append(f"report in {page}")
    console.result(_SCHEMA, document, lines)
    if lived.state is State.INTERRUPTED:
        return Exit.INTERRUPTED
    return Exit.FAILED if lived.broken else Exit.OK


def _plan(args: argparse.Namespace) -> Plan:
    from testbed.week.card import why_not
    from testbed.week.mishaps import WEEK, Mishap
    from testbed.week.playing import Plan, without_card

    if not 1 <= args.intervals <= _MOST_INTERVALS or not 1 <= args.speed <= 300:
        message = f"--intervals is 1 to {_MOST_INTERVALS}, --speed 1 to 300"
        raise CommandError(message, code=Exit.USAGE)
    try:
        mishaps = WEEK if args.mishaps is None else tuple(map(Mishap.parse, args.mishaps))
    except ValueError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    if args.mishaps is not None:
        late = [str(one) for one in mishaps if one.first + one.intervals >= args.intervals]
        if late:
            message = f"{late[0]} is not over before the run of {args.intervals} intervals"
            raise CommandError(message, hint="a larger --intervals", code=Exit.USAGE)
    if args.mishaps is None and (why := why_not()):
        kept = without_card(mishaps)
        left_out = ", ".join(str(one) for one in mishaps if one not in kept)
        console: Console = args.console
        console.note(
            f"Left out: {left_out}: no card of the board's own, {why}. Its limits on the process stay."
        )
        mishaps = kept
    return Plan(
        seed=args.seed,
        skip=start_s(args.start) // 900,
        intervals=args.intervals,
        speed=args.speed,
        mishaps=mishaps,
    )


def _facts(lived: Lived) -> dict[str, object]:
    from testbed.week.promises import back_after, on_record

    left, week = lived.left, lived.week
    bases = [row.basis.value for row in left.intervals]
    return {
        "state": lived.state.value,
        "interval_s": week.interval_s,
        "first_interval": week.first,
        "last_interval": week.last,
        "lives": lived.lives,
        "died": list(lived.died),
        "resident_kib": lived.board.resident_kib,
        "weighed_kib": [list(one) for one in lived.board.weighed],
        "offers": len(left.posted),
        "offered_j": sum(one.offer.remaining_j for one in left.posted),
        "trades": len(left.trades),
        "traded_j": sum(trade.energy_j for trade in left.trades),
        "intervals": {basis: bases.count(basis) for basis in sorted(set(bases))},
        "readings": len(left.readings_ms),
        "mishaps": [
            {
                "mishap": str(played.mishap),
                "begun_ms": played.begun_ms,
                "ended_ms": played.ended_ms,
                "back_after_intervals": back_after(left, week, played),
                "on_record": on_record(left, week, played),
            }
            for played in week.mishaps
        ],
        "promises": [
            {"name": one.name, "checked": one.checked, "broken": list(one.broken)} for one in lived.promises
        ],
    }


def _lines(lived: Lived, console: Console) -> Iterator[str]:
    from testbed.week.promises import back_after, on_record

    left, week = lived.left, lived.week
    yield f"{'mishap':<24}{'from':<12}{'until':<12}{'offers again after':<20}on record"
    for played in week.mishaps:
        after = back_after(left, week, played)
        times = f"{_when(played.begun_ms):<12}{_when(played.ended_ms):<12}"
        again = "never" if after is None else f"{after} intervals"
        yield f"{played.mishap!s:<24}{times}{again:<20}{', '.join(on_record(left, week, played))}"
    yield ""
    for one in lived.promises:
        verdict = (
            console.paint(f"BROKEN {len(one.broken)} times", Paint.RED)
            if one.broken
            else console.paint("kept", Paint.GREEN)
        )
        yield f"{one.name:<18}{one.checked:>6} checked   {verdict}"
        yield from (f"    {sentence}" for sentence in one.broken[:_SHOWN])
    ended = f", {len(lived.died)} ended by themselves: {lived.died}" if lived.died else ""
    traded_kwh = sum(trade.energy_j for trade in left.trades) / 3.6e6
    yield (
        f"{lived.lives} lives{ended}; {len(left.posted)} offers, {len(left.trades)} final trades,"
        f" {traded_kwh:.1f} kWh; {len(left.readings_ms)} readings; at most {lived.board.resident_kib:,} KiB of memory"
    )


def _when(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%a %H:%M}"


class _Display:
    """A bar of the intervals that are over."""

    def __init__(self, console: Console, intervals: int) -> None:
        self._bar: Progress = console.progress("week", total=intervals, unit="intervals")
        self._done = 0

    def __enter__(self) -> Self:
        """Begin."""
        self._bar.__enter__()
        return self

    def __exit__(self, *failure: object) -> None:
        """End the bar."""
        self._bar.__exit__(None, None, None)

    def starting(self, ready: int, total: int) -> None:
        """The tier starts."""
        self._bar.advance(0, f"{ready} of {total} processes are ready")

    def begun(self, running: Running) -> None:
        """The clock runs."""

    def progress(self, running: Running, view: View) -> None:
        """Say how far it is."""
        now_ms = running.clock.now_ms()
        done = len(view.finals)
        self._bar.advance(done - self._done, f"{_when(now_ms)}  height {view.height}")
        self._done = done
