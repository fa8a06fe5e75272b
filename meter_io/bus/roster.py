"""Whose turn it is on a bus.

The healthy slave that is due longest. A *suspect*, one whose last round failed, is tried when no healthy one is due
before its time limit would be over; if that never happens, then after `PATIENCE_MS`, and after each such trial every
due healthy slave comes first. So however many slaves are dead, a healthy one waits for at most one time limit of a
dead one. A slave that dies costs its own time limit once, when it is first missed.
"""

from collections.abc import Sequence
from typing import Final

from meter_io.bus.slave import Poll, Slave
from meter_io.bus.timing import BusTiming

PATIENCE_MS: Final = 5_000
"""How long a suspect gives way to healthy slaves once its back-off is over."""


class Roster:
    """The slaves of one bus."""

    def __init__(self, polls: Sequence[Poll], *, timing: BusTiming, now_ms: int) -> None:
        """Plan the first rounds spread over their intervals, so that they do not meet again every time.

        Raises:
            ValueError: two polls of one meter.
        """
        if len({poll.meter for poll in polls}) != len(polls):
            raise ValueError("a meter is polled once on a bus")
        self._between_ms = timing.gap_ms + timing.turnaround_ms
        self._slaves = [
            Slave(poll, due_ms=now_ms + place * poll.interval_ms // len(polls))
            for place, poll in enumerate(polls)
        ]

    def choose(self, now_ms: int) -> Slave | None:
        """Return the slave whose turn it is, None if it is nobody's."""
        healthy = [slave for slave in self._slaves if not slave.failures]
        due = [slave for slave in healthy if slave.due_ms <= now_ms]
        if due:
            return min(due, key=lambda slave: slave.due_ms)
        suspects = [slave for slave in self._slaves if slave.failures and slave.due_ms <= now_ms]
        if not suspects:
            return None
        suspect = min(suspects, key=lambda slave: slave.due_ms)
        free_ms = min((slave.due_ms for slave in healthy), default=None)
        over_ms = now_ms + suspect.time.limit_ms + self._between_ms
        if free_ms is None or over_ms <= free_ms or suspect.due_ms + PATIENCE_MS <= now_ms:
            return suspect
        return None

    def times(self, now_ms: int) -> list[int]:
        """When it is somebody's turn, as long as it is nobody's now: a suspect that gives way does so for a while."""
        return [
            slave.due_ms if slave.due_ms > now_ms else slave.due_ms + PATIENCE_MS for slave in self._slaves
        ]
