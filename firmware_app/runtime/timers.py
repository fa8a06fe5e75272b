"""Timers of several actors: set, moved, cancelled, and due in the order of their times."""

import heapq
from typing import TypeAlias

TimerKey: TypeAlias = tuple[int, str]
"""Number of the actor in its process, and the timer's name."""


class Timers:
    """Each timer fires at most once; of two for the same time the one set first fires first."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, TimerKey]] = []
        self._current: dict[TimerKey, int] = {}
        self._count = 0

    def set(self, key: TimerKey, at_ms: int) -> None:
        """Set a timer, or move it."""
        self._count += 1
        self._current[key] = self._count
        heapq.heappush(self._heap, (at_ms, self._count, key))

    def cancel(self, key: TimerKey) -> None:
        """Forget a timer, if it is set."""
        self._current.pop(key, None)

    def next_at_ms(self) -> int | None:
        """When the next timer is due, or None if none is set."""
        while self._heap and self._current.get(self._heap[0][2]) != self._heap[0][1]:
            heapq.heappop(self._heap)  # moved or cancelled since
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now_ms: int) -> tuple[TimerKey, int] | None:
        """Take the next timer that is due, with the time it was set for; None if none is."""
        at_ms = self.next_at_ms()
        if at_ms is None or at_ms > now_ms:
            return None
        _, _, key = heapq.heappop(self._heap)
        del self._current[key]
        return key, at_ms
