"""The command `gridlight`: what an integrator or an owner types on the board."""

import argparse
import sys
from collections.abc import Sequence

from firmware_app import command_line
from firmware_app.command_line import Commands, Parser
from firmware_app.console import Console, Exit
from firmware_app.version import VERSION


def build_parser() -> tuple[Parser, Commands]:
    """Return the parser with all commands of the device."""
    parser, commands = command_line.program(
        "gridlight",
        "The trading smart meter: reads the meter, trades, and verifies every trade itself.",
        examples=("gridlight version",),
    )
    command_line.add_command(
        commands,
        "version",
        "Show the release, the Python it runs on and the library that checks signatures.",
        show_version,
        examples=("gridlight version", "gridlight version --json"),
    )
    return parser, commands


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
