"""From command-line arguments to a meter at a port; every mistake is one sentence that names the next step."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from firmware_app.console import CommandError, Exit
from meter_io.errors import MeterError
from meter_io.ports.address import Line, PortAddress
from meter_io.profiles import load
from meter_io.profiles.model import ModbusMap, Profile, SunSpecMap, TelegramForm
from meter_io.pulse.counter import PulseInput
from meter_io.wiring import Wiring

_LAST_ADDRESS: Final = 255
_DIGITS: Final = 3


@contextmanager
def meter_errors() -> Iterator[None]:
    """Turn what goes wrong with a meter into the end of the command."""
    try:
        yield
    except MeterError as error:
        raise CommandError(error.sentence, hint=error.hint) from error


def profile_of(name: str) -> Profile:
    """Return a profile by name or path."""
    with meter_errors():
        return load.find(name)


def address_of(text: str) -> PortAddress:
    """Return the port that people mean."""
    with meter_errors():
        return PortAddress.parse(text)


def line_of(args: argparse.Namespace, line: Line) -> Line:
    """Return a line with what the arguments say instead."""
    try:
        return Line(
            baud=line.baud if args.baud is None else args.baud,
            parity=line.parity if args.parity is None else args.parity,
            stop_bits=line.stop_bits,
            data_bits=line.data_bits,
        )
    except ValueError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None


def wiring_of(args: argparse.Namespace) -> Wiring:
    """Return what `--profile`, `--port`, `--address`, `--baud` and `--parity` say."""
    profile = profile_of(args.profile)
    if isinstance(profile.form, PulseInput):
        raise CommandError(
            f"{profile.title} is a wire and no bus", hint=f"gridlight read --profile {args.profile} --port X"
        )
    unit = args.address
    if unit is None:
        unit = profile.form.address if isinstance(profile.form, ModbusMap | SunSpecMap) else 0
    address = address_of(args.port)
    least, most = (
        (1, 247) if address.kind == "serial" and not isinstance(profile.form, TelegramForm) else (0, 255)
    )
    if not least <= unit <= most:
        raise CommandError(
            f"an address on this port is {least} to {most}, got {unit}",
            hint=f"gridlight scan --port {address.text} finds it",
            code=Exit.USAGE,
        )
    return Wiring(profile=profile, address=address, line=line_of(args, profile.line), unit=unit)


def addresses_of(text: str) -> tuple[int, ...]:
    """Read `1,5,10-20`."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        ends = (first, last if dash else first)
        numbers = [int(end) for end in ends if end.isascii() and end.isdecimal() and len(end) <= _DIGITS]
        if len(numbers) < len(ends) or not numbers[0] <= numbers[1] <= _LAST_ADDRESS:
            raise CommandError(f"addresses look like 1,5,10-20, got {part.strip()[:40]!r}", code=Exit.USAGE)
        found += range(numbers[0], numbers[1] + 1)
    return tuple(dict.fromkeys(found))


def in_a_folder(option: str, name: str | None) -> Path | None:
    """Return the file that an option names, None if it names none; its folder has to be there already."""
    if name is None:
        return None
    path = Path(name)
    if path.is_dir() or not path.parent.is_dir():
        missing = f"{name} is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise CommandError(
            f"{option} cannot be kept: {missing}",
            hint=f"give {option} a file in a folder that exists",
            code=Exit.USAGE,
        )
    return path
