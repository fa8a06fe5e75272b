"""Devices on the operator's side: expected, enrolled or revoked, what they are, and what they said last."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from deploy.broker.authority import ends_ms
from deploy.operator.desk.database import Database
from firmware_app.console import CommandError, Exit
from firmware_app.fleet.selector import DeviceFacts, Selector, release_of, selects
from light_client.rules.errors import LightClientError

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,58}")


class State(StrEnum):
    """Where a device is in its life."""

    EXPECTED = "expected"
    """Known here; it has no certificate yet."""
    ENROLLED = "enrolled"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device.

    Raises:
        CommandError: a field cannot be.
    """

    name: str
    state: State = State.EXPECTED
    board: str = ""
    feeder: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    firmware: str = "0"
    certificate: bytes | None = None
    """PEM."""
    certificate_until_ms: int | None = None
    """When it ends, UTC ms; None where it was granted before the desk kept that."""
    next_certificate: bytes | None = None
    """Granted, and not used yet."""
    next_request: bytes | None = None
    """Hash of the request that it answers."""
    online: bool = False
    online_since_ms: int | None = None
    heard_ms: int | None = None
    """When anything came from it last, UTC ms by the desk's clock; None for never."""
    hash: str = ""
    """Of the bundle that it runs by, hexadecimal; empty for the document it was provisioned with."""
    next_hash: str = ""
    failed_hash: str = ""
    key_set: int = 0
    version: int = 0
    phase: str = ""
    problem: str = ""
    """What keeps it from being well; empty if it is well or has not said."""
    reported: Mapping[str, Any] = field(default_factory=dict)
    desired: bytes = b""
    """Hash of the bundle that lies in its topic."""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise CommandError(
                f"got the device {self.name!r}, expected small letters, digits and dashes, up to 59",
                code=Exit.USAGE,
            )
        try:
            release_of(self.firmware)
        except LightClientError as error:
            raise CommandError(f"{self.name}: {error}", code=Exit.USAGE) from None
        if not 0 <= self.feeder < 1 << 31:
            raise CommandError(
                f"{self.name}: got the feeder {self.feeder}, expected 0 or more", code=Exit.USAGE
            )

    @property
    def facts(self) -> DeviceFacts:
        """What selectors ask."""
        return DeviceFacts(
            name=self.name,
            board=self.board,
            release=release_of(self.firmware),
            feeder=self.feeder,
            labels=self.labels,
        )


_COLUMNS: Final = tuple(Device.__dataclass_fields__)


class Devices:
    """The table. Whoever writes has begun a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, device: Device, now_ms: int) -> None:
        """Put a new device down.

        Raises:
            CommandError: it is there already.
        """
        if self.find(device.name):
            raise CommandError(
                f"{device.name} is known already", hint=f"gridlight-fleet status {device.name}"
            )
        self._database.run(
            "INSERT INTO devices (name, state, board, feeder, labels, firmware, added_ms, changed_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(device.name, device.state, device.board, device.feeder),
                json.dumps(dict(device.labels), sort_keys=True),
                *(device.firmware, now_ms, now_ms),
            ),
        )

    def change(self, name: str, now_ms: int, **columns: Any) -> None:
        """Write columns of one device."""
        names = ", ".join(f"{column} = ?" for column in columns)
        self._database.run(
            f"UPDATE devices SET {names}, changed_ms = ? WHERE name = ?",  # noqa: S608 - names of our own
            (*columns.values(), now_ms, name),
        )

    def find(self, name: str) -> Device | None:
        """One device, or None."""
        row = self._database.row(f"SELECT {', '.join(_COLUMNS)} FROM devices WHERE name = ?", (name,))  # noqa: S608
        return None if row is None else _device(row)

    def named(self, name: str) -> Device:
        """One device.

        Raises:
            CommandError: there is none of this name.
        """
        found = self.find(name)
        if found is None:
            raise CommandError(f"there is no device {name!r}", hint="gridlight-fleet status", code=Exit.USAGE)
        return found

    def all(self) -> list[Device]:
        """All devices by name."""
        found = self._database.rows(f"SELECT {', '.join(_COLUMNS)} FROM devices ORDER BY name")  # noqa: S608
        return [_device(row) for row in found]

    def selected(self, target: Selector) -> list[Device]:
        """Those that a bundle is for, without the revoked ones."""
        return [
            device
            for device in self.all()
            if device.state is not State.REVOKED and selects(target, device.facts)
        ]

    def put_desired(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Remember what lies in topics."""
        self._database.run_many(
            "UPDATE devices SET desired = ? WHERE name = ?", ((desired, name) for name, desired in rows)
        )

    # -- joining and leaving ---------------------------------------------------------------------------------------

    def expect(self, name: str, token: bytes, until_ms: int) -> None:
        """A device may come with this token, once, until then. It is a secret: the file is its owner's alone."""
        self._database.run(
            "UPDATE devices SET token = ?, token_until_ms = ?, request = NULL WHERE name = ?",
            (token, until_ms, name),
        )

    def expected(self, now_ms: int) -> dict[str, tuple[bytes, bytes]]:
        """Device -> its token, and the hash of the request that it was granted for or nothing."""
        found = self._database.rows(
            "SELECT name, token, request FROM devices WHERE token_until_ms > ?", (now_ms,)
        )
        return {row["name"]: (row["token"], row["request"] or b"") for row in found if row["token"]}

    def enrol(self, name: str, certificate: bytes, request: bytes, now_ms: int) -> None:
        """A device has its certificate."""
        self.change(
            name,
            now_ms,
            state=State.ENROLLED,
            certificate=certificate,
            certificate_until_ms=ends_ms(certificate),
            next_certificate=None,
            next_request=None,
            request=request,
        )

    def spend_tokens(self, now_ms: int) -> list[str]:
        """Forget tokens whose device has come with its certificate, or whose time is over; returns whose."""
        which = "token IS NOT NULL AND (token_until_ms <= ? OR (state = ? AND online = 1 AND request IS NOT NULL))"
        values = (now_ms, State.ENROLLED)
        found = self._database.rows(f"SELECT name FROM devices WHERE {which}", values)  # noqa: S608 - the text above
        names = [row["name"] for row in found]
        self._database.run_many(
            "UPDATE devices SET token = NULL, token_until_ms = NULL WHERE name = ?",
            ((name,) for name in names),
        )
        return names


def _device(row: sqlite3.Row) -> Device:
    fields = dict(row)
    fields["state"] = State(fields["state"])
    fields["labels"] = json.loads(fields["labels"])
    fields["online"] = bool(fields["online"])
    fields["reported"] = json.loads(fields["reported"]) if fields["reported"] else {}
    for name in ("hash", "next_hash", "failed_hash", "phase", "problem"):
        fields[name] = fields[name] or ""
    for name in ("key_set", "version"):
        fields[name] = fields[name] or 0
    return Device(**fields)
