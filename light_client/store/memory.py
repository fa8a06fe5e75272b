"""A store that lives as long as its process, for simulations and tests: it answers as the file does, without a disk."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from light_client.session.actor import Write
from light_client.store.batch import folded


class MemoryStorage:
    """Values in sorted dictionaries, one for each table."""

    def __init__(self) -> None:
        self._values: dict[str, dict[bytes, bytes]] = {}

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        return self._values.get(table, {}).get(key)

    def scan(self, table: str, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """All keys from `start` on with their values, ascending, as they were when the scan began."""
        values = dict(self._values.get(table, {}))
        keys = sorted(values)
        for key in keys[bisect_left(keys, start) :]:
            yield key, values[key]

    def commit(self, writes: Iterable[Write]) -> None:
        """Take over all writes together, in order, or none.

        Raises:
            LocalError: a write is not one that a store can hold.
        """
        for (table, key), value in folded(writes).items():
            values = self._values.setdefault(table, {})
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value
