"""Arguments of the commands that deal with meters. What they do is loaded when they run."""

import argparse
from typing import Final

from firmware_app.command_line import CommandParser, Commands, add_command
from firmware_app.console import CommandError, Exit

_PORT_HELP: Final = "/dev/serial/by-id/NAME, tcp://HOST or rtu+tcp://HOST:PORT"


def add_parsers(commands: Commands) -> None:
    """Add `read`, `scan` and `profiles`."""
    _add_read(commands)
    _add_scan(commands)
    _add_profiles(commands)


def add_line(parser: CommandParser) -> None:
    """Add what says where a meter is."""
    parser.add_argument("--port", metavar="X", help=_PORT_HELP)
    parser.add_argument("--address", type=int, metavar="N", help="the slave's; the profile's if not given")
    parser.add_argument("--baud", type=int, metavar="N", help="the profile's if not given")
    parser.add_argument("--parity", choices=("N", "E", "O"), help="the profile's if not given")


def _add_read(commands: Commands) -> None:
    parser = add_command(
        commands,
        "read",
        "Read a meter and show what it says.",
        _read,
        examples=(
            "gridlight read                 # via the running service, which owns the ports",
            "gridlight read --profile eastron-sdm630 --port /dev/ttyUSB0",
            "gridlight read --profile ./mine.toml --port tcp://10.0.0.7 --once --json",
            "gridlight read --profile p1-dsmr5 --port /dev/ttyUSB0 --key-file p1.key --state p1.seen",
            "gridlight read --profile ./pulses.toml --port /dev/gpiochip0:17 --state pulses.total",
        ),
    )
    parser.add_argument("--meter", metavar="NAME", help="of those that the service reads; the first")
    parser.add_argument("--socket", metavar="PATH", help="of the running service")
    parser.add_argument("--profile", metavar="P", help="a name, or a file of your own")
    add_line(parser)
    parser.add_argument("--once", action="store_true", help="one reading, then end")
    parser.add_argument("--count", type=int, metavar="N", help="so many readings, then end")
    parser.add_argument("--interval", type=float, metavar="S", default=1.0, help="seconds; default: 1")
    parser.add_argument("--key-file", metavar="FILE", help="keys of an encrypted P1 port, in hex")
    parser.add_argument(
        "--state", metavar="FILE", help="keeps the total of pulses, or the counter of an encrypted P1 port"
    )
    parser.add_argument(
        "--history", metavar="FILE", help="judge by what was read before, and keep what is read now"
    )
    parser.add_argument(
        "--accept",
        action="store_true",
        help="with --history: the meter or its scale is new, its next reading is the first",
    )


def _add_scan(commands: Commands) -> None:
    parser = add_command(
        commands,
        "scan",
        "Find meters: ports, speeds, addresses and models.",
        _scan,
        examples=(
            "gridlight scan",
            "gridlight scan --port /dev/ttyUSB0 --addresses 1-247",
            "gridlight scan --port tcp://10.0.0.7 --profile abb-b23   # is it this model?",
        ),
    )
    parser.add_argument("--port", metavar="X", help=f"all serial ports if not given; {_PORT_HELP}")
    parser.add_argument("--addresses", metavar="LIST", help="such as 1,5,10-20; default: 1-16")
    parser.add_argument("--baud", type=int, metavar="N", help="only this speed")
    parser.add_argument("--parity", choices=("N", "E", "O"), help="only this parity")
    parser.add_argument("--profile", metavar="P", help="only this model; say why if it is another")
    parser.add_argument("--reply-ms", type=int, metavar="MS", default=250, help="default: 250")
    parser.add_argument(
        "--socket", metavar="PATH", help="of the running service, whose ports are not scanned"
    )


def _add_profiles(commands: Commands) -> None:
    parser = add_command(
        commands,
        "profiles",
        "List the meter models that are known, or show one.",
        _profiles,
        examples=(
            "gridlight profiles",
            "gridlight profiles eastron      # those with this in their name",
            "gridlight profiles ./mine.toml  # check a file of your own",
        ),
    )
    parser.add_argument(
        "name", nargs="?", default="", metavar="NAME", help="a profile, a part of its name, a file"
    )
    parser.add_argument("--source", action="store_true", help="print the file itself, to copy and change")


def _read(args: argparse.Namespace) -> int:
    if not args.port and not args.profile:
        from firmware_app.meters.relayed import run as run_relayed

        return run_relayed(args)
    if not (args.port and args.profile) or args.meter or args.socket:
        raise CommandError(
            "a meter is read at --port with --profile, or by the running service with neither",
            hint="gridlight read --help",
            code=Exit.USAGE,
        )
    from firmware_app.meters.read import run

    return run(args)


def _scan(args: argparse.Namespace) -> int:
    from firmware_app.meters.scan import run

    return run(args)


def _profiles(args: argparse.Namespace) -> int:
    from firmware_app.meters.profiles import run

    return run(args)
