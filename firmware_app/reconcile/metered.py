"""Metered energy of an interval as settlement and reports see it, translated from what the meter library counts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from light_client.rules.errors import LocalError
from light_client.rules.units import MAX_ENERGY_J, MAX_INTERVAL
from meter_io.intervals import IntervalEnergy
from meter_io.span import Basis


class Quality(IntEnum):
    """How the energy of an interval is known; the numbers are those of the report's encoding."""

    MEASURED = 0
    ESTIMATED = 1
    """Known in sum over a longer time, divided evenly: settled provisionally, and marked."""
    UNKNOWN = 2
    """Part of it was never counted: not settled until somebody corrects it."""


_QUALITY: Final = {
    Basis.MEASURED: Quality.MEASURED,
    Basis.ESTIMATED: Quality.ESTIMATED,
    Basis.UNKNOWN: Quality.UNKNOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredInterval:
    """What the connection to the grid counted in one interval.

    Raises:
        LocalError: an interval or an energy out of bounds.
    """

    interval: int
    import_j: int
    """Energy drawn from the grid, J; where the quality is UNKNOWN, the part that is known."""
    export_j: int
    """Energy fed into the grid, J, likewise."""
    quality: Quality

    def __post_init__(self) -> None:
        if type(self.interval) is not int or not 0 <= self.interval < MAX_INTERVAL:
            raise LocalError("a metered interval", got=self.interval, expected=f"0..{MAX_INTERVAL - 1}")
        for energy_j in (self.import_j, self.export_j):
            if type(energy_j) is not int or not 0 <= energy_j <= MAX_ENERGY_J:
                raise LocalError("metered energy, J", got=energy_j, expected=f"0..{MAX_ENERGY_J}")
        if self.quality.__class__ is not Quality:
            raise LocalError("quality of an interval", got=self.quality, expected="one of Quality")

    @property
    def net_j(self) -> int:
        """Export less import, J."""
        return self.export_j - self.import_j


def metered_of(counted: IntervalEnergy) -> MeteredInterval:
    """What the meter at the connection counted; a direction for which it has no counter counts as nothing."""
    import_j, export_j = counted.energy_j
    return MeteredInterval(
        interval=counted.interval,
        import_j=import_j or 0,
        export_j=export_j or 0,
        quality=_QUALITY[counted.basis],
    )


def nothing_known(interval: int) -> MeteredInterval:
    """An interval of which no meter told anything."""
    return MeteredInterval(interval=interval, import_j=0, export_j=0, quality=Quality.UNKNOWN)
