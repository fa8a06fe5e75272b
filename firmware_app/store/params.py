"""`[store]` of the configuration: how many days are kept, in how much room, and how often the disk is written."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, NamedTuple

from light_client.rules.errors import LocalError

MIN_QUOTA_MB: Final = 4
"""Below that not a day of readings fits beside the log."""
_LOG_MB: Final = 2
"""Room for the write-ahead log."""
_LOG_PAGES: Final = 1_000
"""After so many pages it is folded into the file, at half of its room: pages written often are folded in once."""
_MB: Final = 1_000_000
_MAX_DAYS: Final = 36_525


class Room(NamedTuple):
    """How large a database may grow."""

    file_bytes: int
    """Most bytes of the file itself."""
    log_pages: int
    """Pages of the write-ahead log after which it is folded into the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreParams:
    """Days are a promise as far as the quota goes; what leaves earlier is reported.

    Raises:
        LocalError: a value is out of bounds; the quota has to hold a day of readings.
    """

    quota_mb: int = 64
    """Most room on the disk for file and log together, MB (10^6 bytes)."""
    commit_s: int = 900
    """Readings wait at most so long in memory, s: a power cut costs them, but no energy, since meters count."""
    memory_rows: int = 10_000
    """Rows that wait in memory while the disk is full or read-only; the oldest readings leave first."""
    outbox_mb: int = 8
    """Most room for messages that were not delivered yet, MB; a part of the quota."""
    readings_days: int = 35
    intervals_days: int = 800
    offers_days: int = 400
    headers_days: int = 100
    trades_days: int = 3_700
    settlements_days: int = 3_700
    verdicts_days: int = 400
    events_days: int = 400

    def __post_init__(self) -> None:
        if self.quota_mb < MIN_QUOTA_MB:
            raise LocalError(
                "quota_mb: so little room holds not even a day of readings beside the write-ahead log",
                got=self.quota_mb,
                expected=f"at least {MIN_QUOTA_MB} MB",
            )
        if not 0 < self.outbox_mb * 2 <= self.quota_mb:
            raise LocalError(
                "outbox_mb: the messages that wait leave no room for the rest",
                got=self.outbox_mb,
                expected=f"1 to {self.quota_mb // 2} MB, half of the quota",
            )
        if not 1 <= self.commit_s <= 3_600:
            raise LocalError("commit_s", got=self.commit_s, expected="1 to 3600 s")
        if self.memory_rows < 100:
            raise LocalError("memory_rows", got=self.memory_rows, expected="at least 100")
        for field in fields(self):
            if field.name.endswith("_days") and not 1 <= getattr(self, field.name) <= _MAX_DAYS:
                raise LocalError(field.name, got=getattr(self, field.name), expected=f"1 to {_MAX_DAYS} days")

    @property
    def room(self) -> Room:
        """What of the quota is for what."""
        return Room(file_bytes=(self.quota_mb - _LOG_MB) * _MB, log_pages=_LOG_PAGES)

    def days(self, table: str) -> int:
        """How long the rows of a table are kept, days."""
        days: int = getattr(self, f"{table}_days")
        return days
