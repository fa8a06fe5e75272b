"""`gridlight-testbed version`: what a report of an experiment has to name to be repeated."""

import argparse
import sys
from importlib import metadata
from typing import Final

from firmware_app.command_line import Commands, add_command
from firmware_app.console import Console, Exit
from firmware_app.version import VERSION

_LIBRARIES: Final = ("numpy", "scipy", "ortools", "coincurve", "cryptography", "ecdsa")
"""Those whose release may change a result or a measured time."""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    add_command(
        commands,
        "version",
        "Show the release and the libraries that results and times depend on.",
        run,
        examples=("gridlight-testbed version", "gridlight-testbed version --json"),
    )


def run(args: argparse.Namespace) -> int:
    """Print the release, Python and the libraries found."""
    console: Console = args.console
    python = ".".join(map(str, sys.version_info[:3]))
    libraries = {name: _release(name) for name in _LIBRARIES}
    console.result(
        "gridlight.testbed-version/1",
        {"version": VERSION, "python": python, "libraries": libraries},
        [
            f"gridlight {VERSION}, Python {python}",
            *(f"  {name:<13} {release or 'not installed'}" for name, release in libraries.items()),
        ],
    )
    return Exit.OK


def _release(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
