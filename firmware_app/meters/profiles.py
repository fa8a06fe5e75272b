"""`gridlight profiles`: which meters are known, and what is known of each."""

import argparse
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from firmware_app.console import CommandError, Console, Exit
from firmware_app.meters.target import profile_of
from meter_io.profiles import load
from meter_io.profiles.model import ModbusMap, Profile, SunSpecMap
from meter_io.pulse.counter import PulseInput
from meter_io.reading import JOULES_PER_WH

_SCHEMA: Final = "gridlight.profiles/1"


def run(args: argparse.Namespace) -> int:
    """List, or show one; a file of the user's own is checked by showing it."""
    console: Console = args.console
    name = args.name
    names = load.shipped()
    if name.endswith(".toml") or "/" in name or name in names:
        _show(console, profile_of(name), name, source=args.source)
        return Exit.OK
    chosen = [known for known in names if name.lower() in known]
    if not chosen:
        profile_of(name)  # says which one was meant
    profiles = [load.find(known) for known in chosen]
    if args.source:
        raise CommandError("--source shows one profile", hint=f"gridlight profiles {chosen[0]} --source")
    width = max(len(profile.name) for profile in profiles)
    lines = [
        f"{profile.name:<{width}}  {profile.protocol:<12} {profile.source.verified:<11} {profile.title}"
        for profile in profiles
    ]
    console.result(_SCHEMA, {"profiles": [_brief(profile) for profile in profiles]}, lines)
    return Exit.OK


def _show(console: Console, profile: Profile, name: str, *, source: bool) -> None:
    if source:
        path = Path(name) if "/" in name or name.endswith(".toml") else load.path_of(name)
        text = path.read_text(encoding="utf-8")
        console.result(_SCHEMA, {"profiles": [_brief(profile)], "text": text}, [text.rstrip()])
        return
    lines = [
        f"{profile.name}: {profile.title}",
        f"models     {', '.join(profile.models)} (firmware: {profile.firmware})",
        f"protocol   {profile.protocol}"
        + ("" if isinstance(profile.form, PulseInput) else f", {profile.line} as delivered"),
        f"source     {_source_words(profile)}",
        f"verified   {profile.source.verified}"
        + (f"; beside {', '.join(profile.source.checked_against)}" if profile.source.checked_against else ""),
    ]
    if profile.source.note:
        lines.append(f"           {profile.source.note}")
    if profile.note:
        lines.append(f"note       {profile.note}")
    lines += _form_lines(profile)
    lines += [
        f"counter    {code}: steps of {_wh(counter.resolution_j)}, "
        + (f"0 again after {_wh(counter.modulus_j)}" if counter.modulus_j else "no end known")
        for code, counter in profile.counters.items()
    ]
    lines.append("valid: syntax and meaning; no meter was asked")
    console.result(_SCHEMA, {"profiles": [_brief(profile)]}, lines)


def _wh(joules: int) -> str:
    return f"{Decimal(joules) / JOULES_PER_WH:f} Wh"


def _source_words(profile: Profile) -> str:
    parts = (profile.source.document, profile.source.revision, profile.source.page)
    return ", ".join(part for part in parts if part)


def _form_lines(profile: Profile) -> list[str]:
    form = profile.form
    if isinstance(form, ModbusMap):
        requests = ", ".join(f"0x{block.address:04X}+{block.count}" for block in form.blocks)
        lines = [f"requests   {len(form.blocks)}: {requests}"]
        lines += [
            f"  {register.obis!s:<14} {function.name.lower():<8} 0x{register.address:04X}  {register.kind}"
            f"  {register.unit.value}" + (f" x 10^{register.exponent}" if register.exponent else "")
            for function, register in form.registers
        ]
        return lines
    if isinstance(form, SunSpecMap):
        return [f"models     {', '.join(map(str, form.models))} of the SunSpec map"]
    if isinstance(form, PulseInput):
        return [f"pulses     {form.pulses_per_kwh} per kWh, not shorter than {form.min_pulse_ms} ms"]
    return [f"telegrams  whose identification matches {form.identification.pattern}"]


def _brief(profile: Profile) -> dict[str, Any]:
    source = profile.source
    return {
        "name": profile.name,
        "title": profile.title,
        "protocol": profile.protocol,
        "models": list(profile.models),
        "firmware": profile.firmware,
        "line": str(profile.line),
        "document": source.document,
        "revision": source.revision or None,
        "page": source.page or None,
        "checked_against": list(source.checked_against),
        "verified": source.verified,
        "note": profile.note or None,
    }
