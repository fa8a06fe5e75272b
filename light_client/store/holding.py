"""What a driver holds back: writes that may wait, until one comes that may not, or their time is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from light_client.session.actor import HOLD_MS, Write

_MOST: Final = 1_024
"""Most writes that are held back; one more, and all are due."""


class Held:
    """The writes of one store that are not durable yet, in order."""

    def __init__(self) -> None:
        self._writes: list[Write] = []
        self._since_ms = 0

    def due(self, writes: Sequence[Write], now_ms: int) -> list[Write]:
        """Take new writes; return everything that has to become durable now, or nothing while all of it may wait.

        A clock that was set back makes what is held due.
        """
        if not self._writes:
            self._since_ms = now_ms
        self._writes += writes
        in_time = 0 <= now_ms - self._since_ms < HOLD_MS
        if in_time and len(self._writes) <= _MOST and all(write.may_wait for write in writes):
            return []
        return self.rest()

    def rest(self) -> list[Write]:
        """Everything that is held, which then is not any more: for an orderly end, or a crash."""
        writes, self._writes = self._writes, []
        return writes
