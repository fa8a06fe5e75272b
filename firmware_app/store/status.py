"""How the store stands, in one value: for `gridlight status`, the page and the metrics."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_app.store.opening import Found
from firmware_app.store.ring import Holding


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStatus:
    """A picture of the store."""

    found: Found | None
    """In which state the file was at the start; None if it could not be opened yet."""
    fault: str
    """Why the disk cannot be written; empty where it can."""
    waiting_rows: int
    """Rows in memory."""
    dropped_rows: int
    """Rows that were lost since the disk last worked."""
    memory_rows: int
    """How many rows fit in memory."""
    holding: Holding | None
    """How many days fit; None where the file cannot be read."""
    written_today_bytes: int | None
    """By this program, bytes this UTC day; None while the clock is not trusted."""
    written_days: dict[int, int]
    """Day (UTC days since 1970) -> bytes, ascending."""
    outbox: dict[str, int]
    """Destination -> messages that it must still get."""
    outbox_oldest_ms: int | None
    """When the oldest of them was put there, UTC ms; None if there is none, or its time is unknown."""
