"""A forecast as everybody else sees it: quantiles of the energy of coming intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from light_client.rules.errors import LocalError

PERMILLE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileForecast:
    """Quantiles of one series (load, generation or the net of both) over consecutive intervals.

    Raises:
        LocalError: levels or values are missing, out of order or of unequal length.
    """

    first_interval: int
    """Absolute index of the first interval told about."""
    levels_permille: tuple[int, ...]
    """Which quantiles, per mille, ascending, such as (100, 500, 900)."""
    energy_j: tuple[tuple[int, ...], ...]
    """For each interval the energy at each level, J, ascending; load and generation are never negative."""
    is_fallback: bool = False
    """Whether the learnt model was not used, and the naive one spoke instead."""

    def __post_init__(self) -> None:
        levels = self.levels_permille
        if not levels or list(levels) != sorted(set(levels)) or not 0 < levels[0] <= levels[-1] < PERMILLE:
            raise LocalError(
                "levels of a forecast", got=levels, expected="ascending, between 0 and 1000 per mille"
            )
        for values in self.energy_j:
            if len(values) != len(levels) or list(values) != sorted(values):
                raise LocalError(
                    "quantiles of an interval", got=values, expected=f"{len(levels)} ascending values"
                )

    def at(self, interval: int, level_permille: int) -> int:
        """Energy at a level, J: linear between the levels told about, the outermost beyond them.

        Raises:
            LocalError: the forecast does not reach this interval.
        """
        place = interval - self.first_interval
        if not 0 <= place < len(self.energy_j):
            last = self.first_interval + len(self.energy_j) - 1
            raise LocalError(
                "interval of a forecast", got=interval, expected=f"{self.first_interval} to {last}"
            )
        levels, values = self.levels_permille, self.energy_j[place]
        if level_permille <= levels[0]:
            return values[0]
        for upper in range(1, len(levels)):
            if level_permille <= levels[upper]:
                low, high = values[upper - 1], values[upper]
                part, whole = level_permille - levels[upper - 1], levels[upper] - levels[upper - 1]
                return low + (high - low) * part // whole
        return values[-1]
