"""How much this process has the disk write, by UTC day: the figure that tells how long a card lives.

Counted by the kernel (`write_bytes` less `cancelled_write_bytes` of /proc/self/io), in blocks as they leave for the
disk: that includes the settings, the light client's file and whatever else this program writes, and what a small
write costs in whole blocks. An account of our own pages would miss all of that. What the file system writes for itself
(its journal), and what the card does inside, no program can see. On a memory disk the kernel counts nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from firmware_app.store.database import Database

SAVE_MS: Final = 900_000
"""The count is saved at most so often, and rides on a commit that happens anyway."""
_KEEP_DAYS: Final = 400
_DAY_MS: Final = 86_400_000


def bytes_written(source: Path = Path("/proc/self/io")) -> int | None:
    """What the kernel has counted since this process began; None where it does not count."""
    try:
        lines = source.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    values = {name: int(value) for name, _, value in (line.partition(": ") for line in lines)}
    if "write_bytes" not in values:
        return None
    return max(0, values["write_bytes"] - values.get("cancelled_write_bytes", 0))


class Written:
    """Adds up by day, across restarts."""

    def __init__(self, counter: Callable[[], int | None]) -> None:
        """Bind the kernel's count, which began at 0 with this process."""
        self._counter = counter
        self._counted = 0
        """Of the counter, already booked to a day."""
        self._unsaved: dict[int, int] = {}
        self._saving: dict[int, int] = {}
        self._saved_at_ms: int | None = None

    def look(self, utc_ms: int | None) -> None:
        """Book what was written since the last look to the present day; nothing while the clock is not trusted."""
        count = self._counter()
        if count is None or utc_ms is None or count <= self._counted:
            return
        day = utc_ms // _DAY_MS
        self._unsaved[day] = self._unsaved.get(day, 0) + count - self._counted
        self._counted = count

    def is_due(self, monotonic_ms: int) -> bool:
        """Whether the next commit should save the count."""
        return bool(self._unsaved) and (
            self._saved_at_ms is None or monotonic_ms - self._saved_at_ms >= SAVE_MS
        )

    def hurry(self) -> None:
        """Save the count with the next commit: it is the last one."""
        self._saved_at_ms = None

    def write(self, database: Database) -> None:
        """Save the count, inside a transaction."""
        self._saving = dict(self._unsaved)
        for day, count in self._saving.items():
            database.run(
                "INSERT INTO written (day, bytes) VALUES (?, ?)"
                " ON CONFLICT (day) DO UPDATE SET bytes = bytes + excluded.bytes",
                (day, count),
            )
        database.run("DELETE FROM written WHERE day < ?", (max(self._saving, default=0) - _KEEP_DAYS,))

    def written(self, monotonic_ms: int) -> None:
        """Learn that a transaction is durable; if `write` was a part of it, its count is saved."""
        if self._saving:
            self._saved_at_ms = monotonic_ms
            self._unsaved = {
                day: count - self._saving.get(day, 0)
                for day, count in self._unsaved.items()
                if count > self._saving.get(day, 0)
            }
            self._saving = {}

    def undone(self) -> None:
        """Learn that a transaction failed."""
        self._saving = {}

    def days(self, database: Database | None) -> dict[int, int]:
        """Bytes by day (UTC days since 1970), ascending.

        Raises:
            StoreError: the file cannot be read.
        """
        saved = [] if database is None else database.rows("SELECT day, bytes FROM written")
        total = dict(self._unsaved)
        for day, count in saved:
            total[day] = total.get(day, 0) + count
        return dict(sorted(total.items()))
