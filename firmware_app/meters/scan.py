"""`gridlight scan`: who is on which port, and which profile fits."""

import argparse
from typing import Any, Final

from firmware_app.console import CommandError, Console, Exit, Paint, Progress
from firmware_app.meters.served import at, line, served_meters
from firmware_app.meters.target import address_of, addresses_of, profile_of
from firmware_app.status.snapshot import MeterView
from meter_io.errors import MeterError
from meter_io.ports.address import Line, PortAddress
from meter_io.ports.names import serial_ports
from meter_io.profiles import load
from meter_io.profiles.model import ModbusMap, Profile, SunSpecMap, TelegramForm
from meter_io.pulse.counter import PulseInput
from meter_io.survey import BAUDS, PARITIES, Found, Noted, Plan, survey

_SCHEMA: Final = "gridlight.scan/1"
_SERIAL_UNITS: Final = tuple(range(1, 17))
_TCP_UNITS: Final = (1, 255, 0, 2, 3, 4, 5, 126, 240, 247)
"""Where devices behind TCP are found: most at 1 or 255; SunSpec inverters at 126, their meters at 240."""


def run(args: argparse.Namespace) -> int:
    """Look at every port; 1 if nothing was found, or not what was asked for."""
    console: Console = args.console
    if not 20 <= args.reply_ms <= 10_000:
        raise CommandError(f"--reply-ms is 20 to 10000, got {args.reply_ms}", code=Exit.USAGE)
    wanted = profile_of(args.profile) if args.profile else None
    if wanted is not None and isinstance(wanted.form, TelegramForm | PulseInput):
        raise CommandError(
            f"{wanted.title} is not found by its address",
            hint=f"gridlight read --profile {args.profile} --port PORT",
        )
    profiles = [wanted] if wanted else _polled_profiles()
    addresses, taken = _free(console, args, _addresses(args))
    plans = [_plan(args, address) for address in addresses]
    found: list[Found] = []
    problems: list[MeterError] = []
    for plan in plans:
        console.note(
            f"{plan.address.text}: {plan.steps} questions at most, {_duration(plan.at_most_s)} at most"
        )
        try:
            found += _look(console, plan, profiles)
        except MeterError as error:
            problems.append(error)
            if len(plans) > 1:
                console.warn(error.sentence)
    if problems and not found:
        raise CommandError(problems[0].sentence, hint=problems[0].hint)
    _print(console, plans, found, wanted, taken)
    good = [meter for meter in found if meter.right]
    return Exit.OK if good or taken else Exit.FAILED


def _free(
    console: Console, args: argparse.Namespace, addresses: list[PortAddress]
) -> tuple[list[PortAddress], list[MeterView]]:
    """Ports that may be scanned, and the meters at those that may not, since the running service owns them."""
    served = served_meters(args.socket)
    held = [address for address in addresses if at(served, address)]
    for address in held:
        console.note(f"{address.text}: the running service owns it; it is asked, not scanned")
    taken = [meter for address in held for meter in at(served, address)]
    return [address for address in addresses if address not in held], taken


def _polled_profiles() -> list[Profile]:
    profiles = [load.find(name) for name in load.shipped()]
    return [profile for profile in profiles if isinstance(profile.form, ModbusMap | SunSpecMap)]


def _addresses(args: argparse.Namespace) -> list[PortAddress]:
    if args.port:
        return [address_of(args.port)]
    ports = serial_ports()
    if not ports:
        raise CommandError(
            "there is no serial port on this board",
            hint="plug an adapter in, or give --port tcp://HOST for a meter in the network",
        )
    return [PortAddress.parse(str(port)) for port in ports]


def _plan(args: argparse.Namespace, address: PortAddress) -> Plan:
    serial = address.kind == "serial"
    units = addresses_of(args.addresses) if args.addresses else _SERIAL_UNITS if serial else _TCP_UNITS
    bauds = (args.baud,) if args.baud else BAUDS
    parities = (args.parity,) if args.parity else PARITIES
    try:
        lines = tuple(Line(baud=baud, parity=parity) for baud in bauds for parity in parities)
    except ValueError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    return Plan(
        address=address,
        lines=lines if serial else (Line(),),
        units=units,
        reply_ms=args.reply_ms,
        listen=not (args.baud or args.parity or args.profile),
    )


def _look(console: Console, plan: Plan, profiles: list[Profile]) -> list[Found]:
    found = []
    with console.progress("scan", total=plan.steps, unit="questions") as progress:
        for event in survey(plan, profiles):
            if isinstance(event, Found):
                found.append(event)
            else:
                _note(console, progress, event)
    return found


def _note(console: Console, progress: Progress, event: Noted) -> None:
    if event.kind == "warning":
        console.warn(event.text)
    else:
        progress.advance(event.steps, event.text)


def _duration(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min {seconds % 60} s"


def _print(
    console: Console,
    plans: list[Plan],
    found: list[Found],
    wanted: Profile | None,
    taken: list[MeterView],
) -> None:
    word = console.paint("read", Paint.GREEN)
    lines = [f"{word}   {line(meter)}\n  next: gridlight read --meter {meter.name}" for meter in taken]
    for plan in plans:
        here = [meter for meter in found if meter.address == plan.address]
        strangers = [] if wanted else [meter for meter in here if not meter.right]
        for meter in here:
            if meter.right or len(strangers) < 2:
                lines += _meter_lines(console, meter, wanted)
        if len(strangers) > 1:
            lines += _stranger_lines(console, plan, strangers)
    if plans and not found:
        ports = ", ".join(plan.address.text for plan in plans)
        lines.append(f"no meter answered on {ports}")
        lines.append(
            "  next: gridlight doctor --port PORT checks the wiring; --addresses 1-247 asks every address"
        )
    document = {
        "ports": [plan.address.text for plan in plans],
        "meters": [_document(meter) for meter in found],
        "served": [
            {"meter": meter.name, "port": meter.port, "model": meter.model, "quality": meter.quality}
            for meter in taken
        ],
    }
    console.result(_SCHEMA, document, lines)


def _place(meter: Found) -> str:
    line = f" {meter.line}" if meter.address.kind == "serial" else ""
    return f"{meter.address.text}{line}" + ("" if meter.unit is None else f" address {meter.unit}")


def _meter_lines(console: Console, meter: Found, wanted: Profile | None) -> list[str]:
    if not meter.right:
        lines = [
            f"{console.paint('unknown', Paint.YELLOW)}  {_place(meter)}: it answers, and no profile fits"
        ]
        reasons = meter.refused if wanted else meter.refused[:3]
        lines += [f"  not {name}: {why}" for name, why in reasons]
        more = len(meter.refused) - len(reasons)
        lines += [f"  and {more} others; --json lists why"] if more else []
        return [
            *lines,
            "  next: write a profile of your own (docs/meters.md), then gridlight profiles FILE checks it",
        ]
    word = console.paint("found", Paint.GREEN) if meter.sure else console.paint("likely", Paint.YELLOW)
    others = f"; the same registers fit {', '.join(meter.right[1:])}" if len(meter.right) > 1 else ""
    return [f"{word}  {_place(meter)}: {meter.model}{others}", f"  next: {_command(meter)}"]


def _stranger_lines(console: Console, plan: Plan, strangers: list[Found]) -> list[str]:
    """Several that no profile fits, in one breath: many gateways answer for addresses that nobody has."""
    units = ", ".join(str(meter.unit) for meter in strangers)
    word = console.paint("unknown", Paint.YELLOW)
    return [
        f"{word}  {plan.address.text}: {len(strangers)} addresses answer, and no profile fits: {units}",
        "  a gateway may answer for addresses that nobody has; --json says why each profile was refused",
        "  next: gridlight scan --addresses N looks at one of them alone",
    ]


def _command(meter: Found) -> str:
    words = [f"gridlight read --profile {meter.right[0]} --port {meter.address.text}"]
    if meter.unit is not None:
        words.append(f"--address {meter.unit}")
    if meter.address.kind == "serial":
        words.append(f"--baud {meter.line.baud} --parity {meter.line.parity}")
    return " ".join(words)


def _document(meter: Found) -> dict[str, Any]:
    return {
        "port": meter.address.text,
        "baud": meter.line.baud if meter.address.kind == "serial" else None,
        "parity": meter.line.parity if meter.address.kind == "serial" else None,
        "address": meter.unit,
        "model": meter.model or None,
        "profile": meter.right[0] if meter.right else None,
        "sure": meter.sure,
        "also_possible": list(meter.right[1:]),
        "refused": [{"profile": name, "why": why} for name, why in meter.refused],
        "command": _command(meter) if meter.right else None,
    }
