"""A scenario: what a whole grid wants on one day, in whole joules and absolute interval numbers.

Interval numbers are ``UTC seconds // interval_s``. A scenario day begins at 00:00 of its own clock, which it
takes as UTC: an emulated village has no time zone and no daylight-saving day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from firmware_app.trading.intent import Intent
from light_client.rules.errors import LocalError
from light_client.rules.market.grid import Feeder
from light_client.rules.units import FeederId, Side
from testbed.scenarios.errors import PlanError

DAY_S = 86_400


def first_interval_of(day: date, interval_s: int) -> int:
    """Number of the first interval of ``day`` (00:00 UTC)."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return int(midnight.timestamp()) // interval_s


def equal_feeders(numbers: Iterable[int], *, c_ext_w: int, c_int_w: int | None) -> tuple[Feeder, ...]:
    """Feeders of these numbers, ascending, all with the same limits (W)."""
    return tuple(
        Feeder(feeder=FeederId(number), c_ext_w=c_ext_w, c_int_w=c_int_w) for number in sorted(numbers)
    )


def numbered_homes(homes_per_feeder: Iterable[int]) -> list[tuple[int, int]]:
    """(home id, feeder) of every home: feeders count from 1, and house 7 on feeder 10 is home 1007."""
    return [
        (feeder * 100 + house, feeder)
        for feeder, count in enumerate(homes_per_feeder, start=1)
        for house in range(1, count + 1)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """A home battery that stores surplus for sale later."""

    capacity_j: int
    """Energy it can hold, J; positive."""
    power_w: int
    """Most power in or out, W; positive."""
    efficiency_percent: int = 100
    """Share of the energy put in that comes out again, percent; 1..100."""

    def __post_init__(self) -> None:
        for name, value in (("capacity_j", self.capacity_j), ("power_w", self.power_w)):
            if value <= 0:
                raise PlanError(f"battery {name}", got=value, expected="a positive number")
        if not 1 <= self.efficiency_percent <= 100:
            raise PlanError(
                "battery efficiency_percent",
                got=self.efficiency_percent,
                expected="1..100",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeDay:
    """One home's day as its meter will see it."""

    home_id: int
    feeder: int
    load_j: tuple[int, ...]
    """Consumption per interval, J; none negative."""
    pv_j: tuple[int, ...]
    """Generation per interval, J; none negative; as long as ``load_j``."""
    battery: Battery | None = None

    def __post_init__(self) -> None:
        if len(self.load_j) != len(self.pv_j):
            raise PlanError(
                f"home {self.home_id}: generation",
                got=len(self.pv_j),
                expected=f"{len(self.load_j)} values",
            )
        lowest = min((*self.load_j, *self.pv_j), default=0)
        if lowest < 0:
            raise PlanError(
                f"home {self.home_id}: energy of an interval",
                got=lowest,
                expected="0 J or more",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOffer(Intent):
    """What a home of a scenario intends to offer: whose it is, and where."""

    home_id: int
    feeder: int

    def __post_init__(self) -> None:
        try:
            Intent.__post_init__(self)
        except LocalError as error:
            raise PlanError(error.reason, got=error.got, expected=error.expected) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One trading day of one grid."""

    name: str
    interval_s: int
    first_interval: int
    intervals: int
    feeders: tuple[Feeder, ...]
    """Ascending by number."""
    homes: tuple[HomeDay, ...]
    """Ascending by home id."""
    offers: tuple[PlannedOffer, ...]

    def __post_init__(self) -> None:
        numbers = [feeder.feeder for feeder in self.feeders]
        if numbers != sorted(set(numbers)):
            raise PlanError("feeders", got=numbers, expected="strictly ascending numbers")
        ids = [home.home_id for home in self.homes]
        if ids != sorted(set(ids)):
            raise PlanError("home ids", got=ids, expected="strictly ascending")
        for home in self.homes:
            if home.feeder not in numbers or len(home.load_j) != self.intervals:
                got = (home.feeder, len(home.load_j))
                raise PlanError(
                    f"home {home.home_id} (feeder, intervals)",
                    got=got,
                    expected=self.intervals,
                )
        place = {home.home_id: home.feeder for home in self.homes}
        last = self.first_interval + self.intervals - 1
        for offer in self.offers:
            if place.get(offer.home_id) != offer.feeder:
                raise PlanError(
                    f"feeder of home {offer.home_id}",
                    got=offer.feeder,
                    expected=place.get(offer.home_id),
                )
            if offer.first_interval < self.first_interval or offer.last_interval > last:
                got = (offer.first_interval, offer.last_interval)
                raise PlanError(
                    "interval of an offer",
                    got=got,
                    expected=f"{self.first_interval}..{last}",
                )

    @property
    def last_interval(self) -> int:
        """The last interval of the day."""
        return self.first_interval + self.intervals - 1

    def offers_posted_in(self, interval: int) -> Iterator[PlannedOffer]:
        """The offers that homes post in ``interval``, in scenario order."""
        return (offer for offer in self.offers if offer.post_interval == interval)

    def energy_j(self, side: Side) -> int:
        """Energy of all offers of one side, J."""
        return sum(offer.energy_j for offer in self.offers if offer.side == side)

    def offered_per_interval_j(self, side: Side) -> tuple[int, ...]:
        """Energy offered per interval of the day, J; an offer over several intervals counts in its first."""
        totals = [0] * self.intervals
        for offer in self.offers:
            if offer.side == side:
                totals[offer.first_interval - self.first_interval] += offer.energy_j
        return tuple(totals)
