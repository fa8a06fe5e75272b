"""What each device runs by, as far as the desk can know: documents it was given, and what bundles made of them.

A document is kept once for all devices that share it, without the section that is each device's own; so a question
about ten thousand devices is asked of the few documents that differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from deploy.operator.desk.database import Database
from deploy.operator.desk.papers import Paper
from firmware_app.fleet.document import Tree, canonical, read_canonical
from firmware_app.fleet.ownership import DEVICE
from firmware_app.fleet.verification import document_of
from light_client.rules.crypto import tagged_hash
from light_client.rules.errors import RuleViolation

_TAG = "gridlight/desk-document/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Devices with the same document."""

    hash: bytes
    document: Tree
    """With the own section of the first of them."""
    devices: tuple[str, ...]


class Documents:
    """The tables. Whoever writes has begun a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._made: dict[tuple[bytes, bytes], bytes | None] = {}

    def keep(self, device: str, document: Tree) -> None:
        """Remember what a device runs by.

        Raises:
            RuleViolation: FLT-02: it is no document.
        """
        name = self._put({key: value for key, value in document.items() if key != DEVICE})
        own = canonical(document.get(DEVICE, {}))
        self._database.run("UPDATE devices SET document = ?, own = ? WHERE name = ?", (name, own, device))

    def _put(self, shared: Tree) -> bytes:
        body = canonical(shared)
        name = tagged_hash(_TAG, body)
        self._database.run("INSERT OR IGNORE INTO documents VALUES (?, ?)", (name, body))
        return name

    def name_of(self, device: str) -> bytes:
        """Hash of what a device runs by; empty where it is not known."""
        row = self._database.row("SELECT document FROM devices WHERE name = ?", (device,))
        return b"" if row is None or row["document"] is None else bytes(row["document"])

    def of(self, device: str) -> Tree | None:
        """What a device runs by, or None."""
        row = self._database.row(
            "SELECT body, own FROM devices JOIN documents ON documents.hash = document WHERE name = ?",
            (device,),
        )
        return None if row is None else {**read_canonical(row["body"]), DEVICE: read_canonical(row["own"])}

    def named(self, name: bytes) -> Tree:
        """The document of a hash, without anybody's own section."""
        row = self._database.row("SELECT body FROM documents WHERE hash = ?", (name,))
        return {} if row is None else read_canonical(row["body"])

    def groups(self, devices: Collection[str]) -> tuple[list[Group], list[str]]:
        """Devices by what they run by, the largest group first; and those of which it is not known."""
        members: dict[bytes, list[str]] = defaultdict(list)
        unknown: list[str] = []
        chosen = set(devices)
        for row in self._database.rows("SELECT name, document FROM devices ORDER BY name"):
            if row["name"] in chosen:
                (unknown if row["document"] is None else members[row["document"]]).append(row["name"])
        groups = [
            Group(hash=name, document=self.of(names[0]) or {}, devices=tuple(names))
            for name, names in members.items()
        ]
        return sorted(groups, key=lambda group: (-len(group.devices), group.devices)), unknown

    def follow(self, device: str, paper: Paper) -> bytes:
        """A device keeps a bundle: work out what it runs by now; returns the hash of what it ran by before."""
        before = self.name_of(device)
        if not before:
            return b""
        if (paper.hash, before) not in self._made:
            self._made[paper.hash, before] = self._after(paper, before)
        after = self._made[paper.hash, before]
        self._database.run("UPDATE devices SET document = ? WHERE name = ?", (after, device))
        return before

    def _after(self, paper: Paper, before: bytes) -> bytes | None:
        try:
            return self._put(document_of(paper.bundle, self.named(before)))
        except RuleViolation:  # it took what does not fit: then what we believed of it was wrong
            return None
