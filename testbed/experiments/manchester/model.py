"""The model: eight energy hubs on an electric, a heat and a gas network, over a day of whole hours; kW and $.

A hub has a CHP plant (heat 1.5 times its power), a gas boiler, a battery and a heat tank. All loads follow one load
factor. The heat tank comes in two variants: ``VERBATIM`` as the published code has it, where a level takes in the
flow of its own hour, so that what the first hour gives is free and the last hour counts twice; and ``FIXED``.

Source: the Proof-of-Solution paper's dispatch case, as its public code and data state it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import exp, fsum, sqrt
from typing import Final, NamedTuple, TypeAlias

Table: TypeAlias = tuple[tuple[float, ...], ...]
"""Hour by hour, one number per hub, branch or node."""

GAS_KWH_PER_M3: Final = 39 / 3.6
"""Heating value of gas."""


class Tank(Enum):
    """How the heat tank's level follows from its flows."""

    VERBATIM = "verbatim"
    FIXED = "fixed"


class Branch(NamedTuple):
    """One way of a network, in the direction of its flow; nodes count from 0."""

    start: int
    end: int
    first: float
    """Resistance, ohm; or conductance to the ground, W/K; or Weymouth's factor."""
    second: float = 0.0
    """Reactance, ohm."""


class Store(NamedTuple):
    """A battery or heat tank, the same at every hub."""

    most_in: float
    most_out: float
    largest: float
    efficiency: float
    retention: float

    @property
    def smallest(self) -> float:
        """Lowest level: a tenth of the largest."""
        return self.largest / 10

    @property
    def start(self) -> float:
        """Level at the beginning and the end: half of the largest."""
        return self.largest / 2


class Hub(NamedTuple):
    """Where a hub is connected, and what its plants cost per MW and MW**2: ``aP²+bP+cH²+dH+ePH``."""

    electric: int
    heat: int
    gas: int
    boiler: float
    """Largest heat of its boiler, kW."""
    cost: tuple[float, float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Everything that is given."""

    hubs: tuple[Hub, ...]
    chp: float
    """Largest power, and apparent power, of a CHP plant, kW and kVA."""
    chp_efficiency: float
    heat_per_power: float
    boiler_efficiency: float
    boiler_cost: float
    """$/kWh of heat."""
    battery: Store
    tank: Store
    loads: tuple[float, ...]
    """Active power by electric node, kW, at load factor 1."""
    reactive_loads: tuple[float, ...]
    lines: tuple[Branch, ...]
    source: int
    """Electric node that the bulk power system feeds."""
    nominal_kv: float
    volts: tuple[float, float]
    """Smallest and largest square of a voltage, kV²."""
    amps: float
    """Largest square of a current, A²."""
    heat_loads: tuple[float, ...]
    pipes: tuple[Branch, ...]
    draw: float
    """Water that every node with a heat load takes, kg/s."""
    supply: float
    ambient: float
    """Temperatures, °C."""
    heat_capacity: float
    """Of water, kJ/(kg K)."""
    gas_loads: tuple[float, ...]
    gas_pipes: tuple[Branch, ...]
    gas_source: int
    gas_pressure: float
    prices: tuple[float, ...]
    """Of the bulk power system, $/kWh, by hour."""
    factors: tuple[float, ...]

    @property
    def hours(self) -> int:
        """How many there are."""
        return len(self.prices)

    @property
    def most_flow(self) -> float:
        """More than a line carries of active or reactive power, kW: what its voltage and current allow."""
        return sqrt(self.volts[1] * self.amps)

    def plant_cost(self, hub: int) -> tuple[float, float]:
        """Square and linear term of what a kW of power with its heat costs, $."""
        a, b, c, d, e = self.hubs[hub].cost
        ratio = self.heat_per_power
        return (a + c * ratio**2 + e * ratio) / 1e6, (b + d * ratio) / 1e3

    def cooled(self, pipe: Branch, flow: float) -> float:
        """What is left, at a pipe's end, of its water's warmth above the ground's."""
        return exp(-pipe.first / (1_000 * self.heat_capacity * flow))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """What the hubs do, kW, and what the bulk power system gives."""

    chp: Table
    boiler: Table
    charged: Table
    discharged: Table
    stored: Table
    released: Table
    """Into and out of the heat tank."""
    grid: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """What the networks do with it."""

    reactive: Table
    """Of the CHP plants, kvar."""
    grid_reactive: tuple[float, ...]
    active_flow: Table
    """At the beginning of each line, kW."""
    reactive_flow: Table
    amps: Table
    """Square of each line's current, A²."""
    volts: Table
    """Square of each electric node's voltage, kV²."""
    water: Table
    """Flow in each pipe, kg/s."""


def cost(system: System, dispatch: Dispatch) -> tuple[float, float, float]:
    """Bulk power, CHP plants and boilers, $ for the day."""
    grid = fsum(price * power for price, power in zip(system.prices, dispatch.grid, strict=True))
    plants = [system.plant_cost(hub) for hub in range(len(system.hubs))]
    chp = fsum(
        square * power * power + linear * power
        for row in dispatch.chp
        for (square, linear), power in zip(plants, row, strict=True)
    )
    return grid, chp, system.boiler_cost * fsum(map(fsum, dispatch.boiler))


def total_cost(system: System, dispatch: Dispatch) -> float:
    """All of it, $."""
    return fsum(cost(system, dispatch))


def heat_of(system: System, dispatch: Dispatch) -> Table:
    """Heat that each hub puts into its water, kW."""
    keep = system.tank.efficiency
    return tuple(
        tuple(
            system.heat_per_power * chp + boiler + keep * out - into / keep
            for chp, boiler, out, into in zip(*rows, strict=True)
        )
        for rows in zip(dispatch.chp, dispatch.boiler, dispatch.released, dispatch.stored, strict=True)
    )


def power_of(system: System, dispatch: Dispatch) -> Table:
    """Power that each hub puts into its electric node, kW."""
    keep = system.battery.efficiency
    return tuple(
        tuple(chp + keep * out - into / keep for chp, out, into in zip(*rows, strict=True))
        for rows in zip(dispatch.chp, dispatch.discharged, dispatch.charged, strict=True)
    )


def flow_hour(hours: int, step: int, tank: Tank | None) -> int:
    """The hour, from 0, whose flows lead from the level of hour ``step`` to the next; ``None``: a battery."""
    return min(step + 1, hours - 1) if tank is Tank.VERBATIM else step


def levels(store: Store, into: Sequence[float], out: Sequence[float], tank: Tank | None) -> list[float]:
    """Level at each hour of one store, and last where it ends, which must be where it began."""
    found = [store.start]
    for step in range(len(into)):
        hour = flow_hour(len(into), step, tank)
        found.append(store.retention * found[-1] + into[hour] - out[hour])
    return found


def upward(nodes: int, branches: Sequence[Branch]) -> list[int]:
    """Nodes of a directed tree, each after all from which something flows to it.

    Raises:
        ValueError: something flows in a circle.
    """
    waiting = [0] * nodes
    for branch in branches:
        waiting[branch.end] += 1
    order = [node for node in range(nodes) if not waiting[node]]
    for node in order:
        for branch in branches:
            if branch.start == node:
                waiting[branch.end] -= 1
                if not waiting[branch.end]:
                    order.append(branch.end)
    if len(order) != nodes:
        raise ValueError("a network has a circle")
    return order
