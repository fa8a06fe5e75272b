"""`broker`: everything that a broker runs from, in one folder, and the operator's own certificate."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deploy.broker.authority import Authority, Role
from deploy.broker.folder import replace_file, write_broker
from deploy.broker.settings import BrokerSettings
from deploy.operator import files
from firmware_app.console import CommandError, Console, Exit
from firmware_app.fleet.topics import Topics
from light_client.rules.errors import LocalError

_SCHEMA: Final = "gridlight.fleet.broker/1"


def broker(args: argparse.Namespace) -> int:
    """Write a broker's folder; make the fleet's authority and the operators' certificates where there are none."""
    console: Console = args.console
    key_set = files.read_key_set(Path(args.key_set))
    out, folder, now = Path(args.out), Path(args.authority), datetime.now(UTC)
    try:
        settings = BrokerSettings(
            folder=Path(args.installed or out.absolute()),
            data_folder=Path(args.data_folder),
            bind=args.bind,
            port=args.port,
            enrol_port=args.enrol_port,
            devices=args.devices,
            operators=tuple(args.operator or ("desk",)),
            watchers=tuple(args.watcher),
            user=args.user,
        )
        is_new = not (folder / "authority.key").exists()
        authority = Authority.create(folder, key_set.fleet_id, now) if is_new else Authority.load(folder)
        written = write_broker(out, settings, Topics(key_set.fleet_id), authority, args.host, now)
        for role, names in ((Role.OPERATOR, settings.operators), (Role.WATCHER, settings.watchers)):
            for name in names:
                _write_credential(folder, authority, name, role, now)
    except LocalError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be written: {error.strerror}") from None
    people = [*settings.operator_names, *settings.watcher_names]
    document = {
        "folder": str(out),
        "files": [path.name for path in written],
        "authority": str(folder),
        "authority_is_new": is_new,
        "certificates": people,
        "port": settings.port,
        "enrol_port": settings.enrol_port or None,
    }
    lines = [
        f"broker     {out}   {len(written)} files for {settings.devices} devices, port {settings.port}",
        f"authority  {folder}   {'made now: keep it, and a copy' if is_new else 'as it was'}",
        f"people     {', '.join(f'{name}.crt' for name in people)}   with their keys beside the authority",
    ]
    console.result(_SCHEMA, document, lines)
    console.note(f"next: mosquitto -c {out / 'mosquitto.conf'}   (as a service: docs/broker.md)")
    return Exit.OK


def _write_credential(folder: Path, authority: Authority, name: str, role: Role, now: datetime) -> None:
    if (folder / f"{role}{name}.crt").exists():
        return
    credential = authority.client(name, role, now)
    replace_file(folder / f"{role}{name}.key", credential.key)
    replace_file(folder / f"{role}{name}.crt", credential.certificate)
