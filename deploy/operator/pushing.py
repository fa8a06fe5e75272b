"""`push`: a change becomes a signed bundle, is tried on every document that is known, and is rolled out in waves."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.operator import attaching, files, keys
from deploy.operator.authoring import fresh_bundle
from deploy.operator.desk.devices import Device
from deploy.operator.desk.folder import Desk, open_desk, whoever
from deploy.operator.desk.papers import Paper
from deploy.operator.following import follow
from deploy.operator.overview import is_silent
from deploy.operator.reviewing import check_bundle, line_of, row_of
from firmware_app.console import CommandError, Console, Exit
from firmware_app.fleet.attachment import Attachment
from firmware_app.fleet.bundle import Delta, bundle_from_bytes
from firmware_app.fleet.change import difference
from firmware_app.fleet.envelope import Envelope, Kind
from firmware_app.fleet.selector_text import selector_text
from firmware_app.fleet.verification import check_schema, document_of
from light_client.rules.errors import RuleViolation

_SCHEMA: Final = "gridlight.fleet.push/1"
_SHOWN_DEVICES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a bundle does to devices that share a document."""

    devices: tuple[str, ...]
    rows: tuple[dict[str, Any], ...] = ()
    """Key by key."""
    refusal: str = ""
    """Why they would refuse it; empty if they would not."""


def push(args: argparse.Namespace) -> int:
    """Sign if need be, look at what would happen, and begin."""
    console: Console = args.console
    desk = open_desk(Path(args.desk))
    try:
        paper, attached = _paper(args, desk)
        devices = desk.devices.selected(paper.bundle.target)
        effects, unknown = effects_of(desk, paper, devices)
        _say(console, paper, devices, effects, unknown, dry=args.dry_run)
        refused = [effect for effect in effects if effect.refusal]
        if refused:
            names = ", ".join(_some(tuple(name for effect in refused for name in effect.devices)))
            raise CommandError(
                f"{names} would refuse it: {refused[0].refusal}", hint="change the file, or the --target"
            )
        if not devices:
            raise CommandError("no device matches the target", hint="gridlight-fleet status")
        if args.dry_run:
            console.note("nothing was sent: this was a dry run")
            return Exit.OK
        for attachment, path in attached.items():
            desk.attachments.keep(attachment, path)
        number = begin(desk, paper, devices)
        if args.detach or console.json:
            _note_service(console, desk, paper.bundle.version)
            return Exit.OK
        return follow(console, desk, number)
    finally:
        desk.close()


def _paper(args: argparse.Namespace, desk: Desk) -> tuple[Paper, dict[Attachment, Path]]:
    """The signed bundle that the arguments ask for, and what it brings; every rule that needs no device holds."""
    key_set = desk.papers.key_set()
    secrets = [keys.read_secret(Path(name)) for name in args.key]
    if args.file == "-" or args.file.endswith(".toml"):
        args.version = args.version or desk.papers.next_version(key_set.version)
        envelope = fresh_bundle(args, key_set)
    else:
        envelope = files.read_signed(Path(args.file))
        if envelope.kind is not Kind.BUNDLE:
            raise CommandError(
                f"{args.file} is a key set", hint="gridlight-fleet keys install", code=Exit.USAGE
            )
        if args.firmware or args.genesis:
            raise CommandError(f"{args.file} is signed already: nothing can be attached", code=Exit.USAGE)
    paper = checked_paper(desk, envelope.signed(key_set.fleet_id, secrets))
    attached = attaching.given(args) or attaching.beside(paper.bundle, Path(args.file))
    return paper, attached


def checked_paper(desk: Desk, envelope: Envelope, undoes: bytes | None = None) -> Paper:
    """A bundle as the desk keeps it.

    Raises:
        CommandError: a rule is broken that every device would ask.
    """
    key_set = desk.papers.key_set()
    try:
        bundle = bundle_from_bytes(envelope.body)
        check_bundle(envelope, bundle, key_set)
    except RuleViolation as error:
        raise CommandError(
            f"no device would take it: {error}", hint="gridlight-fleet verify --help"
        ) from None
    return Paper(hash=envelope.hash(key_set.fleet_id), raw=envelope.encode(), bundle=bundle, undoes=undoes)


def effects_of(desk: Desk, paper: Paper, devices: Sequence[Device]) -> tuple[list[Effect], list[str]]:
    """What the bundle does to the devices, those of one document together; and those of which none is known."""
    groups, unknown = desk.documents.groups([device.name for device in devices])
    found: list[Effect] = []
    for group in groups:
        try:
            after = document_of(paper.bundle, group.document)
            check_schema(after)
            rows = tuple(row_of(change, group.document) for change in difference(group.document, after))
            found.append(Effect(devices=group.devices, rows=rows))
        except RuleViolation as error:
            found.append(Effect(devices=group.devices, refusal=str(error)))
    return found, unknown


def begin(
    desk: Desk,
    paper: Paper,
    devices: Sequence[Device],
    *,
    who: str = "",
    what: str = "push",
    now_ms: int | None = None,
) -> int:
    """Write the bundle and its rollout down; the service takes it from there. Returns the rollout's number.

    Args:
        who: decided; the account that runs this if not given.
        what: for the audit.
        now_ms: UTC ms; the machine's clock if not given.

    Raises:
        CommandError: its version is not new, or another rollout is not finished.
    """
    now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    bundle = paper.bundle
    with desk.database.transaction():
        desk.papers.add(paper, now_ms)
        number = desk.rollouts.begin(paper, devices, now_ms)
        detail = {
            "version": bundle.version,
            "key_set": bundle.key_set,
            "hash": paper.hash.hex(),
            "target": selector_text(bundle.target),
            "devices": len(devices),
            "waves": [wave.devices or f"{wave.permille / 10:g}%" for wave in bundle.plan.waves],
            "undoes": paper.undoes.hex() if paper.undoes else None,
        }
        desk.audit.add(now_ms, who or whoever(), what, detail)
    return number


# -- what is said ------------------------------------------------------------------------------------------------------


def _say(
    console: Console,
    paper: Paper,
    devices: Sequence[Device],
    effects: Sequence[Effect],
    unknown: Sequence[str],
    *,
    dry: bool,
) -> None:
    bundle = paper.bundle
    have = sum(device.hash == paper.hash.hex() for device in devices)
    now_ms = time.time_ns() // 1_000_000
    silent = sum(device.heard_ms is not None and is_silent(device, now_ms) for device in devices)
    strange = sum(device.heard_ms is None for device in devices)
    document = {
        "version": bundle.version,
        "key_set": bundle.key_set,
        "hash": paper.hash.hex(),
        "target": selector_text(bundle.target),
        "devices": len(devices),
        "have_it": have,
        "silent": silent,
        "never_connected": strange,
        "dry_run": dry,
        "effects": [
            {"devices": list(effect.devices), "changes": list(effect.rows), "refusal": effect.refusal or None}
            for effect in effects
        ],
        "documents_unknown": list(unknown),
        "attachments": [
            {"use": one.use.name.lower(), "name": one.root.hex(), "bytes": one.size}
            for one in bundle.attachments
        ],
    }
    match = f"{console_count(len(devices), 'meter')} match {selector_text(bundle.target)!r}"
    when = "(catch up when they come)" if silent or strange else ""
    have_it = f"{have} have it already, {silent} silent over 24 h, {strange} never connected yet {when}"
    lines = [f"version {bundle.version}   {match}: {have_it}".rstrip()]
    lines += attaching.attachment_lines(bundle.attachments)
    for effect in effects:
        lines += ["", f"{console_count(len(effect.devices), 'meter')}: {', '.join(_some(effect.devices))}"]
        lines += [f"  {line_of(row)}" for row in effect.rows]
        if effect.refusal:
            lines.append(f"  would refuse it: {effect.refusal}")
        elif not effect.rows:
            lines.append("  nothing changes")
    if unknown:
        lines += [
            "",
            f"{console_count(len(unknown), 'meter')} whose document is not known: {', '.join(_some(unknown))}",
        ]
        lines += [f"  {line}" for line in _named(paper)]
    console.result(_SCHEMA, document, lines)


def _named(paper: Paper) -> list[str]:
    """What the bundle names, where the old values are not known."""
    content = paper.bundle.content
    if not isinstance(content, Delta):
        return ["the whole document is replaced"]
    return [line_of({**row_of(change, {}), "sign": "~", "old": "?"}) for change in content.changes]


def console_count(count: int, noun: str) -> str:
    """Such as ``1 meter`` or ``412 meters``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _some(names: Sequence[str]) -> list[str]:
    """The first few, and how many more."""
    more = len(names) - _SHOWN_DEVICES
    return [*names[:_SHOWN_DEVICES], *([f"{more} more"] if more > 0 else [])]


def _note_service(console: Console, desk: Desk, version: int) -> None:
    console.note(f"next: gridlight-fleet status v{version} --watch")
    if not desk.is_served:
        console.warn("nobody serves this desk: the rollout begins with gridlight-fleet serve")
