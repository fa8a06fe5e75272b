"""What is promised already: the trader's orders as the bidder counts them.

The bidder keeps nothing of its own. Whatever it may not offer again is in the orders, which the trader stores before
anything leaves the board; so nothing is offered twice, after a restart as little as before.

The rule of counting: of an order still alive everything not traded may trade yet, in any of its intervals; of one that
is over, only what traded counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from light_client.rules.errors import LocalError
from light_client.rules.units import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """One order: what it still may trade, and what it has traded.

    Raises:
        LocalError: a negative energy, or a trade outside its intervals.
    """

    side: Side
    first_interval: int
    last_interval: int
    """Its intervals, inclusive."""
    price_uc_per_kwh: int
    offered_j: int
    """What it was posted with, J."""
    alive: bool
    """Whether it may still trade: from the decision on, until the market has closed it or no block can take it."""
    traded: tuple[tuple[int, int], ...] = ()
    """(interval, energy in J) of its final trades."""

    def __post_init__(self) -> None:
        first, last = self.first_interval, self.last_interval
        if first > last:
            raise LocalError("intervals of a commitment", got=(first, last), expected="first <= last")
        if any(energy_j < 0 or not first <= interval <= last for interval, energy_j in self.traded):
            raise LocalError("trades of a commitment", got=self.traded, expected=f"within {first}..{last}")
        if self.traded_j > self.offered_j:
            raise LocalError("energy traded", got=self.traded_j, expected=f"at most {self.offered_j}")

    @property
    def traded_j(self) -> int:
        """Everything it has traded, J."""
        return sum(energy_j for _, energy_j in self.traded)

    @property
    def open_j(self) -> int:
        """What may still trade, J."""
        return self.offered_j - self.traded_j if self.alive else 0

    @property
    def flexible(self) -> bool:
        """Whether the market may choose among several intervals: offers from the battery, and only these."""
        return self.first_interval < self.last_interval

    def most_in(self, interval: int) -> int:
        """The most energy it trades in an interval, whatever the market does, J."""
        if not self.first_interval <= interval <= self.last_interval:
            return 0
        return self.open_j + sum(energy_j for at, energy_j in self.traded if at == interval)


class Committed:
    """All commitments, added up as the limits ask for them."""

    def __init__(self, commitments: Iterable[Commitment], intervals_per_day: int) -> None:
        self._per_day = intervals_per_day
        self._positions: dict[tuple[Side, int], int] = {}
        self._days: dict[tuple[Side, int], int] = {}
        self._flexible: list[Commitment] = []
        for one in commitments:
            self.add(one)

    def add(self, one: Commitment) -> None:
        """Count one more."""
        if not one.alive and not one.traded:
            return
        if one.flexible:
            self._flexible.append(one)
        else:
            place = (one.side, one.first_interval)
            self._positions[place] = self._positions.get(place, 0) + one.most_in(one.first_interval)
        for interval, energy_j in one.traded:
            self._count(one.side, interval // self._per_day, energy_j)
        for day in self._days_of(one):
            self._count(one.side, day, one.open_j)

    def _count(self, side: Side, day: int, energy_j: int) -> None:
        self._days[side, day] = self._days.get((side, day), 0) + energy_j

    def _days_of(self, one: Commitment) -> range:
        return range(one.first_interval // self._per_day, one.last_interval // self._per_day + 1)

    @property
    def batteries(self) -> tuple[Commitment, ...]:
        """Open offers from the battery."""
        return tuple(one for one in self._flexible if one.open_j)

    def most_in(self, side: Side, interval: int) -> int:
        """The most energy of a side in an interval under any spread, J."""
        flexible = sum(one.most_in(interval) for one in self._flexible if one.side is side)
        return self.position_in(side, interval) + flexible

    def position_in(self, side: Side, interval: int) -> int:
        """What is promised out of the net position of one interval, J: everything but the battery's offers."""
        return self._positions.get((side, interval), 0)

    def on_day_of(self, side: Side, interval: int) -> int:
        """Energy promised or traded on the UTC day of an interval, J; an open offer counts on each of its days."""
        return self._days.get((side, interval // self._per_day), 0)

    def from_battery_on_day_of(self, interval: int) -> int:
        """Energy of the battery's offers that may still trade on the UTC day of an interval, J."""
        day = interval // self._per_day
        return sum(one.open_j for one in self._flexible if day in self._days_of(one))
