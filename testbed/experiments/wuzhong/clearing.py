"""Finding the market's prices exactly: every device has a closed form, and each price is the root of one sum.

Given electricity and heat prices, the price of cooling is the only coupling inside a community; a zone's heat price is
the root of its heat balance; the electricity price that of the whole balance. All three sums fall as their price rises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from testbed.experiments.wuzhong.model import (
    GAS_PRICE,
    GRID_PRICE,
    HEAT_PRICE,
    Community,
    Kind,
    Market,
    Settings,
)

Floats = npt.NDArray[np.float64]
_HALVINGS: Final = 46
"""From the widest range of prices to less than 1e-10 CNY/MWh."""
_KINDS: Final = tuple(Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """Prices, and what everybody does at them."""

    electricity_price: float
    heat_prices: tuple[float, ...]
    cooling_prices: tuple[float, ...]
    settings: tuple[Settings, ...]


class Responses:
    """Best responses of all communities at once, in columns."""

    def __init__(self, market: Market) -> None:
        self.market = market
        devices = [(owner, device) for owner, c in enumerate(market.communities) for device in c.devices]
        self.owner = np.array([owner for owner, _ in devices])
        self.kind = np.array([_KINDS.index(device.kind) for _, device in devices])
        self.linear = np.array([(*device.linear, 0.0)[:2] for _, device in devices])
        self.quadratic = np.array([(*device.quadratic, 0.0)[:2] for _, device in devices])
        self.low = np.array([device.low for _, device in devices])
        self.high = np.array([device.high for _, device in devices])
        self.zone = np.array([community.zone for community in market.communities])
        cooling = [_KINDS.index(kind) for kind in (Kind.HEAT_PUMP, Kind.CHILLER, Kind.ABSORBER)]
        self._cools = np.isin(self.kind, cooling).nonzero()[0]
        self._coolers = (self.owner[self._cools], self.linear[self._cools], self.quadratic[self._cools])
        self.need = np.array([(c.electricity, c.heat, c.cooling) for c in market.communities])

    def inputs(self, electricity: Floats, heat: Floats, cooling: Floats) -> Floats:
        """Each device's best input at its community's prices."""
        e, h, c = (price[self.owner] for price in (electricity, heat, cooling))
        zero, gas = np.zeros_like(e), np.full_like(e, GAS_PRICE)
        first = np.choose(self.kind, (e, h, c, c, c))
        second = np.choose(self.kind, (h, zero, h, zero, zero))
        cost = np.choose(self.kind, (gas, gas, e, e, h))
        slope = first * self.linear[:, 0] + second * self.linear[:, 1] - cost
        bend = -2 * (first * self.quadratic[:, 0] + second * self.quadratic[:, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            best = np.where(bend > 0, slope / bend, np.where(slope > 0, np.inf, -np.inf))
        return np.clip(best, self.low, self.high)

    def cooling_at(self, electricity: Floats, heat: Floats) -> Floats:
        """Each community's price of cooling: the root of what its devices give less what it needs.

        The same as ``inputs`` for the devices that cool, without the others.
        """
        owner, linear, quadratic = self._coolers
        count = len(self.market.communities)
        pump = self.kind[self._cools] == _KINDS.index(Kind.HEAT_PUMP)
        absorber = self.kind[self._cools] == _KINDS.index(Kind.ABSORBER)
        warmth = np.where(pump, heat[owner], 0.0)
        cost = np.where(absorber, heat[owner], electricity[owner]) - warmth * linear[:, 1]
        bend = -2 * warmth * quadratic[:, 1]
        low, high = np.zeros(count), np.full(count, 4 * GRID_PRICE)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            price = middle[owner]
            with np.errstate(divide="ignore", invalid="ignore"):
                best = (price * linear[:, 0] - cost) / (bend - 2 * price * quadratic[:, 0])
            x = np.clip(best, self.low[self._cools], self.high[self._cools])
            given = np.bincount(owner, x * linear[:, 0] + x * x * quadratic[:, 0], count)
            enough = given >= self.need[:, 2]
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return high

    def balances(self, inputs: Floats, electricity: Floats) -> tuple[Floats, Floats, Floats]:
        """Electricity and heat bought, and cooling to spare, per community."""
        out = inputs[:, None] * self.linear + (inputs * inputs)[:, None] * self.quadratic
        is_kind = [self.kind == _KINDS.index(kind) for kind in _KINDS]
        chp, boiler, pump, chiller, absorber = is_kind
        bought = np.where(pump | chiller, inputs, 0.0) - np.where(chp, out[:, 0], 0.0)
        heat = (
            np.where(absorber, inputs, 0.0)
            - np.where(boiler, out[:, 0], 0.0)
            - np.where(chp | pump, out[:, 1], 0.0)
        )
        cooling = np.where(pump | chiller | absorber, out[:, 0], 0.0)
        sums = [
            np.bincount(self.owner, part, len(self.market.communities)) for part in (bought, heat, cooling)
        ]
        power = np.array(
            [self.power(c, price) for c, price in zip(self.market.communities, electricity, strict=True)]
        )
        return (
            self.need[:, 0] - power + sums[0],
            self.need[:, 1] + sums[1],
            sums[2] - self.need[:, 2],
        )

    @staticmethod
    def power(community: Community, price: float) -> float:
        """A plant's best power."""
        plant = community.plant
        if plant is None:
            return 0.0
        return min(max((price - plant.linear) / (2 * plant.quadratic), plant.low), plant.high)


Seen = Callable[[Floats], Floats]
"""What each community is shown of the electricity price."""


def honest(price: Floats) -> Floats:
    """Everybody is shown the true price."""
    return price


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What communities do once their zones' heat is balanced."""

    heat_prices: Floats
    cooling_prices: Floats
    inputs: Floats
    bought: Floats
    """Electricity, by community, MWh."""


def react(responses: Responses, electricity: Floats) -> Reaction:
    """What communities do at the electricity price that each is shown, with the heat prices that balance their zones.

    A zone's heat price is the root of its balance, or the outside price where its plant has to help.
    """
    zones = len(responses.market.heat_limits)
    low, high = np.zeros(zones), np.full(zones, HEAT_PRICE)
    closed = np.array(responses.market.heat_limits) <= 0
    high[closed] = 4 * HEAT_PRICE
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        at = middle[responses.zone]
        inputs = responses.inputs(electricity, at, responses.cooling_at(electricity, at))
        short = np.bincount(responses.zone, responses.balances(inputs, electricity)[1], zones) > 0
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    at = high[responses.zone]
    cooling = responses.cooling_at(electricity, at)
    inputs = responses.inputs(electricity, at, cooling)
    bought = responses.balances(inputs, electricity)[0]
    return Reaction(heat_prices=high, cooling_prices=cooling, inputs=inputs, bought=bought)


def balancing_price(wanted: Callable[[float], float]) -> float:
    """The electricity price at which nothing is wanted; that of the grid where something still is.

    Args:
        wanted: net purchase of everybody at a price, falling in it.
    """
    return GRID_PRICE if wanted(GRID_PRICE) > 0 else float(brentq(wanted, 1.0, GRID_PRICE, xtol=1e-9))


def clear(market: Market, shown: Seen = honest) -> Cleared:
    """The prices at which everything balances.

    Args:
        market: who takes part.
        shown: what communities see of the electricity price; a liar shows one of them less.
    """
    responses = Responses(market)
    count = len(market.communities)
    price = balancing_price(lambda price: float(react(responses, shown(np.full(count, price))).bought.sum()))
    electricity = shown(np.full(count, price))
    reaction = react(responses, electricity)
    return Cleared(
        electricity_price=price,
        heat_prices=tuple(reaction.heat_prices.tolist()),
        cooling_prices=tuple(reaction.cooling_prices.tolist()),
        settings=settings_of(responses, reaction.inputs, electricity),
    )


def settings_of(responses: Responses, inputs: Floats, electricity: Floats) -> tuple[Settings, ...]:
    """What each community sets, out of the columns."""
    return tuple(
        Settings(
            tuple(inputs[responses.owner == number].tolist()), responses.power(community, electricity[number])
        )
        for number, community in enumerate(responses.market.communities)
    )
