"""What `gridlight-testbed up --fleet N` does: one size, one script and one report, whatever the boards run in."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

from firmware_app.console import CommandError, Console, Exit
from testbed.boards.faults import FaultScriptError, FleetScript
from testbed.boards.grid import scenario_text
from testbed.boards.housing import HousingError, Mode
from testbed.boards.inprocess import finals_of, run_inprocess
from testbed.boards.room import Machine, refusal
from testbed.boards.running import Wanted, run_live_fleet
from testbed.boards.verdict import BoardVerdict, fleet_document, fleet_lines
from testbed.live.staging import Staging, StagingError, cast_for
from testbed.live.summary import summary_lines
from testbed.live.supervisor import SupervisorError
from testbed.live.up import InterruptedRunError, Show, State
from testbed.qemu.cards import card_of
from testbed.scenarios import catalogue

DRAWN: Final = "drawn"
_DISTURBED_PERCENT: Final = (10, 80)
"""A drawn script happens within this part of the day, so that everything can come back before its end."""
_MOST_LISTED: Final = 24


def run(args: argparse.Namespace, staging: Staging, new_folder: Callable[[], Path], show: Show) -> int:
    """Run the fleet that the arguments ask for.

    Args:
        staging: as for any live run.
        new_folder: makes the folder that everything goes to.
        show: where progress is shown.

    Raises:
        CommandError: it does not fit, or cannot be run here.
    """
    console, mode, size = args.console, Mode(args.mode), args.fleet
    if args.tickets and mode is not Mode.PROCESS:
        raise CommandError("--tickets are for boards in --mode process", code=Exit.USAGE)
    interval_s = catalogue.build(catalogue.find("village")).interval_s
    emulated = args.emulated
    if emulated and (mode in {Mode.INPROCESS, Mode.QEMU} or emulated >= size):
        raise CommandError(
            "--emulated says how many of the boards of a fleet of processes or containers are whole computers "
            "instead; --mode qemu makes all of them such",
            code=Exit.USAGE,
        )
    why = refusal(
        mode,
        size - emulated,
        interval_s=interval_s,
        speed=staging.speed,
        machine=Machine.here(),
        emulated=emulated,
    )
    if why:
        raise CommandError(why, code=Exit.USAGE)
    folder = new_folder()
    path = folder / f"fleet-{size}.toml"
    path.write_text(scenario_text(size, seed=staging.seed), encoding="utf-8")
    script_of = _script_of(args, staging, interval_s)
    try:
        if mode is Mode.INPROCESS:
            return _in_process(console, folder, path, staging, script_of)
        return _live(args, folder, path, staging, script_of, show)
    except (StagingError, FaultScriptError) as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    except HousingError as error:
        raise CommandError(str(error)) from None
    except SupervisorError as error:
        raise CommandError(
            str(error), hint=f"less {folder}/nodes/*.log {folder}/boards/*/device.log"
        ) from None
    except InterruptedRunError as error:
        raise CommandError(str(error), code=Exit.INTERRUPTED) from None


def _script_of(
    args: argparse.Namespace, staging: Staging, interval_s: int
) -> Callable[[tuple[int, ...]], FleetScript]:
    """What goes wrong, as soon as it is known which homes there are."""

    def script_of(homes: tuple[int, ...]) -> FleetScript:
        if args.faults is None:
            return FleetScript()
        if args.faults == DRAWN:
            from_, to = (
                (staging.skip * 100 + staging.intervals * percent) * interval_s * 10
                for percent in _DISTURBED_PERCENT
            )
            return FleetScript.drawn(staging.seed, homes, from_ms=from_, to_ms=to)
        try:
            text = Path(args.faults).read_text(encoding="utf-8")
        except OSError as error:
            raise FaultScriptError(f"{args.faults} cannot be read: {error.strerror}") from None
        return FleetScript.parse(text, homes)

    return script_of


def _in_process(
    console: Console,
    folder: Path,
    path: Path,
    staging: Staging,
    script_of: Callable[[tuple[int, ...]], FleetScript],
) -> int:
    cast = cast_for(_at_its_own_pace(staging, path), folder)
    script = script_of(tuple(home.home_id for home in cast.scenario.homes))
    total = (cast.end_ms - cast.start_ms) // (cast.scenario.interval_s * 1_000)
    with console.progress(cast.scenario.name, total=total, unit="intervals") as progress:
        day, found, failures = run_inprocess(
            cast, script, lambda finals: progress.advance(1, f"{finals} final")
        )
    document = fleet_document(found, Mode.INPROCESS, tuple(script.lines()), failures)
    document |= {"wall_s": round(day.wall_s, 1)}
    lines = [f"Final       {finals_of(day.observed.record)} of {cast.scenario.intervals} intervals"]
    return _report(
        console, folder, document, [*lines, *_shown(found, failures)], bad=_is_bad(found, failures)
    )


def _at_its_own_pace(staging: Staging, path: Path) -> Staging:
    """Virtual time needs no patience for a machine."""
    return Staging(**{**asdict(staging), "scenario": path.name, "speed": 1})


def _live(
    args: argparse.Namespace,
    folder: Path,
    path: Path,
    staging: Staging,
    script_of: Callable[[tuple[int, ...]], FleetScript],
    show: Show,
) -> int:
    tickets = tuple(Path(name) for name in args.tickets)
    wanted = Wanted(
        mode=Mode(args.mode),
        emulated=args.emulated,
        image=args.image,
        engine=args.engine,
        machine=args.machine,
        tickets=tickets,
        card=partial(card_of, args.card, args.cards, args.machine, args.console.note),
    )
    ended = run_live_fleet(folder, catalogue.find(str(path)), staging, wanted, script_of, show)
    summary, interval_s = ended.summary, catalogue.build(catalogue.find(str(path))).interval_s
    stopped = ended.outcome.state is State.INTERRUPTED
    failures = (*ended.failures, *summary.failures)
    accidents = tuple(line for board in ended.boards for line in board.accidents)
    document = fleet_document(ended.boards, wanted.mode, accidents, failures)
    document |= {"tier": asdict(summary)}
    lines = [*summary_lines(summary, interval_s, verdict=False), *_shown(ended.boards, failures)]
    code = _report(args.console, folder, document, lines, bad=_is_bad(ended.boards, failures))
    return Exit.INTERRUPTED if stopped else code


def _shown(found: tuple[BoardVerdict, ...], failures: tuple[str, ...]) -> list[str]:
    """All boards, or of a large fleet those with which something is wrong."""
    listed = found if len(found) <= _MOST_LISTED else tuple(board for board in found if board.complaints)
    *lines, _ = fleet_lines(listed[:_MOST_LISTED], failures)
    return [*lines, fleet_lines(found, ())[-1]]


def _is_bad(found: tuple[BoardVerdict, ...], failures: tuple[str, ...]) -> bool:
    return bool(failures) or any(board.complaints for board in found)


def _report(console: Console, folder: Path, document: dict[str, Any], lines: list[str], *, bad: bool) -> int:
    """Write the report, and show it."""
    file = folder / "fleet.json"
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    schema = document.pop("schema")
    console.result(schema, document, [*lines, "FAIL" if bad else "PASS", f"everything is in {folder}"])
    return Exit.FAILED if bad else Exit.OK
