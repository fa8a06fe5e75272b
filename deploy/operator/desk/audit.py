"""Who did what, in a chain: each entry names the hash of the one before it, and the newest hash is signed.

An entry's hash is `H("gridlight/fleet-audit/1", hash before, canonical (seq, at_ms, who, what, detail))`. Whoever
changes, takes out, puts in or moves an entry breaks the chain at that place. Whoever cuts off the end meets the
signed head; whoever puts back an older file with its head meets a head that somebody noted elsewhere (`audit export`).
The signing key lies in the desk's folder: who has that and the file can write another story, but not the one that
somebody noted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from deploy.operator.desk.database import Database
from light_client.rules.crypto import HASH_BYTES, public_key_of, sign, tagged_hash, verify
from light_client.rules.encoding import encode

_TAG: Final = "gridlight/fleet-audit/1"
_HEAD_TAG: Final = "gridlight/fleet-audit-head/1"
START: Final = bytes(HASH_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the audit."""

    seq: int
    """From 1, without gaps."""
    at_ms: int
    """UTC ms by the desk's clock."""
    who: str
    what: str
    """Such as ``push``."""
    detail: str
    """JSON, keys ascending."""
    hash: bytes

    def hash_after(self, before: bytes) -> bytes:
        """What its hash must be."""
        return tagged_hash(
            _TAG,
            before,
            encode((self.seq, self.at_ms, self.who.encode(), self.what.encode(), self.detail.encode())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of the chain."""

    seq: int = 0
    hash: bytes = START
    signature: bytes = b""

    @property
    def message(self) -> bytes:
        """What is signed."""
        return tagged_hash(_HEAD_TAG, encode((self.seq, self.hash)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong, and where it begins."""

    seq: int
    sentence: str


class Audit:
    """The chain in the desk's file."""

    def __init__(self, database: Database, secret: bytes) -> None:
        self._database = database
        self._secret = secret

    @property
    def public_key(self) -> bytes:
        """Of the head's signature."""
        return public_key_of(self._secret)

    def add(self, at_ms: int, who: str, what: str, detail: Mapping[str, Any]) -> None:
        """Append an entry, inside the transaction of what it tells of."""
        head = self.head()
        text = json.dumps(detail, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        entry = Entry(seq=head.seq + 1, at_ms=at_ms, who=who, what=what, detail=text, hash=START)
        name = entry.hash_after(head.hash)
        self._database.run(
            "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?)", (entry.seq, at_ms, who, what, text, name)
        )
        fresh = Head(seq=entry.seq, hash=name)
        self._database.run(
            "INSERT OR REPLACE INTO audit_head VALUES (1, ?, ?, ?)",
            (fresh.seq, fresh.hash, sign(self._secret, fresh.message)),
        )

    def head(self) -> Head:
        """The signed end, as it is written."""
        row = self._database.row("SELECT seq, hash, signature FROM audit_head")
        return Head() if row is None else Head(seq=row["seq"], hash=row["hash"], signature=row["signature"])

    def entries(self, since: int = 1, most: int = -1) -> list[Entry]:
        """Entries in their order."""
        found = self._database.rows("SELECT * FROM audit WHERE seq >= ? ORDER BY seq LIMIT ?", (since, most))
        return [_entry(row) for row in found]

    def newest(self, most: int) -> list[Entry]:
        """The newest, newest first."""
        return [
            _entry(row)
            for row in self._database.rows("SELECT * FROM audit ORDER BY seq DESC LIMIT ?", (most,))
        ]

    def check(self, noted: Head | None = None) -> Finding | None:
        """Walk the chain; what is wrong, or None."""
        return check_chain(self.entries(since=-(1 << 62)), self.head(), self.public_key, noted)


def _entry(row: sqlite3.Row) -> Entry:
    return Entry(**{name: row[name] for name in ("seq", "at_ms", "who", "what", "detail", "hash")})


def check_chain(
    entries: Iterable[Entry], head: Head, public_key: bytes, noted: Head | None = None
) -> Finding | None:
    """Find where a chain is broken first.

    Args:
        entries: all of them, as they stand in the file.
        head: the signed end.
        public_key: whose signature the end must bear.
        noted: an end that was written down elsewhere, earlier.
    """
    before, last, seen_noted = START, 0, noted is None or noted.seq == 0
    for entry in entries:
        if entry.seq != last + 1:
            gone = f"{last + 1} to {entry.seq - 1}" if entry.seq > last + 2 else f"{last + 1}"
            sentence = f"entry {gone} is gone" if entry.seq > last else f"entry {entry.seq} is out of place"
            return Finding(seq=min(last + 1, entry.seq), sentence=sentence)
        if entry.hash_after(before) != entry.hash:
            return Finding(
                seq=entry.seq,
                sentence=f"entry {entry.seq} is not what it was, or one before it was put in or taken out",
            )
        if noted is not None and entry.seq == noted.seq:
            if entry.hash != noted.hash:
                return Finding(
                    seq=entry.seq,
                    sentence=f"entry {entry.seq} is not the one that was noted: history was written anew",
                )
            seen_noted = True
        before, last = entry.hash, entry.seq
    return _check_head(last, before, head, public_key) or (
        None
        if seen_noted or noted is None
        else Finding(seq=last + 1, sentence=f"entries {last + 1} to {noted.seq} were noted and are gone")
    )


def _check_head(last: int, before: bytes, head: Head, public_key: bytes) -> Finding | None:
    if head.seq == 0 and last == 0:
        return None
    if head.seq != last:
        cut = head.seq > last
        sentence = (
            f"the end is cut off: entries {last + 1} to {head.seq} are gone"
            if cut
            else f"entries {head.seq + 1} to {last} were put in behind the signed end"
        )
        return Finding(seq=min(last, head.seq) + 1, sentence=sentence)
    if head.hash != before:
        return Finding(seq=last, sentence=f"the signed end names another entry {last}")
    if not verify(public_key, head.signature, head.message):
        return Finding(seq=last, sentence="the end is not signed by the desk's key")
    return None
