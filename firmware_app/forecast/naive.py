"""The seasonal-naive forecast: the same time of the last day known, and how wrong that was on the days before.

What every model has to beat, and what speaks instead of ours when ours does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from firmware_app.forecast.history import History
from firmware_app.forecast.quantiles import PERMILLE
from firmware_app.forecast.settings import Series
from firmware_app.forecast.usual import Usual

_DAYS_BACK: Final = 7
"""How many days back it looks for one on which the slot was measured."""


class Naive:
    """Seasonal-naive forecasts out of one history."""

    def __init__(self, history: History, series: Series, levels_permille: Sequence[int]) -> None:
        """With quantiles at ``levels_permille``, of a series that may be negative or not."""
        self._history = history
        self._floor_j = None if series is Series.NET else 0
        self._shares = [level / PERMILLE for level in levels_permille]

    def point(self, interval: int) -> int | None:
        """Energy of the same slot on the last day known, J; None if a week holds none."""
        for age in self._ages(interval, _DAYS_BACK):
            energy_j = self._history.energy(interval - age * self._history.slots)
            if energy_j is not None:
                return energy_j
        return None

    def _ages(self, interval: int, days: int) -> range:
        """So many whole days before an interval, from the last one on that is over."""
        last, slots = self._history.last, self._history.slots
        if last is None:
            return range(0)
        youngest = max(1, -((last - interval) // slots))
        return range(youngest, youngest + days)

    def quantiles(self, interval: int) -> tuple[int, ...] | None:
        """Energy at each level, J, ascending; None if nothing at all is known.

        They are the point plus quantiles of the differences between one day and the next, at this slot and its two
        neighbours. Without a point they are those of everything remembered.
        """
        point = self.point(interval)
        history, slots = self._history, self._history.slots
        if point is None:
            samples = [(energy_j, 1.0) for _, energy_j in history.intervals()]
            return self._read(Usual(samples), 0) if samples else None
        differences: list[tuple[int, float]] = []
        for age in self._ages(interval, history.days):
            for then in (interval - age * slots + step for step in (-1, 0, 1)):
                later, before = history.energy(then), history.energy(then - slots)
                if later is not None and before is not None:
                    differences.append((later - before, 1.0))
        return self._read(Usual(differences or [(0, 1.0)]), point)

    def _read(self, usual: Usual, point: int) -> tuple[int, ...]:
        values = (point + round(usual.energy_at(share)) for share in self._shares)
        return tuple(values if self._floor_j is None else (max(value, self._floor_j) for value in values))
