"""What is usual at a time of day: the distribution of what the same time held on the days before.

The samples are the energies of the same slot on the days that are remembered, and of its two neighbours, since habits
are not punctual and clocks are changed. A sample counts half as much for every half-life it is old, a neighbour half,
and for loads a day of the same type (of work, of rest) twice as much as one of the other type.

Every quantile lies between the least and the most that was measured, whatever is asked for: nothing built on this can
run away.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from firmware_app.forecast.history import History
from firmware_app.forecast.settings import Series

_NEIGHBOUR: Final = 0.5
_SAME_TYPE: Final = 2.0
_DAYS_PER_WEEK: Final = 7
_EPOCH_WEEKDAY: Final = 3  # 1 January 1970 was a Thursday, and Monday is 0
_SATURDAY: Final = 5
_TO_NOON_H: Final = 10


class Usual:
    """A weighted distribution of measured energies."""

    __slots__ = ("_shares", "_values")

    def __init__(self, samples: Sequence[tuple[int, float]]) -> None:
        """Of (energy J, weight), in any order, at least one."""
        ordered = sorted(samples)
        values: list[int] = []
        shares: list[float] = []
        total = 0.0
        for energy_j, weight in ordered:
            values.append(energy_j)
            shares.append(total + weight / 2)
            total += weight
        self._values = values
        self._shares = [share / total for share in shares]

    @property
    def constant(self) -> bool:
        """Whether it was always the same, as generation at night: no energy there tells anything."""
        return self._values[0] == self._values[-1]

    def energy_at(self, share: float) -> float:
        """The energy that a share (0..1) of the distribution does not exceed, J."""
        shares, values = self._shares, self._values
        upper = bisect_left(shares, share)
        if upper == 0:
            return values[0]
        if upper == len(shares):
            return values[-1]
        low, high = shares[upper - 1], shares[upper]
        step = values[upper] - values[upper - 1]
        # A rounding error must not lead past the upper sample.
        return min(values[upper - 1] + step * (share - low) / (high - low), values[upper])

    def share_of(self, energy_j: int) -> float:
        """Which share (0..1) of the distribution lies below an energy; the middle of the step where it is one."""
        values, shares = self._values, self._shares
        first, after = bisect_left(values, energy_j), bisect_right(values, energy_j)
        if first < after:
            return (shares[first] + shares[after - 1]) / 2
        if first == 0:
            return 0.0
        if first == len(values):
            return 1.0
        low, high = values[first - 1], values[first]
        return shares[first - 1] + (shares[first] - shares[first - 1]) * (energy_j - low) / (high - low)


class Calendar:
    """Days of work and of rest, without a time zone.

    The home's day begins at its quietest hours, which are learnt, about three in the morning. Ten hours later the date
    in UTC is the home's own, from nine hours behind UTC to eleven ahead; farther away a few hours are taken for the
    neighbouring day, and a day of rest for half of one of work.
    """

    def __init__(self, slots: int) -> None:
        """Of a home of which nothing is known, with ``slots`` intervals a day."""
        self.slots = slots
        self.start = 0
        """The slot of the UTC day at which the home's day begins."""

    def is_rest(self, interval: int) -> bool:
        """Whether an interval belongs to a Saturday or Sunday of the home."""
        noon = interval - (interval - self.start) % self.slots + self.slots * _TO_NOON_H // 24
        return (noon // self.slots + _EPOCH_WEEKDAY) % _DAYS_PER_WEEK >= _SATURDAY

    def learn(self, history: History) -> None:
        """Find the quietest four hours of the days remembered; nothing changes where too little is known."""
        slots = self.slots
        sums, counts = [0.0] * slots, [0] * slots
        for interval, energy_j in history.intervals():
            sums[interval % slots] += abs(energy_j)
            counts[interval % slots] += 1
        if not all(counts):
            return
        means = [total / count for total, count in zip(sums, counts, strict=True)]
        width = max(1, slots // 6)
        stretches = [sum(means[(first + step) % slots] for step in range(width)) for first in range(slots)]
        self.start = (stretches.index(min(stretches)) + width // 2) % slots


class Usuals:
    """Makes the distributions of one history."""

    def __init__(self, history: History, calendar: Calendar, series: Series, half_life_days: int) -> None:
        """Out of what ``history`` remembers at the moment of each question."""
        self._history = history
        self._calendar = calendar
        self._typed = series is not Series.GENERATION
        self._neighbours = () if series is Series.GENERATION else (-1, 1)
        self._weights = [0.5 ** (age / half_life_days) for age in range(history.days + 1)]

    def of(self, interval: int) -> Usual | None:
        """What is usual in an interval, by what is remembered of the days before it; None if that is nothing."""
        history, slots = self._history, self._history.slots
        if history.last is None:
            return None
        is_rest = self._calendar.is_rest
        rest = is_rest(interval)
        youngest = max(1, -((history.last - interval) // slots))
        samples: list[tuple[int, float]] = []
        for age in range(youngest, history.days + 1):
            then = interval - age * slots
            weight = self._weights[age]
            if self._typed and is_rest(then) == rest:
                weight *= _SAME_TYPE
            energy_j = history.energy(then)
            if energy_j is not None:
                samples.append((energy_j, weight))
            for step in self._neighbours:
                energy_j = history.energy(then + step)
                if energy_j is not None:
                    samples.append((energy_j, weight * _NEIGHBOUR))
        return Usual(samples) if samples else None
