"""What owner and operator decide about bidding: risk, prices, limits, battery, privacy. Integers, units in the names.

The fields are the keys of the tables ``[bidding]``, ``[battery]`` and ``[privacy]`` of the configuration document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from light_client.rules.errors import LocalError
from light_client.rules.units import JOULES_PER_WH, MAX_PRICE_UC_PER_KWH

PERMILLE: Final = 1_000
_MINUTES_PER_DAY: Final = 1_440
_SPAN: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


class Strategy(StrEnum):
    """How reservation prices are chosen."""

    TRUTHFUL = "truthful"
    """What the grid would pay or ask, less a margin: always trades when there is a partner who gains."""
    ADAPTIVE = "adaptive"
    """From there, one step of the grid dearer after each interval that was served, cheaper after each that was not."""


def _within(name: str, got: int, low: int, high: int) -> None:
    """Refuse a setting outside its bounds.

    Raises:
        LocalError: it is none of low..high.
    """
    if type(got) is not int or not low <= got <= high:
        raise LocalError(f"setting {name}", got=got, expected=f"{low}..{high}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BiddingSettings:
    """Risk, prices and limits of one home.

    Raises:
        LocalError: a value out of bounds, or prices that leave nothing to gain.
    """

    sell: bool = True
    """Whether anything may be sold."""
    buy: bool = True
    """Whether anything may be bought."""
    sell_chance_permille: int = 500
    """How sure it must be that what is sold will be there: at 900 little is sold and seldom missing; 500: even odds."""
    buy_chance_permille: int = 500
    """How sure it must be that what is bought will be needed, likewise."""
    strategy: Strategy = Strategy.TRUTHFUL
    feed_in_uc_per_kwh: int = 80_000
    """What the grid pays for surplus: nobody sells below it."""
    retail_uc_per_kwh: int = 300_000
    """What the grid asks: nobody buys above it."""
    margin_uc_per_kwh: int = 0
    """Least gain on a kilowatt-hour over what the grid would have paid or asked."""
    adaptive_steps: int = 4
    """How many steps of the price grid the adaptive strategy goes at most beyond the truthful price."""
    floor_uc_per_kwh: int = 0
    """The operator's lowest price of a sale."""
    ceiling_uc_per_kwh: int = MAX_PRICE_UC_PER_KWH
    """The operator's highest price of a purchase."""
    max_power_w: int = 10_000
    """Most mean power offered in one interval, on either side, W."""
    max_sell_wh_per_day: int = 100_000
    """Most energy sold in one UTC day, open offers included, Wh."""
    max_buy_wh_per_day: int = 100_000
    """Most energy bought in one UTC day, open offers included, Wh."""
    excluded: tuple[str, ...] = ()
    """Times of the day (UTC) in which nothing is offered, such as ``"17:00-20:00"``."""

    def __post_init__(self) -> None:
        for name in ("sell_chance_permille", "buy_chance_permille"):
            _within(name, getattr(self, name), 1, PERMILLE - 1)
        for name in (
            "feed_in_uc_per_kwh",
            "retail_uc_per_kwh",
            "margin_uc_per_kwh",
            "floor_uc_per_kwh",
            "ceiling_uc_per_kwh",
        ):
            _within(name, getattr(self, name), 0, MAX_PRICE_UC_PER_KWH)
        _within("adaptive_steps", self.adaptive_steps, 0, 100)
        _within("max_power_w", self.max_power_w, 0, 10_000_000)
        for name in ("max_sell_wh_per_day", "max_buy_wh_per_day"):
            _within(name, getattr(self, name), 0, 240_000_000)
        if self.feed_in_uc_per_kwh + 2 * self.margin_uc_per_kwh > self.retail_uc_per_kwh:
            raise LocalError(
                "feed-in price and twice the margin",
                got=self.feed_in_uc_per_kwh + 2 * self.margin_uc_per_kwh,
                expected=f"at most the retail price {self.retail_uc_per_kwh}",
            )
        for text in self.excluded:
            _span_of(text)

    def excludes(self, interval: int, interval_s: int) -> bool:
        """Whether an interval touches an excluded time of the day."""
        begin_s = interval * interval_s % 86_400
        for text in self.excluded:
            first, last = _span_of(text)
            for shift in (0, 86_400):  # an interval may go past midnight
                if begin_s < last * 60 + shift and begin_s + interval_s > first * 60 + shift:
                    return True
        return False


def _span_of(text: str) -> tuple[int, int]:
    """First and last minute of a span of the day.

    Raises:
        LocalError: it is not of the form HH:MM-HH:MM, or ends before it begins.
    """
    match = _SPAN.fullmatch(text)
    if match is not None:
        hour, minute, last_hour, last_minute = map(int, match.groups())
        first, last = hour * 60 + minute, last_hour * 60 + last_minute
        if first < last <= _MINUTES_PER_DAY:
            return first, last
    raise LocalError("excluded time of the day", got=text, expected="HH:MM-HH:MM, UTC, up to 24:00")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatterySettings:
    """What the battery can do, and how much of it may be sold.

    Raises:
        LocalError: a value out of bounds, or a reserve above the capacity.
    """

    capacity_wh: int
    """Energy it can hold, Wh."""
    charge_w: int
    """Most power in, W."""
    discharge_w: int
    """Most power out, W."""
    charge_permille: int = 950
    """Of the energy put in, the share that is stored."""
    discharge_permille: int = 950
    """Of the energy taken out of the store, the share that arrives. The round trip is the product of both."""
    reserve_wh: int = 0
    """Energy that is never sold, Wh: for an outage, or for the health of the cells."""
    cycles_per_day_permille: int = 1_000
    """Most energy discharged in a UTC day for sale and own use together, in thousandths of the capacity."""
    sell: bool = True
    """Whether anything is sold out of it. Only where something keeps the inverter to what must stay in the store."""
    window_intervals: int = 16
    """Over how many intervals the market may spread one offer from the battery; at least 2."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("capacity_wh", 1, 100_000_000),
            ("charge_w", 1, 10_000_000),
            ("discharge_w", 1, 10_000_000),
            ("charge_permille", 1, PERMILLE),
            ("discharge_permille", 1, PERMILLE),
            ("cycles_per_day_permille", 0, 100_000),
            ("window_intervals", 2, 96),
        ):
            _within(name, getattr(self, name), low, high)
        _within("reserve_wh", self.reserve_wh, 0, self.capacity_wh)

    @property
    def capacity_j(self) -> int:
        """Energy it can hold, J."""
        return self.capacity_wh * JOULES_PER_WH

    @property
    def reserve_j(self) -> int:
        """Energy that is never sold, J."""
        return self.reserve_wh * JOULES_PER_WH

    def stored_from(self, put_in_j: int) -> int:
        """What is in the store after putting energy in, J; rounded down."""
        return put_in_j * self.charge_permille // PERMILLE

    def put_in_for(self, stored_j: int) -> int:
        """What may be put in without storing more than this, J; rounded down."""
        return stored_j * PERMILLE // self.charge_permille

    def taken_for(self, delivered_j: int) -> int:
        """What leaves the store for energy delivered, J; rounded up."""
        return -(-delivered_j * PERMILLE // self.discharge_permille)

    def delivered_from(self, taken_j: int) -> int:
        """What arrives of energy out of the store, J; rounded down."""
        return taken_j * self.discharge_permille // PERMILLE


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacySettings:
    """What is given up so that offers look alike (docs/privacy.md shows how much it costs).

    Raises:
        LocalError: a value out of bounds, or units of lots that are not ascending.
    """

    lot_wh: int = 100
    """The standard lot, Wh: energy short of a whole lot is not offered; 1 offers all of it."""
    lot_units: tuple[int, ...] = (1, 2, 5, 10)
    """How many lots one offer may hold, like the values of coins; ascending from 1. Empty: one offer of any size."""
    price_step_uc_per_kwh: int = 100_000
    """Distance of two prices on the coarse grid. Half of what lies between feed-in and retail price costs hardly any
    trade and hides a home's own margin; a fine grid is a fingerprint."""
    spread_intervals: int = 2
    """Over how many intervals the moment of posting is drawn; more hides more, and forecasts further ahead."""
    batch_lots: int = 8
    """The daily batch of addresses is asked for in multiples of so many, so that its size tells little."""

    def __post_init__(self) -> None:
        _within("lot_wh", self.lot_wh, 1, 1_000_000)
        _within("price_step_uc_per_kwh", self.price_step_uc_per_kwh, 1, MAX_PRICE_UC_PER_KWH)
        _within("spread_intervals", self.spread_intervals, 1, 48)
        _within("batch_lots", self.batch_lots, 1, 200)
        units = self.lot_units
        if units and (units[0] != 1 or list(units) != sorted(set(units))):
            raise LocalError("units of lots", got=units, expected="ascending from 1")

    @property
    def lot_j(self) -> int:
        """The standard lot, J."""
        return self.lot_wh * JOULES_PER_WH
