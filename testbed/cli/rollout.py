"""`gridlight-testbed rollout`: a configuration pushed to thousands of emulated meters through a real broker."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit, Paint

if TYPE_CHECKING:
    from testbed.rollout.rehearsal import Play, Script

_SCHEMA: Final = "gridlight.rollout/1"
_SHOWN: Final = 10


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "rollout",
        "Push a signed configuration to emulated meters: real mosquitto, TLS, the operator's real tool.",
        run,
        examples=(
            "gridlight-testbed rollout --agents 200 --offline 5% --failing 2% --powercut 1%",
            "gridlight-testbed rollout --agents 10000 --offline 5% --failing 2% --powercut 1% --json   # an hour",
            "gridlight-testbed rollout --agents 2000 --real 8 --report out/rollout",
        ),
    )
    parser.add_argument("--agents", type=int, default=200, metavar="N", help="meters; default: 200")
    parser.add_argument(
        "--real",
        type=int,
        default=0,
        metavar="N",
        help="whole devices beside them, 50 MB each; default: none",
    )
    for fate, what in (
        ("offline", "are away until the rollout is through"),
        ("failing", "are ill with the new configuration"),
        ("powercut", "lose their power once while they take it over"),
    ):
        parser.add_argument(
            f"--{fate}", default="0%", metavar="SHARE", help=f"such as 5%%: {what}; default: none"
        )
    parser.add_argument("--waves", default="1,5%,25%,100%", metavar="LIST", help="default: 1,5%%,25%%,100%%")
    parser.add_argument(
        "--abort", default="10%", metavar="SHARE", help="failed devices that stop it; default: 10%%"
    )
    parser.add_argument("--window", type=int, default=60, metavar="S", help="to become well in; default: 60")
    parser.add_argument("--hold", type=int, default=5, metavar="S", help="to stay well for; default: 5")
    parser.add_argument("--processes", type=int, default=4, metavar="N", help="that play meters; default: 4")
    parser.add_argument("--spread", type=int, default=30, metavar="S", help="to connect over; default: 30")
    parser.add_argument(
        "--patience", type=int, default=3_600, metavar="S", help="for each step; default: 3600"
    )
    parser.add_argument("--broker-stays", action="store_true", help="do not kill the broker half-way")
    parser.add_argument("--seed", type=int, default=1, help="of who gets which fate; default: 1")
    parser.add_argument("--folder", metavar="FOLDER", help="keep desk, broker and logs here; default: none")
    parser.add_argument("--report", metavar="FOLDER", help="write rollout.png and rollout.json")


def run(args: argparse.Namespace) -> int:
    """Exit 0 where every meter ended as it should, 1 where one did not."""
    import tempfile

    from testbed.rollout.broker import NoBrokerError
    from testbed.rollout.desk import DeskError
    from testbed.rollout.players import PlayersError
    from testbed.rollout.real import RealMeterError
    from testbed.rollout.rehearsal import TimeOverError

    console: Console = args.console
    script = _script(args)
    try:
        with tempfile.TemporaryDirectory(prefix="gridlight-rollout-") as scratch:
            folder = Path(args.folder or scratch)
            folder.mkdir(parents=True, exist_ok=True)
            play = _rehearse(console, script, folder.absolute())
    except (NoBrokerError, DeskError, PlayersError, RealMeterError, TimeOverError) as error:
        raise CommandError(str(error)) from None
    document = _document(play)
    if args.report:
        _write_report(Path(args.report), play, document)
    console.result(_SCHEMA, document, _lines(console, play))
    return Exit.FAILED if play.broken else Exit.OK


def _script(args: argparse.Namespace) -> Script:
    from light_client.rules.errors import LocalError
    from testbed.rollout.fate import Shares
    from testbed.rollout.rehearsal import Script

    for flag, low, high in (
        ("agents", 1, 50_000),
        ("real", 0, 500),
        ("window", 1, 86_400),
        ("hold", 0, 86_400),
        ("processes", 1, 64),
        ("spread", 0, 3_600),
        ("patience", 1, 86_400),
    ):
        if not low <= getattr(args, flag) <= high:
            raise CommandError(
                f"--{flag} is {getattr(args, flag)}, expected {low} to {high}", code=Exit.USAGE
            )
    try:
        shares = Shares(
            offline=_permille("--offline", args.offline),
            failing=_permille("--failing", args.failing),
            powercut=_permille("--powercut", args.powercut),
        )
    except LocalError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    return Script(
        agents=args.agents,
        real=args.real,
        shares=shares,
        seed=args.seed,
        processes=min(args.processes, args.agents),
        waves=args.waves,
        abort=args.abort,
        window_s=args.window,
        hold_s=args.hold,
        spread_s=args.spread,
        kills_broker=not args.broker_stays,
        patience_s=args.patience,
    )


def _permille(flag: str, words: str) -> int:
    """Read ``5%`` or ``0.5%``."""
    number, percent, rest = words.partition("%")
    whole, _, tenth = number.partition(".")
    if (
        percent
        and not rest
        and whole.isdecimal()
        and (tenth or "0").isdecimal()
        and len(tenth) < 2
        and len(whole) < 4
    ):
        return 10 * int(whole) + int(tenth or 0)
    raise CommandError(f"{flag}: got {words!r}, expected such as 5% or 0.5%", code=Exit.USAGE)


def _rehearse(console: Console, script: Script, folder: Path) -> Play:
    from testbed.rollout.rehearsal import rehearse

    with console.progress("rollout", total=script.agents, unit="meters") as progress:
        shown = 0

        def report(name: str, count: int) -> None:
            nonlocal shown
            progress.advance(count - shown, name)
            shown = count

        return rehearse(script, folder, report)


def _document(play: Play) -> dict[str, Any]:
    script, state = play.script, play.state
    return {
        "agents": script.agents,
        "real": script.real,
        "seed": script.seed,
        "passed": not play.broken,
        "broken": play.broken[:100],
        "ends": play.counts(),
        "desk": play.rollout.get("counts", {}),
        "audit": {key: play.audit.get(key) for key in ("valid", "entries", "reason")},
        "times_ms": {
            "prepared": _ms(play.prepared_s),
            "connected": _ms(play.connected_s),
            "rolled_out": _ms(play.pushed_s),
            "came_back": _ms(play.returned_s),
            "broker_killed_at": None if play.killed_at_s is None else _ms(play.killed_at_s),
        },
        "messages": {
            "said": state["sent"],
            "said_bytes": state["sent_bytes"],
            "heard": state["heard"],
            "heard_bytes": state["heard_bytes"],
        },
        "connections": {"made": state["connections"], "lost": state["lost"]},
        "memory_kib": dict(sorted(play.memory_kib.items())),
        "meters_cpu_ms": state["cpu_ms"],
    }


def _ms(seconds: float) -> int:
    return round(1_000 * seconds)


def _lines(console: Console, play: Play) -> list[str]:
    script, state = play.script, play.state
    word = console.paint("BROKEN", Paint.RED) if play.broken else console.paint("PASS", Paint.GREEN)
    audit = "whole" if play.audit.get("valid") else "BROKEN"
    lines = [
        f"{word}  {script.agents:,} meters, seed {script.seed}; audit {audit}, {play.audit.get('entries')} entries",
        "",
    ]
    for fate, ends in play.counts().items():
        said = ", ".join(f"{count:,} {end}" for end, count in sorted(ends.items()))
        lines.append(f"{fate:<10} {said}")
    memory = ", ".join(f"{who} {kib / 1_024:,.0f} MiB" for who, kib in sorted(play.memory_kib.items()))
    killed = "" if play.killed_at_s is None else f", broker killed after {play.killed_at_s:,.0f} s"
    time = f"connected in {play.connected_s:,.0f} s, rolled out in {play.pushed_s:,.0f} s{killed}"
    said = f"meters said {state['sent']:,} ({state['sent_bytes'] / 1e6:,.1f} MB)"
    heard = f"heard {state['heard']:,} ({state['heard_bytes'] / 1e6:,.1f} MB)"
    lines += [
        "",
        f"Time       {time}, came back in {play.returned_s:,.0f} s",
        f"Messages   {said}, {heard}",
        f"Memory     {memory}",
    ]
    more = len(play.broken) - _SHOWN
    return [*lines, *play.broken[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]


def _write_report(folder: Path, play: Play, document: dict[str, Any]) -> None:
    from testbed.rollout.picture import draw_rollout

    folder.mkdir(parents=True, exist_ok=True)
    draw_rollout(play, folder / "rollout.png")
    samples = [
        {"at_ms": _ms(sample.at_s), "connected": sample.connected, **sample.counts} for sample in play.samples
    ]
    text = json.dumps({"schema": _SCHEMA, **document, "samples": samples}, indent=1)
    (folder / "rollout.json").write_text(text + "\n", encoding="utf-8")
