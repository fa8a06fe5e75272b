"""What one batch of writes comes to, and whether a caller may ask for it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, Protocol, TypeAlias

from light_client.rules.errors import LocalError
from light_client.session.actor import Storage, Write

MAX_VALUE_BYTES: Final = 64 << 20
"""Largest value, bytes: far above the largest block, so that only a bug meets it."""

Batch: TypeAlias = dict[tuple[str, bytes], bytes | None]
"""The last value written to each table and key; None where it is deleted."""


class Store(Storage, Protocol):
    """A storage that its driver can also write."""

    def commit(self, writes: Iterable[Write]) -> None:
        """Make all writes durable together, in order, or none.

        Raises:
            LocalError: a write names no table, or its key or value is not bytes of a bearable size.
            StoreError: the file could not be written; the batch is not there, not even in part.
        """


def folded(writes: Iterable[Write]) -> Batch:
    """Return the net effect of writes in order: of several to one key the last one counts.

    Raises:
        LocalError: a write names no table, or its key or value is not bytes of a bearable size.
    """
    batch: Batch = {}
    for write in writes:
        if type(write.table) is not str or not write.table:
            raise LocalError("a write names no table", got=write.table, expected="a name")
        if type(write.key) is not bytes:
            raise LocalError(f"a key of table {write.table} is not bytes", got=type(write.key).__name__)
        if write.value is not None and type(write.value) is not bytes:
            raise LocalError(f"a value of table {write.table} is not bytes", got=type(write.value).__name__)
        if len(write.value or b"") > MAX_VALUE_BYTES:
            raise LocalError(
                f"a value of table {write.table} is too large",
                got=len(write.value or b""),
                expected=f"at most {MAX_VALUE_BYTES} bytes",
            )
        batch[write.table, write.key] = write.value
    return batch


class Compartment:
    """The part of a store that belongs to one of several actors in a process: they share a file, never a value."""

    def __init__(self, store: Store, owner: str) -> None:
        """Bind the store; `owner` is the actor's name and has no slash."""
        if not owner or "/" in owner:
            raise LocalError("an owner of a compartment has a name without a slash", got=owner)
        self._store = store
        self._owner = owner

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        return self._store.get(f"{self._owner}/{table}", key)

    def scan(self, table: str, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """All keys from `start` on with their values, ascending."""
        return self._store.scan(f"{self._owner}/{table}", start)

    def owned(self, write: Write) -> Write:
        """Return the same write as the shared store has to be told it."""
        return replace(write, table=f"{self._owner}/{write.table}")
