"""Arguments of `gridlight fleet`. What it does is loaded when it runs."""

from __future__ import annotations

import argparse

from firmware_app.command_line import CommandParser, Commands, add_command
from firmware_app.console import CommandError, Exit


def add_parsers(commands: Commands) -> None:
    """Add `fleet`."""
    parser = add_command(
        commands,
        "fleet",
        "Show how the pushed configuration stands, or take one over from a file.",
        _fleet,
        examples=(
            "gridlight fleet show",
            "gridlight fleet apply /media/stick/gridlight/v7.bundle",
            "gridlight fleet show --json",
        ),
    )
    parser.add_argument("action", choices=("show", "apply"), metavar="ACTION", help="show or apply")
    parser.add_argument("bundle", metavar="BUNDLE", nargs="?", help="of apply: a signed bundle or key set")
    parser.add_argument(
        "--config", dest="file", metavar="FILE", help="default: /etc/gridlight/gridlight.toml"
    )
    parser.add_argument(
        "--timeout", type=float, metavar="S", default=900.0, help="of apply, seconds; default: 900"
    )
    parser.add_argument(
        "--socket",
        metavar="PATH",
        help="of the running service; default: $GRIDLIGHT_SOCKET, or /run/gridlight",
    )


def add_joining(parser: CommandParser) -> None:
    """Add to `enroll` what makes the device one of a fleet."""
    parser.add_argument("--ticket", metavar="FILE", help="besides, join the fleet of this ticket")
    parser.add_argument(
        "--request", action="store_true", help="besides, write a certificate request for the fleet's operator"
    )
    parser.add_argument(
        "--timeout", type=float, metavar="S", default=60.0, help="of --ticket, seconds; default: 60"
    )


def _fleet(args: argparse.Namespace) -> int:
    from firmware_app.management import commands

    if (args.action == "apply") is not (args.bundle is not None):
        word = "needs a BUNDLE" if args.action == "apply" else "takes no BUNDLE"
        raise CommandError(f"fleet {args.action} {word}", hint="gridlight fleet --help", code=Exit.USAGE)
    return commands.apply(args) if args.action == "apply" else commands.show(args)
