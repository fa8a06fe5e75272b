"""Store and forward: what the tier or the operator must get stays here until its receiver has acknowledged it.

| promise            | how                                                                                        |
|--------------------|--------------------------------------------------------------------------------------------|
| at least once      | a message is deleted after `delivered`; a power cut may bring back the last ones delivered |
| once, for receivers| `key` is the same in every repetition                                                      |
| in order           | by destination; another destination that is silent holds nobody up                         |
| bounded            | `outbox_mb`; beyond it the oldest leave, with an event, after everything else has left     |
| survives           | restarts, reconnections, another configuration: nothing but `delivered` deletes            |

When to send, and when to try again, is the sender's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from firmware_app.store.database import OUTBOX, Database
from light_client.rules.errors import LocalError
from light_client.store.errors import StoreError

MAX_BODY_BYTES: Final = 64 << 10
"""Largest message, bytes."""
MAX_WAITING_BYTES: Final = 1 << 20
"""Most bytes of messages that wait in memory while the disk cannot be written."""
_MAX_NAME: Final = 200
_COLUMNS: Final = "at_ms, destination, key, kind, body"


class OutboxFullError(StoreError):
    """The disk cannot be written, and the memory for messages is full: this message was not taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something to be delivered."""

    destination: str
    key: str
    """Names it for its receiver: a repetition has the same."""
    kind: str
    body: bytes
    at_ms: int | None
    """When it was put here, UTC ms; None if the clock was not trusted."""
    durable: bool = True
    """Whether it survives a power cut."""

    def __post_init__(self) -> None:
        for name in ("destination", "key", "kind"):
            if not 0 < len(getattr(self, name)) <= _MAX_NAME:
                raise LocalError(f"{name} of a message", got=getattr(self, name), expected="1 to 200 letters")
        if len(self.body) > MAX_BODY_BYTES:
            raise LocalError(
                "body of a message", got=len(self.body), expected=f"at most {MAX_BODY_BYTES} bytes"
            )


class Outbox:
    """The messages of one store: those in its file, and those that wait for the disk."""

    def __init__(
        self, database: Callable[[], Database | None], commit: Callable[[], bool], max_bytes: int
    ) -> None:
        """Bind the store's present file, and what makes everything that waits durable."""
        self._database = database
        self._commit = commit
        self._max_bytes = max_bytes
        self._waiting: dict[tuple[str, str], Message] = {}
        self._done: set[tuple[str, str]] = set()
        """Delivered, and still in the file."""

    def put(self, message: Message) -> bool:
        """Take a message, and try to make it durable; returns whether it is.

        A message that is here already, by destination and key, is taken as the same.

        Raises:
            OutboxFullError: the disk cannot be written and too much waits in memory: the message was not taken.
        """
        name = message.destination, message.key
        if name in self._done:  # a later message of the same name: the earlier one has to leave first
            self._commit()
        size = sum(len(other.body) for other in self._waiting.values())
        if size + len(message.body) > MAX_WAITING_BYTES:
            raise OutboxFullError(
                "messages wait in memory for a disk that cannot be written",
                got=size,
                expected=f"at most {MAX_WAITING_BYTES} bytes",
            )
        self._waiting.setdefault(name, replace(message, durable=False))
        return self._commit()

    def pending(self, destination: str, count: int = 64) -> list[Message]:
        """The first messages for a destination, in order.

        Raises:
            StoreError: the file cannot be read.
        """
        database = self._database()
        found = []
        if database is not None:
            rows = database.rows(
                f"SELECT {_COLUMNS} FROM {OUTBOX} WHERE destination=? ORDER BY seq LIMIT ?",  # noqa: S608 - our names
                (destination, count + len(self._done)),
            )
            found = [_message(row) for row in rows if (row[1], row[2]) not in self._done]
        stored = {message.key for message in found}
        waiting = [message for message in self._waiting.values() if message.destination == destination]
        return (found + [message for message in waiting if message.key not in stored])[:count]

    def delivered(self, destination: str, keys: Iterable[str]) -> None:
        """Forget messages that their receiver has acknowledged; the disk is written with the next commit."""
        for key in keys:
            if self._waiting.pop((destination, key), None) is None:
                self._done.add((destination, key))

    def waiting(self) -> dict[str, int]:
        """How many messages each destination must still get.

        Raises:
            StoreError: the file cannot be read.
        """
        database = self._database()
        rows = [] if database is None else database.rows(f"SELECT destination, key FROM {OUTBOX}")  # noqa: S608
        counts: dict[str, int] = {}
        for destination, _ in ({(row[0], row[1]) for row in rows} | set(self._waiting)) - self._done:
            counts[destination] = counts.get(destination, 0) + 1
        return counts

    @property
    def unwritten_bytes(self) -> int:
        """About how much file the next commit needs for messages."""
        return sum(len(message.body) + 200 for message in self._waiting.values())

    @property
    def is_settled(self) -> bool:
        """Whether the file is up to date."""
        return not self._waiting and not self._done

    def write(self, database: Database) -> int:
        """Bring the file up to date, inside a transaction; returns how many messages were dropped for want of room."""
        database.run_many(f"DELETE FROM {OUTBOX} WHERE destination=? AND key=?", sorted(self._done))  # noqa: S608
        database.run_many(
            f"INSERT OR IGNORE INTO {OUTBOX} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - our names
            [(m.at_ms, m.destination, m.key, m.kind, m.body) for m in self._waiting.values()],
        )
        return self._shorten(database) if self._waiting else 0

    def _shorten(self, database: Database) -> int:
        """Drop the oldest messages beyond the bound."""
        excess = (database.value(f"SELECT sum(length(body)) FROM {OUTBOX}") or 0) - self._max_bytes  # noqa: S608
        dropped = 0
        while excess > 0:
            seq, size = database.rows(f"SELECT seq, length(body) FROM {OUTBOX} ORDER BY seq LIMIT 1")[0]  # noqa: S608
            database.run(f"DELETE FROM {OUTBOX} WHERE seq=?", (seq,))  # noqa: S608 - our name
            excess -= size
            dropped += 1
        return dropped

    def written(self) -> None:
        """Learn that what `write` did is durable."""
        self._waiting.clear()
        self._done.clear()


def _message(row: tuple[int | None, str, str, str, bytes]) -> Message:
    at_ms, destination, key, kind, body = row
    return Message(destination=destination, key=key, kind=kind, body=bytes(body), at_ms=at_ms)
