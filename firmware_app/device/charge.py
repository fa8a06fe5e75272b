"""The battery's state of charge: where it comes from, how old it is, and when nobody may rely on it.

a reading of the battery's meter      its value, if it can be one, counts from then on
none for `max_age_s`, or no number    nobody knows what is stored: nothing is offered out of the battery, an event and
                                      a warning say so; the next good value ends it
an interval of that meter is over     what it fed into the home counts towards the day's cycles
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from firmware_app.bidding.battery import BatteryState
from firmware_app.config.schema import BatterySection
from meter_io.bus.dialogue import Said
from meter_io.intervals import IntervalEnergy
from meter_io.reading import JOULES_PER_WH, Unit, Value

_DAY_MS: Final = 86_400_000
_PERCENT: Final = 100
_OVER_PERCENT: Final = 105
"""A battery that tells its energy may hold a little more than its plate says; beyond this it is another unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeReport:
    """The state of charge for people."""

    stored_j: int | None
    """None while nobody knows."""
    age_ms: int | None
    """Of the newest value that could be one; None before the first."""
    why: str
    """Why nobody knows; empty where it is known."""


class StateOfCharge:
    """What one battery holds, as far as its meter tells."""

    def __init__(
        self,
        section: BatterySection,
        *,
        monotonic_ms: Callable[[], int],
        event: Callable[[str, str], None],
        interval_s: int,
    ) -> None:
        """Begin with nothing known.

        Args:
            event: records that something happened: name and detail.
        """
        self.meter: Final = section.meter
        self._section = section
        self._monotonic_ms = monotonic_ms
        self._event = event
        self._interval_ms = interval_s * 1_000
        self._stored_j: int | None = None
        self._at_ms = 0
        self._wrong = "the battery's meter told nothing yet"
        self._stale = False
        self._discharged: dict[int, int] = {}
        """Interval of the newest day -> energy that the battery fed into the home, J."""

    def hear(self, said: Said, at_ms: int) -> None:
        """Take in what the battery's meter said.

        Args:
            at_ms: when, by the board's monotonic clock.
        """
        value = said.values.get(self._section.obis)
        if value is None:
            self._wrong = f"its meter does not give {self._section.measurement}"
            return
        stored_j, self._wrong = self._energy(value)
        if stored_j is None:
            return
        self._stored_j, self._at_ms = stored_j, at_ms
        if self._stale:
            self._stale = False
            self._event("battery.back", "the state of charge is known again")

    def _energy(self, value: Value) -> tuple[int | None, str]:
        """What a value says in joules, or why it can be none."""
        capacity_j = self._section.capacity_j
        if value.unit is Unit.PERCENT and 0 <= value.number <= _PERCENT:
            return int(value.number * capacity_j / _PERCENT), ""
        if (
            value.unit is Unit.WATT_HOUR
            and 0 <= value.number * JOULES_PER_WH * _PERCENT <= capacity_j * _OVER_PERCENT
        ):
            return min(capacity_j, int(value.number * JOULES_PER_WH)), ""
        return None, f"its meter says {value.number} {value.unit.value}, which is no state of this battery"

    def counted(self, energies: Iterable[IntervalEnergy]) -> None:
        """Intervals of the battery's meter are over; told again, they change nothing."""
        for energy in energies:
            if energy.meter == self.meter:
                self._discharged[energy.interval] = energy.energy_j[1] or 0
        newest = self._day_of(max(self._discharged, default=0))
        for interval in [one for one in self._discharged if self._day_of(one) < newest]:
            del self._discharged[interval]

    def _day_of(self, interval: int) -> int:
        return interval * self._interval_ms // _DAY_MS

    def state(self, now_ms: int) -> BatteryState | None:
        """What the battery holds; None while nobody knows.

        Args:
            now_ms: UTC, for the day that cycles are counted in.
        """
        report = self.report()
        if report.stored_j is None:
            if not self._stale:
                self._stale = True
                self._event("battery.unknown", report.why)
            return None
        today = now_ms // _DAY_MS
        fed_j = sum(
            energy_j for interval, energy_j in self._discharged.items() if self._day_of(interval) == today
        )
        return BatteryState(stored_j=report.stored_j, discharged_today_j=self._section.taken_for(fed_j))

    def report(self) -> ChargeReport:
        """What is known, for people."""
        if self._stored_j is None:
            return ChargeReport(stored_j=None, age_ms=None, why=self._wrong)
        age_ms = self._monotonic_ms() - self._at_ms
        if age_ms <= self._section.max_age_s * 1_000:
            return ChargeReport(stored_j=self._stored_j, age_ms=age_ms, why="")
        why = self._wrong or f"its meter last told {age_ms // 1_000} s ago, limit {self._section.max_age_s} s"
        return ChargeReport(stored_j=None, age_ms=age_ms, why=why)
