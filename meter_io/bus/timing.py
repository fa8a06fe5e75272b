"""How long to wait for what on a bus."""

from dataclasses import dataclass
from typing import Final

BACK_OFF_FIRST_MS: Final = 2_000
BACK_OFF_LAST_MS: Final = 300_000
REOPEN_FIRST_MS: Final = 500
REOPEN_LAST_MS: Final = 30_000
_DEVIATIONS: Final = 4
_MARGIN_MS: Final = 20
"""USB adapters hand bytes over every 16 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusTiming:
    """The delays of one port, all in milliseconds.

    Attributes:
        character_us: one character on the line, microseconds: 1146 at 9600 baud with eleven bits; 0 behind TCP.
        post_open_ms: silence after opening; adapters that power a meter or reset on open need some.
        gap_ms: silence before a request; 3.5 characters by the standard, at least 1.75 ms.
        turnaround_ms: additional silence before another slave is asked.
        late_ms: how late an answer may still come: a slave that let a question expire is left alone this long, so
            that an old answer is never taken for a new one.
        drop_on_garbage: close the connection after an unreadable answer: behind TCP the stream has lost its frames.
    """

    character_us: int = 1_146
    post_open_ms: int = 0
    gap_ms: int = 5
    turnaround_ms: int = 0
    late_ms: int = 2_000
    drop_on_garbage: bool = False

    def __post_init__(self) -> None:
        for name in ("character_us", "post_open_ms", "gap_ms", "turnaround_ms", "late_ms"):
            if not 0 <= getattr(self, name) <= 60_000:
                raise ValueError(f"{name} is 0 to 60000, got {getattr(self, name)}")

    def line_ms(self, size: int) -> int:
        """Milliseconds that so many bytes take on the line, rounded up."""
        return -(-size * self.character_us // 1000)


def doubled_ms(failures: int, first_ms: int, last_ms: int) -> int:
    """Wait after so many failures in a row (at least 1): doubling from the first to the last."""
    return min(first_ms << min(failures - 1, 20), last_ms)


class ReplyTime:
    """How long one slave may take to begin its answer, learned from how long it took, within bounds.

    Smoothed mean plus four mean deviations; after an expired question the bound holds again until an answer came.
    Source: RFC 6298, section 2, with integers scaled by 8 and 4.
    """

    __slots__ = ("_ceiling_ms", "_deviation_x4", "_floor_ms", "_mean_x8")

    def __init__(self, *, floor_ms: int, ceiling_ms: int) -> None:
        if not 1 <= floor_ms <= ceiling_ms:
            raise ValueError(
                f"a time limit is at least 1 ms and at most its bound, got {floor_ms}, {ceiling_ms}"
            )
        self._floor_ms = floor_ms
        self._ceiling_ms = ceiling_ms
        self._mean_x8: int | None = None
        self._deviation_x4 = 0

    @property
    def limit_ms(self) -> int:
        """Present time limit."""
        if self._mean_x8 is None:
            return self._ceiling_ms
        learned = self._mean_x8 // 8 + _DEVIATIONS * self._deviation_x4 // 4 + _MARGIN_MS
        return max(self._floor_ms, min(learned, self._ceiling_ms))

    @property
    def ceiling_ms(self) -> int:
        """Longest it ever waits."""
        return self._ceiling_ms

    def answered(self, taken_ms: int) -> None:
        """Learn from an answer."""
        if self._mean_x8 is None:
            self._mean_x8, self._deviation_x4 = 8 * taken_ms, 2 * taken_ms
            return
        error = taken_ms - self._mean_x8 // 8
        self._mean_x8 += error
        self._deviation_x4 += abs(error) - self._deviation_x4 // 4

    def expired(self) -> None:
        """Forget: the slave may have become slower."""
        self._mean_x8 = None
        self._deviation_x4 = 0
