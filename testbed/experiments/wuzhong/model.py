"""The model: what communities own and need, in MWh of one hour and CNY.

A device turns an input ``x`` into outputs ``linear * x + quadratic * x**2``, with quadratic terms below 0. All
renewable power is taken; storage is off.

Source: the Proof-of-Solution paper's trading case, as its public code and data state it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, NamedTuple

GAS_PRICE: Final = 318.0
GRID_PRICE: Final = 994.7
"""Electricity from outside; nothing is sold outside."""
HEAT_PRICE: Final = 206.1
"""Heat from a zone's own plant, up to its limit."""


class Kind(Enum):
    """What a device turns into what."""

    CHP = "gas to electricity and heat"
    BOILER = "gas to heat"
    HEAT_PUMP = "electricity to cooling and heat"
    CHILLER = "electricity to cooling"
    ABSORBER = "heat to cooling"


class Device(NamedTuple):
    """One device; outputs in the order of its kind's name."""

    kind: Kind
    linear: tuple[float, ...]
    quadratic: tuple[float, ...]
    low: float
    high: float

    def outputs(self, x: float) -> tuple[float, ...]:
        """What an input gives."""
        return tuple(
            first * x + second * x * x for first, second in zip(self.linear, self.quadratic, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A power plant with cost ``quadratic * P**2 + linear * P + fixed``."""

    quadratic: float
    linear: float
    fixed: float
    low: float
    high: float

    def cost(self, power: float) -> float:
        """CNY for the hour."""
        return self.quadratic * power * power + self.linear * power + self.fixed


@dataclass(frozen=True, slots=True, kw_only=True)
class Community:
    """One participant."""

    number: int
    zone: int
    """Heat zone, from 0."""
    electricity: float
    """Load less sun and wind."""
    heat: float
    cooling: float
    devices: tuple[Device, ...]
    plant: Plant | None

    def with_devices(self, devices: tuple[Device, ...]) -> Community:
        """The same with other devices."""
        return replace(self, devices=devices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """All participants, and what each zone's heat plant can give at most."""

    communities: tuple[Community, ...]
    heat_limits: tuple[float, ...]

    def without(self, number: int) -> Market:
        """The market without one participant."""
        return replace(self, communities=tuple(c for c in self.communities if c.number != number))


class Settings(NamedTuple):
    """What one community does: the input of each device, and its plant's power."""

    inputs: tuple[float, ...]
    power: float


class Balance(NamedTuple):
    """What follows from it: bought (below 0: sold), and cooling beyond the need."""

    gas: float
    electricity: float
    heat: float
    cooling_spare: float
    plant_cost: float


def balance_of(community: Community, settings: Settings) -> Balance:
    """What a community buys with given settings."""
    gas, cooling = 0.0, -community.cooling
    electricity, heat = community.electricity - settings.power, community.heat
    for device, x in zip(community.devices, settings.inputs, strict=True):
        out = device.outputs(x)
        match device.kind:
            case Kind.CHP:
                gas, electricity, heat = gas + x, electricity - out[0], heat - out[1]
            case Kind.BOILER:
                gas, heat = gas + x, heat - out[0]
            case Kind.HEAT_PUMP:
                electricity, cooling, heat = electricity + x, cooling + out[0], heat - out[1]
            case Kind.CHILLER:
                electricity, cooling = electricity + x, cooling + out[0]
            case Kind.ABSORBER:
                heat, cooling = heat + x, cooling + out[0]
    plant_cost = 0.0 if community.plant is None else community.plant.cost(settings.power)
    return Balance(gas, electricity, heat, cooling, plant_cost)
