"""`gridlight-testbed join`: emulated meters join a fleet by their tickets, and take what their operator pushes."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Final

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit

_SCHEMA: Final = "gridlight.join/1"
_SAY_S: Final = 1.0


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "join",
        "Let emulated meters join an operator's fleet by their tickets, until Ctrl-C.",
        run,
        examples=("gridlight-testbed join meter-0001.ticket meter-0002.ticket meter-0003.ticket",),
    )
    parser.add_argument("ticket", metavar="TICKET", nargs="+", help="of `gridlight-fleet enroll`")
    parser.add_argument("--folder", metavar="FOLDER", default="meters", help="of the meters; default: meters")
    parser.add_argument(
        "--patience", type=int, default=60, metavar="S", help="for a certificate; default: 60"
    )


def run(args: argparse.Namespace) -> int:
    """Join, and live on."""
    from firmware_app.management.credentials import CredentialsError
    from firmware_app.management.joining import JoiningError
    from light_client.rules.errors import RuleViolation
    from testbed.rollout.joining import crowd_at, joined, read_ticket

    console: Console = args.console
    try:
        tickets = [read_ticket(Path(name)) for name in args.ticket]
        seats = []
        for ticket in tickets:
            seats.append(joined(Path(args.folder), ticket, timeout_s=args.patience))
            console.note(f"{ticket.device} has its certificate")
    except (OSError, RuleViolation, JoiningError, CredentialsError) as error:
        raise CommandError(str(error), hint="gridlight-fleet serve must run, and its broker") from None
    crowd = crowd_at(seats, tickets[0])
    said, said_s = "", 0.0
    try:
        while True:
            crowd.turn()
            if time.monotonic() - said_s < _SAY_S:
                continue
            said_s = time.monotonic()
            counts = dict(sorted(crowd.counts().items()))
            line = f"{crowd.connected} of {len(seats)} connected; configuration: " + ", ".join(
                f"{count} {word}" for word, count in counts.items()
            )
            if line != said:
                said = line
                console.result(_SCHEMA, {"connected": crowd.connected, "counts": counts}, [line])
    except KeyboardInterrupt:
        return Exit.OK
    finally:
        crowd.close()
