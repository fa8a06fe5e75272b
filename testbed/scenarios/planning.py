"""From a home's day to its offers: net position, battery, reservation prices, time of posting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from light_client.rules.market.grid import Feeder
from light_client.rules.units import LOT_J, Side, energy_of_power
from testbed.scenarios.chance import Chance
from testbed.scenarios.errors import PlanError
from testbed.scenarios.model import (
    DAY_S,
    Battery,
    HomeDay,
    PlannedOffer,
    Scenario,
    first_interval_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBand:
    """Where one side's reservation prices lie, micro-currency per kWh."""

    low: int
    high: int
    step: int = 10_000
    """Distance of two prices on the coarse grid: a price must not be a fingerprint."""

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high or self.step <= 0 or (self.high - self.low) % self.step:
            got = (self.low, self.high, self.step)
            raise PlanError(
                "price band (low, high, step)",
                got=got,
                expected="0 <= low <= high on a grid of step",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """How homes choose reservation prices: one for all, or each home its own from a band per side."""

    sell: PriceBand = PriceBand(low=80_000, high=200_000)
    """From the feed-in tariff (0.08 per kWh) upwards: nobody sells for less than the grid pays."""
    buy: PriceBand = PriceBand(low=140_000, high=300_000)
    """Up to the retail price (0.30 per kWh): nobody pays more than the grid asks."""
    uniform_uc_per_kwh: int | None = None
    reacting: bool = False
    """Whether homes that are left over follow a broadcast average, as far as the better end of their side's band."""

    def last_limit(self, side: Side) -> int | None:
        """The last limit that a home of this side ever accepts, micro-currency per kWh; None: it never moves."""
        if not self.reacting:
            return None
        return self.sell.low if side is Side.SELL else self.buy.high

    def of(self, home_id: int, side: Side, chance: Chance) -> int:
        """The reservation price of one home on one side, micro-currency per kWh."""
        if self.uniform_uc_per_kwh is not None:
            return self.uniform_uc_per_kwh
        band = self.sell if side is Side.SELL else self.buy
        return chance.on_grid(band.low, band.high, band.step, "price", home_id, side.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """When offers are posted."""

    lead_intervals: int = 4
    """How many intervals before its first interval an offer is posted; at least 1."""

    def __post_init__(self) -> None:
        if self.lead_intervals < 1:
            raise PlanError("lead_intervals", got=self.lead_intervals, expected="at least 1")

    def interval_for(self, first_interval: int, day_first: int) -> int:
        """The interval of posting: the lead, but not before the interval that precedes the day."""
        return max(first_interval - self.lead_intervals, day_first - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What a battery does with a day's surplus; offsets are intervals since the start of the day."""

    charged_j: tuple[int, ...]
    """Surplus diverted into the battery per interval, J."""
    lots: tuple[tuple[int, int, int], ...]
    """(first offset, last offset, energy in J) of what it offers: disjoint windows, ascending."""


def store_surplus(battery: Battery, surplus_j: tuple[int, ...], interval_s: int) -> Storage:
    """Divert surplus into the battery and offer it once, later, within its power.

    Charging takes the surplus of each interval up to the power limit until the battery is full. What comes
    out again is cut into lots of at most one interval at full power. The lots get windows that do not overlap
    and begin after charging has ended, so that whatever the market clears, the inverter can deliver it and no
    joule is offered twice.
    """
    per_interval = energy_of_power(battery.power_w, interval_s)
    room = battery.capacity_j
    charged = []
    for surplus in surplus_j:
        taken = min(surplus, per_interval, room) // LOT_J * LOT_J
        charged.append(taken)
        room -= taken
    ready = max(
        (index + 1 for index, taken in enumerate(charged) if taken),
        default=len(charged),
    )
    free = len(charged) - ready
    lot_limit = per_interval // LOT_J * LOT_J
    stored = sum(charged) * battery.efficiency_percent // 100 // LOT_J * LOT_J
    stored = min(stored, free * lot_limit)
    if not stored:
        return Storage(charged_j=(0,) * len(charged), lots=())
    count = -(-stored // lot_limit)
    lots = []
    for number in range(count):
        first = ready + free * number // count
        last = ready + free * (number + 1) // count - 1
        lots.append((first, last, min(lot_limit, stored - number * lot_limit)))
    return Storage(charged_j=tuple(charged), lots=tuple(lots))


def plan_offers(
    home: HomeDay,
    *,
    day_first: int,
    interval_s: int,
    prices: Prices,
    posting: Posting,
    chance: Chance,
) -> tuple[PlannedOffer, ...]:
    """All offers of one home on one day.

    The net position (generation less load) of each interval, rounded down to whole Wh, is a sell or a buy
    offer for that interval alone; what a battery stores is taken from the surplus first and offered later
    over several intervals.
    """
    net = [pv - load for pv, load in zip(home.pv_j, home.load_j, strict=True)]
    surplus = tuple(max(value, 0) // LOT_J * LOT_J for value in net)
    storage = Storage(charged_j=(0,) * len(net), lots=())
    if home.battery is not None:
        storage = store_surplus(home.battery, surplus, interval_s)
    wishes = [
        (Side.SELL, offset, offset, sold - stored)
        for offset, (sold, stored) in enumerate(zip(surplus, storage.charged_j, strict=True))
    ]
    wishes += [(Side.SELL, first, last, energy) for first, last, energy in storage.lots]
    wishes += [
        (Side.BUY, offset, offset, -value // LOT_J * LOT_J) for offset, value in enumerate(net) if value < 0
    ]
    return tuple(
        PlannedOffer(
            home_id=home.home_id,
            feeder=home.feeder,
            side=side,
            energy_j=energy,
            first_interval=day_first + first,
            last_interval=day_first + last,
            price_uc_per_kwh=prices.of(home.home_id, side, chance),
            last_limit_uc_per_kwh=prices.last_limit(side),
            post_interval=posting.interval_for(day_first + first, day_first),
        )
        for side, first, last, energy in wishes
        if energy > 0
    )


def plan_day(
    homes: Sequence[HomeDay],
    feeders: tuple[Feeder, ...],
    *,
    name: str,
    day: date,
    interval_s: int,
    prices: Prices,
    posting: Posting,
    chance: Chance,
) -> Scenario:
    """The scenario in which each of ``homes`` (ascending by id) posts its offers of ``day``."""
    day_first = first_interval_of(day, interval_s)
    offers = (
        plan_offers(
            home,
            day_first=day_first,
            interval_s=interval_s,
            prices=prices,
            posting=posting,
            chance=chance,
        )
        for home in homes
    )
    return Scenario(
        name=name,
        interval_s=interval_s,
        first_interval=day_first,
        intervals=DAY_S // interval_s,
        feeders=feeders,
        homes=tuple(homes),
        offers=tuple(offer for of_home in offers for offer in of_home),
    )
