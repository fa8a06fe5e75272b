"""`enroll` and `revoke`: who belongs to the fleet. A device gets a ticket; no secret of its own ever comes here."""

from __future__ import annotations

import argparse
import csv
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deploy.broker.authority import Authority
from deploy.operator import files
from deploy.operator.authoring import span_ms
from deploy.operator.desk.devices import Device, State
from deploy.operator.desk.folder import Desk, open_desk, whoever
from deploy.operator.serving.enrolment import hand_over_revoked, reload_broker, write_expected
from firmware_app.console import CommandError, Console, Exit
from firmware_app.fleet.document import Tree
from firmware_app.fleet.enrolling import TOKEN_BYTES, Ticket
from firmware_app.fleet.verification import check_schema
from light_client.rules.errors import LocalError, RuleViolation

_ENROLL: Final = "gridlight.fleet.enroll/1"
_REVOKE: Final = "gridlight.fleet.revoke/1"
_COLUMNS: Final = ("name", "feeder", "board", "firmware", "labels", "document", "request")


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """A device that is to be enrolled, and what is known of it."""

    device: Device
    document: Tree | None = None
    request: bytes = b""
    """Its certificate request (PEM), where its key was made before."""


def enroll(args: argparse.Namespace) -> int:
    """Enrol one device or a whole list of them."""
    console: Console = args.console
    desk = open_desk(Path(args.desk))
    try:
        newcomers = list(_from_csv(Path(args.csv)) if args.csv else _from_arguments(args))
        if not newcomers:
            raise CommandError(f"{args.csv} names no device", code=Exit.USAGE)
        out = Path(args.out or ("tickets" if args.csv else "."))
        tickets = _enrol(desk, newcomers, out, span_ms("--token-for", args.token_for), again=args.again)
        write_expected(desk, _now_ms())
        told = reload_broker(desk) or desk.is_served
    finally:
        desk.close()
    document = {
        "devices": [
            {"device": newcomer.device.name, "ticket": str(ticket), "has_token": not newcomer.request}
            for newcomer, ticket in zip(newcomers, tickets, strict=True)
        ]
    }
    lines = [
        f"{newcomer.device.name:<16} {ticket}" for newcomer, ticket in zip(newcomers, tickets, strict=True)
    ]
    console.result(
        _ENROLL, document, lines if len(lines) <= 20 else [*lines[:20], f"and {len(lines) - 20} more"]
    )
    if not told and any(not newcomer.request for newcomer in newcomers):
        console.note(
            "a broker that runs already reads new tokens when it is reloaded: systemctl reload mosquitto,"
            " or [broker] reload in desk.toml"
        )
    console.note(
        f"next: on the device, gridlight enroll --ticket {tickets[0].name}; a ticket with a token is a secret"
    )
    return Exit.OK


def _from_arguments(args: argparse.Namespace) -> Iterator[Newcomer]:
    if not args.name or (args.request and len(args.name) > 1):
        raise CommandError(
            "names or --csv are needed, and one name with --request",
            hint="gridlight-fleet enroll --help",
            code=Exit.USAGE,
        )
    for name in args.name:
        fields = {
            "name": name,
            "feeder": str(args.feeder),
            "board": args.board,
            "firmware": args.firmware,
            "labels": ";".join(args.label),
            "document": args.document or "",
            "request": args.request or "",
        }
        yield _newcomer(fields, Path(), "the arguments")


def _from_csv(path: Path) -> Iterator[Newcomer]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            strange = set(reader.fieldnames or ()) - set(_COLUMNS)
            if strange or "name" not in (reader.fieldnames or ()):
                raise CommandError(
                    f"{path}: got the columns {', '.join(reader.fieldnames or ())}, expected name and some of"
                    f" {', '.join(_COLUMNS[1:])}",
                    code=Exit.USAGE,
                )
            for row in reader:
                yield _newcomer(
                    {key: row.get(key) or "" for key in _COLUMNS}, path.parent, f"{path}:{reader.line_num}"
                )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"{path} cannot be read: {error}", code=Exit.USAGE) from None


def _newcomer(fields: Mapping[str, str], folder: Path, where: str) -> Newcomer:
    feeder = fields["feeder"] or "0"
    if not feeder.isascii() or not feeder.isdecimal():
        raise CommandError(f"{where}: got the feeder {feeder!r}, expected a number", code=Exit.USAGE)
    labels = dict(_label(word, where) for word in fields["labels"].split(";") if word)
    device = Device(
        name=fields["name"],
        feeder=int(feeder),
        board=fields["board"],
        firmware=fields["firmware"] or "0",
        labels=labels,
    )
    request = files.read_bytes(folder / fields["request"], 1 << 14) if fields["request"] else b""
    return Newcomer(
        device=device, document=_document(fields["document"], folder, device.name), request=request
    )


def _label(word: str, where: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not key or not equals or not value:
        raise CommandError(f"{where}: got the label {word!r}, expected KEY=VALUE", code=Exit.USAGE)
    return key, value


def _document(name: str, folder: Path, device: str) -> Tree | None:
    if not name:
        return None
    tree = files.read_document(folder / name)
    tree = {**tree, "device": {**tree.get("device", {}), "name": device}}
    try:
        check_schema(tree)
    except RuleViolation as error:
        raise CommandError(f"{folder / name}: {error}", code=Exit.USAGE) from None
    return tree


def _enrol(desk: Desk, newcomers: list[Newcomer], out: Path, token_ms: int, *, again: bool) -> list[Path]:
    """Write everything down, and a ticket for each; all of them or none."""
    now_ms = _now_ms()
    authority = Authority.load(desk.authority_folder)
    tickets: list[tuple[str, Ticket]] = []
    spent: list[bytes] = []
    with desk.database.transaction():
        for newcomer in newcomers:
            name = newcomer.device.name
            if again:
                known = desk.devices.named(name)
                spent += filter(None, (known.certificate, known.next_certificate))
                desk.devices.change(
                    name, now_ms, state=State.EXPECTED, certificate=None, next_certificate=None
                )
            else:
                desk.devices.add(newcomer.device, now_ms)
            if newcomer.document is not None:
                desk.documents.keep(name, newcomer.document)
            tickets.append((name, _ticket(desk, authority, newcomer, now_ms, now_ms + token_ms)))
        detail = {"devices": [name for name, _ in tickets][:100], "count": len(tickets), "again": again}
        desk.audit.add(now_ms, whoever(), "enroll", detail)
        paths = [_write_ticket(out, name, ticket) for name, ticket in tickets]
    if spent:  # a device that joins anew leaves its old certificate behind
        authority.revoke(spent, datetime.fromtimestamp(now_ms / 1_000, UTC))
        _shut_out(desk, authority, now_ms)
    return paths


def _ticket(desk: Desk, authority: Authority, newcomer: Newcomer, now_ms: int, until_ms: int) -> Ticket:
    name, broker = newcomer.device.name, desk.settings.broker
    fields: dict[str, Any] = {
        "device": name,
        "broker": broker.host,
        "port": broker.port,
        "enrol_port": broker.enrol_port,
        "ca_pem": authority.certificate.decode(),
        "key_set": desk.papers.key_set(),
        "floor": desk.papers.newest(),
    }
    if not newcomer.request:
        token = secrets.token_bytes(TOKEN_BYTES)
        desk.devices.expect(name, token, until_ms)
        return Ticket(**fields, token=token)
    try:
        days = desk.settings.certificates.days
        certificate = authority.grant(
            newcomer.request, name, datetime.fromtimestamp(now_ms / 1_000, UTC), days
        )
    except LocalError as error:
        raise CommandError(f"{name}: {error}", code=Exit.USAGE) from None
    desk.devices.enrol(name, certificate, b"", now_ms)
    return Ticket(**fields, certificate_pem=certificate.decode())


def _write_ticket(out: Path, name: str, ticket: Ticket) -> Path:
    path = out / f"{name}.ticket"
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(ticket.to_json())
    except FileExistsError:
        raise CommandError(
            f"{path} is there already, and is not replaced", hint="choose another --out"
        ) from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
    return path


def revoke(args: argparse.Namespace) -> int:
    """Shut devices out: no connection any more, no bundle, no word of theirs is heard."""
    console: Console = args.console
    desk = open_desk(Path(args.desk))
    now_ms = _now_ms()
    try:
        devices = [desk.devices.named(name) for name in args.name]
        authority = Authority.load(desk.authority_folder)
        authority.revoke(
            filter(
                None, (one for device in devices for one in (device.certificate, device.next_certificate))
            ),
            datetime.fromtimestamp(now_ms / 1_000, UTC),
        )
        with desk.database.transaction():
            for device in devices:
                desk.devices.change(
                    device.name, now_ms, state=State.REVOKED, token=None, token_until_ms=None, online=0
                )
                desk.inbox.note(device.name, now_ms, "revoked", args.reason)
            desk.audit.add(now_ms, whoever(), "revoke", {"devices": args.name, "reason": args.reason})
        told = _shut_out(desk, authority, now_ms)
    finally:
        desk.close()
    console.result(
        _REVOKE, {"devices": args.name, "broker_reloaded": told}, [f"revoked  {name}" for name in args.name]
    )
    if not told:
        console.warn(
            "the broker learns of it when it is reloaded: systemctl reload mosquitto, or [broker] reload in desk.toml"
        )
    return Exit.OK


def _shut_out(desk: Desk, authority: Authority, now_ms: int) -> bool:
    if not hand_over_revoked(desk, authority):
        return False
    write_expected(desk, now_ms)
    return reload_broker(desk) or desk.is_served


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
