"""A meter as the bus sees it: when it is due, how it fares, how long it may take."""

from collections.abc import Callable
from dataclasses import dataclass

from meter_io.bus.dialogue import Dialogue, Listener, Talk
from meter_io.bus.timing import BACK_OFF_FIRST_MS, BACK_OFF_LAST_MS, ReplyTime, doubled_ms
from meter_io.reading import MeterId


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What to poll.

    Attributes:
        meter: whose.
        begin: makes the dialogue, or the talk, of one round.
        interval_ms: from one round to the next.
        reply_ms: longest that the slave may take to begin an answer.
        reply_floor_ms: shortest limit that learning may arrive at.
        rest_ms: least time between the end of a good round and the next one.
    """

    meter: MeterId
    begin: Callable[[], Dialogue | Talk]
    interval_ms: int
    reply_ms: int = 1_000
    reply_floor_ms: int = 200
    rest_ms: int = 0

    def __post_init__(self) -> None:
        if not 100 <= self.interval_ms <= 86_400_000:
            raise ValueError(f"a meter is polled every 100 ms to one day, got {self.interval_ms} ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushing:
    """A meter on this port that talks without being asked.

    Attributes:
        meter: whose.
        listener: makes telegrams out of its bytes.
        silence_ms: after so long without a telegram it counts as failed.
    """

    meter: MeterId
    listener: Listener
    silence_ms: int = 30_000


class Slave:
    """A poll and its fortunes.

    Attributes:
        poll: what.
        due_ms: when the next round is wanted, or may be tried again.
        failures: failed rounds since the last good one. A slave with failures is a *suspect*.
        time: its reply time.
    """

    __slots__ = ("due_ms", "failures", "poll", "time")

    def __init__(self, poll: Poll, *, due_ms: int) -> None:
        self.poll = poll
        self.due_ms = due_ms
        self.failures = 0
        self.time = ReplyTime(floor_ms=min(poll.reply_floor_ms, poll.reply_ms), ceiling_ms=poll.reply_ms)

    def succeeded(self, began_ms: int, now_ms: int) -> None:
        """Plan the next round on the slave's own beat: a late round does not shift the later ones."""
        self.failures = 0
        beat_ms = self.poll.interval_ms
        if now_ms - self.due_ms >= beat_ms:  # rounds were missed
            self.due_ms = began_ms
        self.due_ms += beat_ms
        self.due_ms = max(self.due_ms, now_ms + self.poll.rest_ms)

    def failed(self, now_ms: int, *, at_least_ms: int) -> None:
        """Back off: 2 s, doubling to 300 s, and never before a late answer would have come."""
        self.failures += 1
        wait_ms = max(doubled_ms(self.failures, BACK_OFF_FIRST_MS, BACK_OFF_LAST_MS), at_least_ms)
        self.due_ms = now_ms + wait_ms
