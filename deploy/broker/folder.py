"""The folder that a broker runs from: everything written for it, and nothing that it must not see.

What changes from day to day are three files: tokens, the revocation list, and who is shut out. The broker takes them
up when it is reloaded (SIGHUP, ``systemctl reload mosquitto``), and no connection of another device is touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from deploy.broker.access import enrolment_rights, rights, token_file, without
from deploy.broker.authority import Authority, ends_ms, hosts_of
from deploy.broker.settings import BrokerSettings, configuration, service_drop_in
from firmware_app.fleet.topics import Topics

SERVER: Final = "server.crt"
"""The broker's own certificate."""
_RIGHTS: Final = "devices.acl"
_TOKENS: Final = "tokens"
_SECRET: Final = frozenset({"server.key", _TOKENS})


def write_broker(
    out: Path,
    settings: BrokerSettings,
    topics: Topics,
    authority: Authority,
    hosts: Iterable[str],
    now: datetime,
) -> tuple[Path, ...]:
    """Write what a broker runs from; returns the files.

    A server's key and the tokens that are there already stay, if they are of this authority: writing the folder again
    for other rights or bounds disturbs no device.

    Args:
        out: where to write; `settings.folder` is where the broker will find it.
        hosts: names and addresses that devices reach it by.
    """
    out.mkdir(mode=0o750, parents=True, exist_ok=True)
    files: dict[str, bytes] = {
        "mosquitto.conf": configuration(settings).encode(),
        "gridlight.conf": service_drop_in(settings).encode(),
        "enrolment.acl": enrolment_rights(topics).encode(),
        _RIGHTS: rights(topics, settings.operator_names, settings.watcher_names).encode(),
    }
    if not _is_of(out, authority):
        server = authority.server(tuple(hosts), now)
        files |= {"server.key": server.key, SERVER: server.certificate, _TOKENS: b""}
    files["authority.crt"] = authority.certificate
    for name, data in files.items():
        replace_file(out / name, data)
    write_revoked(out, authority)
    return tuple(sorted(path for path in out.iterdir() if path.is_file()))


def renew_server(out: Path, authority: Authority, now: datetime, before: timedelta) -> bool:
    """Give the broker another key and certificate where its own ends soon; returns whether it has to be reloaded."""
    present = (out / SERVER).read_bytes()
    if ends_ms(present) > (now + before).timestamp() * 1_000:
        return False
    server = authority.server(hosts_of(present), now)
    replace_file(out / "server.key", server.key)
    replace_file(out / SERVER, server.certificate)
    return True


def write_tokens(out: Path, tokens: Mapping[str, str]) -> None:
    """Say which one-time tokens are waited for, name of the device -> token, in place of those before."""
    replace_file(out / _TOKENS, token_file(tokens).encode())


def write_revoked(out: Path, authority: Authority, shut_out: Iterable[str] = ()) -> None:
    """Hand the broker the revocation list, and say which devices' open connections are worth nothing any more."""
    replace_file(out / "revoked.crl", authority.revoked_list)
    present = (out / _RIGHTS).read_text(encoding="ascii")
    replace_file(out / _RIGHTS, without(present, shut_out).encode())


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file as a whole; what is secret is open to its owner alone from its first byte on."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    mode = 0o600 if path.name in _SECRET or path.suffix == ".key" else 0o644
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    fresh.replace(path)


def _is_of(out: Path, authority: Authority) -> bool:
    present = out / "authority.crt"
    return present.exists() and present.read_bytes() == authority.certificate
