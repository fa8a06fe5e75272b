"""How the rounds of one meter went lately: counted by the minute, for an hour; no more memory than that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from meter_io.errors import GarbledReply, MeterError

_MINUTE_MS: Final = 60_000
_MINUTES: Final = 60


@dataclass(slots=True)
class _Minute:
    number: int
    rounds: int = 0
    damaged: int = 0
    unanswered: int = 0


class Tally:
    """Rounds of the last hour, by the board's monotonic clock."""

    def __init__(self) -> None:
        self._minutes: list[_Minute] = []
        self.read_ms: int | None = None
        """How long the last round that brought something took."""

    def took(self, now_ms: int, read_ms: int) -> None:
        """A round brought a reading."""
        self._minute(now_ms).rounds += 1
        self.read_ms = read_ms

    def failed(self, now_ms: int, error: MeterError) -> None:
        """A round brought none: what came was damaged, or nothing usable came."""
        minute = self._minute(now_ms)
        minute.rounds += 1
        if isinstance(error, GarbledReply):
            minute.damaged += 1
        else:
            minute.unanswered += 1

    def counts(self, now_ms: int) -> dict[str, int]:
        """`rounds`, `damaged` and `unanswered` of the last hour, and `read_ms` where there was a reading."""
        self._forget(now_ms)
        lately = self._minutes
        counts = {
            "rounds": sum(minute.rounds for minute in lately),
            "damaged": sum(minute.damaged for minute in lately),
            "unanswered": sum(minute.unanswered for minute in lately),
        }
        return counts if self.read_ms is None else {**counts, "read_ms": self.read_ms}

    def _minute(self, now_ms: int) -> _Minute:
        number = now_ms // _MINUTE_MS
        if not self._minutes or self._minutes[-1].number != number:
            self._forget(now_ms)
            self._minutes.append(_Minute(number))
        return self._minutes[-1]

    def _forget(self, now_ms: int) -> None:
        oldest = now_ms // _MINUTE_MS - _MINUTES + 1
        self._minutes = [minute for minute in self._minutes if minute.number >= oldest]
