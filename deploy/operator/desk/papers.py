"""Key sets and bundles: what the desk has been given to send, in the order it was given."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from deploy.operator.desk.database import Database
from firmware_app.console import CommandError, Exit
from firmware_app.fleet.bundle import Bundle, bundle_from_bytes
from firmware_app.fleet.envelope import Envelope, read_envelope
from firmware_app.fleet.key_set import KeySet, key_set_from_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A signed bundle."""

    hash: bytes
    raw: bytes
    """The envelope's bytes."""
    bundle: Bundle
    undoes: bytes | None = None
    """Hash of the bundle that this one takes back."""


class Papers:
    """The tables. Whoever writes has begun a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def key_set(self) -> KeySet:
        """The key set in force.

        Raises:
            CommandError: there is none.
        """
        found = self.key_sets()
        if not found:
            raise CommandError(
                "this desk has no key set", hint="gridlight-fleet init --help", code=Exit.USAGE
            )
        return key_set_from_bytes(read_envelope(found[-1][1]).body)

    def key_sets(self) -> list[tuple[int, bytes]]:
        """Version and envelope of all key sets, oldest first."""
        found = self._database.rows("SELECT version, envelope FROM key_sets ORDER BY version")
        return [(row["version"], row["envelope"]) for row in found]

    def add_key_set(self, version: int, envelope: Envelope, now_ms: int) -> None:
        """Put the next key set down."""
        self._database.run("INSERT INTO key_sets VALUES (?, ?, ?)", (version, envelope.encode(), now_ms))

    def next_version(self, key_set: int) -> int:
        """The first version that no bundle under this key set has."""
        row = self._database.row("SELECT max(version) AS most FROM bundles WHERE key_set = ?", (key_set,))
        return 1 if row is None or row["most"] is None else int(row["most"]) + 1

    def newest(self) -> tuple[int, int]:
        """Key set and version of the newest bundle, zeros before the first: a new device takes none up to it."""
        row = self._database.row("SELECT key_set, version FROM bundles ORDER BY key_set DESC, version DESC")
        return (0, 0) if row is None else (row["key_set"], row["version"])

    def add(self, paper: Paper, now_ms: int) -> None:
        """Put a bundle down.

        Raises:
            CommandError: its version is not higher than that of all before.
        """
        bundle = paper.bundle
        least = self.next_version(bundle.key_set)
        if bundle.version < least:
            raise CommandError(
                f"version of the bundle: got {bundle.version}, expected {least} or more: devices take no older one",
                hint="sign it anew with a higher --version",
            )
        self._database.run(
            "INSERT INTO bundles VALUES (?, ?, ?, ?, ?, ?)",
            (paper.hash, bundle.key_set, bundle.version, paper.raw, paper.undoes, now_ms),
        )

    def paper(self, name: bytes) -> Paper:
        """One bundle by its hash.

        Raises:
            CommandError: there is none.
        """
        row = self._database.row("SELECT hash, envelope, undoes FROM bundles WHERE hash = ?", (name,))
        if row is None:
            raise CommandError(f"this desk has no bundle {name.hex()}")
        return _paper(row)

    def papers(self) -> dict[bytes, Paper]:
        """All bundles by their hash."""
        found = self._database.rows("SELECT hash, envelope, undoes FROM bundles ORDER BY key_set, version")
        return {row["hash"]: _paper(row) for row in found}

    def of_version(self, version: int) -> Paper:
        """The newest bundle of this version.

        Raises:
            CommandError: there is none.
        """
        row = self._database.row(
            "SELECT hash, envelope, undoes FROM bundles WHERE version = ? ORDER BY key_set DESC", (version,)
        )
        if row is None:
            raise CommandError(
                f"this desk has no version {version}", hint="gridlight-fleet status", code=Exit.USAGE
            )
        return _paper(row)


def _paper(row: sqlite3.Row) -> Paper:
    bundle = bundle_from_bytes(read_envelope(row["envelope"]).body)
    return Paper(hash=row["hash"], raw=row["envelope"], bundle=bundle, undoes=row["undoes"])
