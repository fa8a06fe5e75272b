"""The commands of rollouts: `push`, `status`, `pause`, `resume`, `abort`, `rollback`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final

from firmware_app import command_line
from firmware_app.command_line import CommandParser, Commands
from firmware_app.console import CommandError, Exit

_CONTROLS: Final = {
    "pause": "Begin no further wave for now; devices that have the bundle go on.",
    "resume": "Go on with a rollout that was paused.",
    "abort": "End a rollout: nobody takes the bundle up any more, who has it keeps it.",
}


def add_parsers(
    commands: Commands,
    add_desk: Callable[[CommandParser], None],
    add_bundle_arguments: Callable[[CommandParser], None],
) -> None:
    """Add them."""
    _add_push(commands, add_desk, add_bundle_arguments)
    _add_status(commands, add_desk)
    for name, summary in _CONTROLS.items():
        parser = command_line.add_command(
            commands, name, summary, _control, examples=(f"gridlight-fleet {name} v18",)
        )
        add_desk(parser)
        parser.add_argument("version", metavar="VERSION")
        parser.add_argument("--reason", metavar="TEXT", default="", help="for the audit")
    _add_rollback(commands, add_desk)


def permille_of(words: str) -> int:
    """Read ``5%`` or ``2.5%`` as parts of a thousand.

    Raises:
        CommandError: it is no percentage.
    """
    number, percent, rest = words.partition("%")
    whole, _, tenth = number.partition(".")
    if (
        not percent
        or rest
        or not whole.isdecimal()
        or len(whole) > 3
        or (tenth and not (tenth.isdecimal() and len(tenth) == 1))
    ):
        raise CommandError(f"--abort: got {words!r}, expected such as 5% or 2.5%", code=Exit.USAGE)
    return 10 * int(whole) + int(tenth or 0)


def _add_push(
    commands: Commands,
    add_desk: Callable[[CommandParser], None],
    add_bundle_arguments: Callable[[CommandParser], None],
) -> None:
    parser = command_line.add_command(
        commands,
        "push",
        "Sign a change and roll it out in waves, or roll out a bundle that was signed before.",
        _push,
        examples=(
            "gridlight-fleet push --set privacy.lot_wh=250 --key fleet/operator.key",
            "gridlight-fleet push change.toml --target feeder=7 --waves 1,10%,100% --abort 5% --dry-run --key anna.key",
            "gridlight-fleet push change.bundle",
        ),
    )
    add_desk(parser)
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        default="-",
        help="a .toml file with the keys to set, or a signed bundle",
    )
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="instead of a file: one key, as TOML"
    )
    parser.add_argument("--key", metavar="FILE", action="append", default=[], help="may be given again")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would change on which device, and send nothing"
    )
    parser.add_argument("--detach", action="store_true", help="do not wait for the end")
    add_bundle_arguments(parser)
    parser.add_argument(
        "--abort",
        metavar="SHARE",
        dest="abort_permille",
        type=permille_of,
        help="stop above so many failures; default: 5%%",
    )


def _add_status(commands: Commands, add_desk: Callable[[CommandParser], None]) -> None:
    parser = command_line.add_command(
        commands,
        "status",
        "Show the fleet, a rollout or a device; 3 while a rollout is not finished.",
        _status,
        examples=(
            "gridlight-fleet status",
            "gridlight-fleet status v18 --watch",
            "gridlight-fleet status meter-0391 --json",
        ),
    )
    add_desk(parser)
    parser.add_argument("what", metavar="VERSION|DEVICE", nargs="?")
    parser.add_argument(
        "--watch", action="store_true", help="again and again; with --json one document a line"
    )


def _add_rollback(commands: Commands, add_desk: Callable[[CommandParser], None]) -> None:
    parser = command_line.add_command(
        commands,
        "rollback",
        "Put back what a version changed, on every device that took it: a new version with the old values.",
        _rollback,
        examples=(
            "gridlight-fleet rollback v18 --key anna.key",
            "gridlight-fleet rollback v18 --dry-run --key anna.key",
        ),
    )
    add_desk(parser)
    parser.add_argument("version", metavar="VERSION")
    parser.add_argument("--key", metavar="FILE", action="append", required=True, help="may be given again")
    parser.add_argument("--waves", metavar="LIST", default="100%", help="default: 100%%")
    parser.add_argument("--expires", metavar="SPAN", default="7d", help="default: 7d")
    parser.add_argument(
        "--without-clock", action="store_true", help="for devices that do not know the time, too"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and send nothing")
    parser.add_argument("--detach", action="store_true", help="do not wait for the end")


def _push(args: argparse.Namespace) -> int:
    from deploy.operator.pushing import push

    return push(args)


def _status(args: argparse.Namespace) -> int:
    from deploy.operator.showing import status

    return status(args)


def _control(args: argparse.Namespace) -> int:
    from deploy.operator.controlling import control
    from deploy.operator.rollout.engine import Step

    return control(args, Step[args.command.upper()])


def _rollback(args: argparse.Namespace) -> int:
    from deploy.operator.controlling import rollback

    return rollback(args)
