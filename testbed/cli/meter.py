"""`gridlight-testbed meter`: one virtual meter behind a real interface, to be read by anybody."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit

if TYPE_CHECKING:
    from testbed.fleet.virtual_meters.display import Display
    from testbed.fleet.virtual_meters.ends import PtyEnd, TcpEnd
    from testbed.fleet.virtual_meters.running import Clock
    from testbed.fleet.virtual_meters.script import Script
    from testbed.fleet.virtual_meters.speaker import Speaker

_PROFILES = {"p1": "p1-dsmr5", "sml": "sml", "iec62056-21": "iec62056-21"}
_PROTOCOLS = ("modbus-rtu", "modbus-tcp", *_PROFILES)


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "meter",
        "Be one household's meter behind a pty or a TCP port, with accidents on request; Ctrl-C unplugs it.",
        run,
        examples=(
            "gridlight-testbed meter --protocol modbus-rtu          # prints the port to read",
            "gridlight-testbed meter --protocol p1 --speed 60 --fault unplug@600+120",
            "gridlight-testbed meter --protocol sml --fault false-zero@60+30 --fault noise@120+30",
            "gridlight-testbed meter --protocol modbus-tcp --profile eastron-sdm120 --tcp-port 5020",
        ),
    )
    parser.add_argument("--protocol", choices=_PROTOCOLS, required=True, help="which interface")
    parser.add_argument(
        "--profile", default="eastron-sdm630", help="Modbus registers; default: eastron-sdm630"
    )
    parser.add_argument("--address", type=int, default=1, help="Modbus address; default: 1")
    parser.add_argument("--link", type=Path, help="name of the pty; default: in the temporary folder")
    parser.add_argument("--tcp-port", type=int, default=0, metavar="N", help="default: a free one")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND@S[+S]",
        help="what goes wrong at which second of the household's time, and for how long; repeatable",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the household and the noise; default: 1")
    parser.add_argument(
        "--pv", type=int, default=5_000, metavar="W", help="peak of the modules; default: 5000"
    )
    parser.add_argument("--every", type=int, default=10, metavar="S", help="between telegrams; default: 10")
    parser.add_argument("--speed", type=int, default=1, help="of the household's clock; default: 1")
    parser.add_argument("--for", dest="duration", type=float, metavar="S", help="stop after so many seconds")


def run(args: argparse.Namespace) -> int:
    """Say where the meter is, and be one."""
    from testbed.fleet.virtual_meters.display import Display
    from testbed.fleet.virtual_meters.household import Household
    from testbed.fleet.virtual_meters.running import Clock, RunningMeter

    console: Console = args.console
    script = _script(args)
    for flag, got, low, high in (
        ("--address", args.address, 1, 247),
        ("--speed", args.speed, 1, 10_000),
        ("--every", args.every, 1, 300),
        ("--pv", args.pv, 0, 100_000),
        ("--tcp-port", args.tcp_port, 0, 65_535),
    ):
        if not low <= got <= high:
            raise CommandError(f"{flag} is {got}, expected {low} to {high}", code=Exit.USAGE)
    start_ms = int(time.time()) * 1_000
    clock = Clock(start_ms, args.speed)
    household = Household.synthetic(args.seed, start_ms=start_ms - start_ms % 86_400_000, pv_w=args.pv)
    display = Display(household=household, script=script, script_start_ms=start_ms)
    speaker = _speaker(args, display, clock)
    end = _end(args)
    meter = RunningMeter(speaker, end, script, clock, seed=args.seed)
    profile = _PROFILES.get(args.protocol, args.profile)
    facts = {"port": end.name, "protocol": args.protocol, "profile": profile, "speed": args.speed}
    lines = [f"port     {end.name}", f"read it  gridlight read --profile {profile} --port {end.name}"]
    console.result(
        "gridlight.virtual-meter/1", facts, [*lines, *(f"fault    {fault}" for fault in script.faults)]
    )
    until_s = None if args.duration is None else time.monotonic() + args.duration
    try:
        meter.run(lambda: until_s is not None and time.monotonic() >= until_s)
    finally:
        close = getattr(speaker, "close", None)
        if close is not None:
            close()
    return Exit.OK


def _script(args: argparse.Namespace) -> Script:
    from testbed.fleet.virtual_meters.script import Fault, Script

    try:
        return Script(Fault.parse(text) for text in args.fault)
    except ValueError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None


def _end(args: argparse.Namespace) -> PtyEnd | TcpEnd:
    from testbed.fleet.virtual_meters.ends import PtyEnd, TcpEnd

    link = args.link or Path(tempfile.gettempdir()) / f"gridlight-{args.protocol}-{os.getpid()}"
    try:
        return TcpEnd(args.tcp_port) if args.protocol == "modbus-tcp" else PtyEnd(link)
    except OSError as error:
        where = f"port {args.tcp_port}" if args.protocol == "modbus-tcp" else link
        raise CommandError(f"cannot open {where}: {error.strerror}", code=Exit.USAGE) from None


def _speaker(args: argparse.Namespace, display: Display, clock: Clock) -> Speaker:
    import meter_io.profiles
    from testbed.fleet.virtual_meters.iec62056 import Iec62056Meter
    from testbed.fleet.virtual_meters.modbus_slave import Layout
    from testbed.fleet.virtual_meters.p1 import P1Meter
    from testbed.fleet.virtual_meters.sml import SmlMeter

    match args.protocol:
        case "p1":
            return P1Meter(display, every_ms=args.every * 1_000)
        case "sml":
            return SmlMeter(display, every_ms=args.every * 1_000)
        case "iec62056-21":
            return Iec62056Meter(display)
    try:
        from testbed.fleet.virtual_meters.pymodbus_server import PymodbusServer
    except ImportError as error:
        raise CommandError(
            f"a Modbus meter is played by pymodbus' server: {error}", hint="pip install 'pymodbus>=3.16'"
        ) from None
    path = Path(meter_io.profiles.__file__).parent / "data" / f"{args.profile}.toml"
    try:
        layout = Layout.of_profile(path)
    except (OSError, ValueError) as error:
        raise CommandError(f"no Modbus profile {args.profile}: {error}", code=Exit.USAGE) from None
    tcp = args.protocol == "modbus-tcp"
    return PymodbusServer(display, layout, clock, address=args.address, tcp=tcp)
