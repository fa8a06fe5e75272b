"""What a stretch of time is known to have held: the only thing that energy is booked from.

The spans of one meter touch each other: every instant between its first and its last believed reading lies in exactly
one, so that a missing energy is a span that says so and not a hole that nobody notices.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from meter_io.reading import MeterId, Moment


class Instant(NamedTuple):
    """A moment as far as it is known.

    Attributes:
        utc_ms: None while the board's clock was not trusted; `stamped` fills it in later.
        monotonic_ms: None when it was counted before the board's last start, and so compares with nothing of today.
    """

    utc_ms: int | None
    monotonic_ms: int | None

    @classmethod
    def of(cls, moment: Moment) -> "Instant":
        """The instant of a measurement made since the board's last start."""
        return cls(moment.utc_ms, moment.monotonic_ms)

    def stamped(self, utc_offset_ms: int) -> "Instant":
        """The same with its UTC time, from the offset of UTC against the monotonic clock; unchanged if it has one."""
        if self.utc_ms is not None or self.monotonic_ms is None:
            return self
        return Instant(self.monotonic_ms + utc_offset_ms, self.monotonic_ms)

    def of_an_earlier_start(self) -> "Instant":
        """The same after a restart of the board: its monotonic clock began again."""
        return Instant(self.utc_ms, None)


def elapsed_ms(start: Instant, end: Instant, jitter_ms: int = 0) -> int | None:
    """Return the milliseconds between two instants, None where they share no clock.

    The monotonic clock decides where both have it, since nobody sets it. A meter's own clock may say a little more,
    for a telegram that was delivered late: up to `jitter_ms` of that is granted.
    """
    utc_ms = None if start.utc_ms is None or end.utc_ms is None else end.utc_ms - start.utc_ms
    if start.monotonic_ms is None or end.monotonic_ms is None:
        return utc_ms
    monotonic_ms = end.monotonic_ms - start.monotonic_ms
    if utc_ms is not None and monotonic_ms < utc_ms <= monotonic_ms + jitter_ms:
        return utc_ms
    return monotonic_ms


class Basis(Enum):
    """How the energy of a span is known."""

    MEASURED = "measured"
    """The difference of two good readings, next to each other."""
    ESTIMATED = "estimated"
    """Booked, never traded: proven later (a roll-over, the end of an outage), or summed up from power."""
    UNKNOWN = "unknown"
    """Not booked: the counter began again, or nobody can tell what it did."""


Pair = tuple[int | None, int | None]
"""Joules drawn from and fed into the grid; None where there is no such counter or the energy is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time with its energy.

    Attributes:
        meter: whose.
        start: first instant.
        end: last instant.
        energy_j: (import, export) within it, joules; not below 0.
        basis: how the energy is known; UNKNOWN if any counter of the meter is.
        reason: one sentence, empty for MEASURED.
    """

    meter: MeterId
    start: Instant
    end: Instant
    energy_j: Pair
    basis: Basis
    reason: str = ""

    def __post_init__(self) -> None:
        for energy_j in self.energy_j:
            if energy_j is not None and energy_j < 0:
                raise ValueError(f"the energy of a span is not below 0, got {energy_j} J")
