"""Arguments of `gridlight status` and `gridlight doctor`. What they do is loaded when they run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from firmware_app.command_line import CommandParser, Commands, add_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from firmware_app.status.checks import Check
    from firmware_app.status.local import Looks

STATES: Final = ("unprovisioned", "waiting for clock", "syncing", "trading", "degraded", "halted")
"""States of the lifecycle that can be waited for."""
_CHECKS: Final = (
    "service",
    "board",
    "clock",
    "meter",
    "counter",
    "battery",
    "network",
    "witness",
    "ledger",
    "store",
    "keys",
    "config",
    "forecast",
    "parts",
)
_STORE: Final = "/var/lib/gridlight"


def add_parsers(commands: Commands) -> None:
    """Add `status` and `doctor`."""
    _add_status(commands)
    _add_doctor(commands)


def _add_socket(parser: CommandParser) -> None:
    parser.add_argument(
        "--socket",
        metavar="PATH",
        help="of the running service; default: $GRIDLIGHT_SOCKET, or /run/gridlight",
    )


def _add_status(commands: Commands) -> None:
    parser = add_command(
        commands,
        "status",
        "Show how the device fares: what it does, what is proven, what is wrong.",
        _status,
        examples=(
            "gridlight status",
            "gridlight status --watch",
            "gridlight status --wait trading --timeout 120",
        ),
    )
    parser.add_argument("--watch", action="store_true", help="show it again and again, until Ctrl-C")
    parser.add_argument("--wait", choices=STATES, metavar="STATE", help="until the device is in this state")
    parser.add_argument(
        "--timeout", type=float, metavar="S", default=120.0, help="of --wait, seconds; default: 120"
    )
    parser.add_argument("--strict", action="store_true", help="end with 1 on a warning too")
    _add_socket(parser)


def _add_doctor(commands: Commands) -> None:
    parser = add_command(
        commands,
        "doctor",
        "Find what is wrong with the device, or with one meter's wiring, and name the next step.",
        _doctor,
        examples=(
            "gridlight doctor",
            "gridlight doctor --only clock --only meter",
            "gridlight doctor --port /dev/ttyUSB0 --profile eastron-sdm630 --address 3",
            "gridlight doctor --bundle support.tar.gz   # redacted, and listed before it is written",
        ),
    )
    parser.add_argument(
        "--only", action="append", choices=_CHECKS, metavar="ID", help="this check; may be given again"
    )
    parser.add_argument("--bundle", metavar="FILE", help="write an archive for support")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="what to go by where no service runs; default: /etc/gridlight/gridlight.toml",
    )
    _add_socket(parser)
    from firmware_app.meters.cli import add_line

    parser.add_argument("--profile", metavar="P", help="of the meter that should be there")
    add_line(parser)


def _looks(document: str | None = None) -> Looks:
    from functools import partial
    from pathlib import Path

    from firmware_app.config.check import DEFAULT_FILE
    from firmware_app.management.view import look
    from firmware_app.status.local import looks

    path = Path(document) if document else DEFAULT_FILE
    return looks(Path(_STORE), partial(look, path), partial(_closely, path))


def _closely(path: Path) -> Mapping[str, Callable[[], Iterator[Check]]]:
    """Loads the meters, which `status` and a doctor who is answered do without."""
    from firmware_app.status.closely import closely

    return closely(path)


def _status(args: argparse.Namespace) -> int:
    from firmware_app.status.show import run

    return run(args, _looks())


def _doctor(args: argparse.Namespace) -> int:
    from firmware_app.status.doctor import run

    return run(args, _looks(args.config))
