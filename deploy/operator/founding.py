"""`init`: a desk for a fleet, with everything that its broker runs from."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deploy.broker.authority import Authority, Role
from deploy.broker.folder import replace_file, write_broker
from deploy.broker.settings import BrokerSettings
from deploy.operator import files, keys
from deploy.operator.desk.folder import DESK_NAME, Desk, make_desk, open_desk, whoever
from firmware_app.console import CommandError, Console, Exit
from firmware_app.fleet.envelope import Envelope, Kind
from firmware_app.fleet.key_set import KeySet, Signers
from firmware_app.fleet.key_set import Role as KeyRole
from firmware_app.fleet.topics import Topics
from light_client.rules.errors import LocalError

_SCHEMA: Final = "gridlight.fleet.init/1"
LONE_KEY: Final = "operator"
MOSQUITTO_USER: Final = "mosquitto"
"""As Debian's package has it."""


def init(args: argparse.Namespace) -> int:
    """Make the desk's folder, its authority, its broker's folder, and keys where none were named."""
    console: Console = args.console
    folder = Path(args.desk)
    make_desk(folder, host=args.host, port=args.port, enrol_port=args.enrol_port)
    desk = open_desk(folder)
    try:
        envelope = files.read_signed(Path(args.key_set)) if args.key_set else _lone_key_set(folder)
        key_set = files.key_set_of(envelope, args.key_set or "the new key set")
        now_ms = time.time_ns() // 1_000_000
        with desk.database.transaction():
            desk.papers.add_key_set(key_set.version, envelope, now_ms)
            detail = {
                "fleet": key_set.fleet_id.hex(),
                "key_set": key_set.version,
                "audit_key": desk.audit.public_key.hex(),
            }
            desk.audit.add(now_ms, whoever(), "init", detail)
        _write_broker(desk, key_set, args)
    finally:
        desk.close()
    configuration = desk.broker_folder / "mosquitto.conf"
    document = {
        "desk": str(folder),
        "fleet": key_set.fleet_id.hex(),
        "broker": str(desk.broker_folder),
        "key": None if args.key_set else str(folder / f"{LONE_KEY}.key"),
        "audit_key": desk.audit.public_key.hex(),
    }
    lines = [
        f"desk    {folder}",
        f"fleet   {key_set.fleet_id.hex()}",
        f"broker  mosquitto -c {configuration}",
    ]
    if not args.key_set:
        lines.append(
            f"key     {folder / LONE_KEY}.key signs everything: enough to try things, see docs/operators.md for more"
        )
    console.result(_SCHEMA, document, lines)
    console.note(f"next: gridlight-fleet enroll meter-0001 --desk {folder}")
    return Exit.OK


def _lone_key_set(folder: Path) -> Envelope:
    """A first key set of one key for everything: the fleet's first minutes."""
    _, _, public = keys.make_key(folder, LONE_KEY)
    alone = Signers(threshold=1, keys=(public,))
    key_set = KeySet(roles=tuple(alone for _ in KeyRole))
    return Envelope(kind=Kind.KEY_SET, body=key_set.encode(), signatures=())


def _write_broker(desk: Desk, key_set: KeySet, args: argparse.Namespace) -> None:
    now, broker = datetime.now(UTC), desk.settings.broker
    out = desk.broker_folder.absolute()
    data = out / "data" if args.local else Path("/var/lib/mosquitto")
    try:
        settings = BrokerSettings(
            folder=out,
            data_folder=data,
            bind="127.0.0.1" if args.local else "0.0.0.0",  # noqa: S104 - devices come from everywhere
            port=broker.port,
            enrol_port=broker.enrol_port,
            devices=args.devices,
            user=whoever().partition("@")[0] if args.local else MOSQUITTO_USER,
        )
        authority = Authority.create(desk.authority_folder, key_set.fleet_id, now)
        hosts = dict.fromkeys((broker.host, *(("localhost", "127.0.0.1") if args.local else ())))
        write_broker(out, settings, Topics(key_set.fleet_id), authority, hosts, now)
        if args.local:
            data.mkdir(mode=0o700, exist_ok=True)
        credential = authority.client(DESK_NAME, Role.OPERATOR, now)
    except LocalError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    name = f"{Role.OPERATOR}{DESK_NAME}"
    replace_file(desk.authority_folder / f"{name}.key", credential.key)
    replace_file(desk.authority_folder / f"{name}.crt", credential.certificate)
