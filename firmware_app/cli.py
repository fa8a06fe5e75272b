"""The command `gridlight`: what an integrator or an owner types on the board."""

import argparse
import sys
from collections.abc import Sequence

from firmware_app import command_line
from firmware_app.command_line import Commands, Parser
from firmware_app.console import Console, Exit
from firmware_app.management import cli as management
from firmware_app.meters import cli as meters
from firmware_app.status import cli as status
from firmware_app.version import VERSION


def build_parser() -> tuple[Parser, Commands]:
    """Return the parser with all commands of the device."""
    parser, commands = command_line.program(
        "gridlight",
        "The trading smart meter: reads the meter, trades, and verifies every trade itself.",
        examples=(
            "gridlight run --check",
            "gridlight status",
            "gridlight scan",
            "gridlight read --profile eastron-sdm630 --port /dev/ttyUSB0",
        ),
    )
    command_line.add_command(
        commands,
        "version",
        "Show the release, the Python it runs on and the library that checks signatures.",
        show_version,
        examples=("gridlight version", "gridlight version --json"),
    )
    _add_run(commands)
    _add_enroll(commands)
    status.add_parsers(commands)
    management.add_parsers(commands)
    meters.add_parsers(commands)
    _add_decode(commands)
    return parser, commands


def _add_run(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "run",
        "Be the meter: read, trade, verify; until told to stop.",
        run,
        examples=(
            "gridlight run   # with /etc/gridlight/gridlight.toml",
            "gridlight run --check ./device.toml",
            "gridlight run --example > device.toml",
        ),
    )
    parser.add_argument("file", metavar="FILE", nargs="?", help="default: /etc/gridlight/gridlight.toml")
    parser.add_argument("--check", action="store_true", help="say whether the file holds together, and end")
    parser.add_argument(
        "--example", action="store_true", help="print a file with every key explained, and end"
    )


def _add_enroll(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "enroll",
        "Make this device's keys, once, and the request that the grid operator registers it by.",
        enroll,
        examples=(
            "gridlight enroll",
            "gridlight enroll ./device.toml --json",
            "gridlight enroll --ticket /media/stick/meter-0101.ticket   # besides, join a fleet",
        ),
    )
    parser.add_argument("file", metavar="FILE", nargs="?", help="default: /etc/gridlight/gridlight.toml")
    management.add_joining(parser)


def run(args: argparse.Namespace) -> int:
    """Run the device, check its configuration, or show an example of one."""
    from firmware_app.config import commands

    if args.example:
        return commands.show_example(args.console)
    if args.check:
        return commands.show_check(args)
    from firmware_app.run import run as run_device

    return run_device(args)


def enroll(args: argparse.Namespace) -> int:
    """Make keys and request; then join a fleet, if that is asked for."""
    from firmware_app.config import commands

    if args.ticket is None and not args.request:
        return commands.enroll(args)
    from firmware_app.management import commands as management_commands

    commands.ensure_keys(args)
    return management_commands.joining(args)


def _add_decode(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "decode",
        "Decode what a meter sent, from a file of captured bytes.",
        decode,
        examples=(
            "gridlight decode --protocol sml capture.bin",
            "gridlight decode --protocol p1 encrypted.bin --key-file p1.key --json",
            "gridlight decode --protocol iec62056-21 -   # from a pipe; hex text is understood",
        ),
    )
    parser.add_argument("file", metavar="FILE", help="captured bytes or hex text; - for stdin")
    parser.add_argument("--protocol", choices=("sml", "p1", "iec62056-21"), required=True)
    parser.add_argument("--key-file", metavar="FILE", help="keys of an encrypted P1 port, in hex")
    parser.add_argument("--anonymous", action="store_true", help="leave out serial numbers and texts")


def decode(args: argparse.Namespace) -> int:
    """Print what captured bytes of a meter say."""
    from firmware_app.decode import run

    return run(args)


def show_version(args: argparse.Namespace) -> int:
    """Print the release and what it depends on for its safety."""
    from light_client.rules import crypto

    console: Console = args.console
    python = ".".join(map(str, sys.version_info[:3]))
    document = {"version": VERSION, "python": python, "platform": sys.platform, "crypto": crypto.BACKEND.name}
    console.result(
        "gridlight.version/1",
        document,
        [f"gridlight {VERSION}", f"Python {python} on {sys.platform}, signatures by {crypto.BACKEND.name}"],
    )
    return Exit.OK


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command `gridlight`."""
    parser, commands = build_parser()
    return command_line.main(parser, commands, argv)
