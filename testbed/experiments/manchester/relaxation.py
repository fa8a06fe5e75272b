"""Solving the convex relaxation as a linear program: costs and cones by tangents, added where they cut.

Every tangent holds for every feasible point, so its prices prove a bound however few there are; more make it sharper.
Each round solves the program again with the tangents at its last solution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import cos, hypot, sin
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import OptimizeResult, linprog
from scipy.sparse import coo_array

from testbed.experiments.manchester.bound import Cone, Prices, Slope
from testbed.experiments.manchester.model import Store, System, Table, Tank, flow_hour

Floats = npt.NDArray[np.float64]
_FIRST_TANGENTS: Final = 8
_FIRST_ANGLES: Final = (0.1, 0.3, 0.6, 1.0, 1.4)
_SHARP: Final = 1e-7
"""$ by which a plant's cost is undercut that is not looked at."""
_SLACK: Final = 1e-4


class SolverFailedError(Exception):
    """The linear program has no solution, or none was found."""


@dataclass(slots=True)
class Rows:
    """Constraints in the making: ``sum coefficient * variable`` against a right side."""

    right: list[float] = field(default_factory=list)
    _row: list[int] = field(default_factory=list)
    _column: list[int] = field(default_factory=list)
    _value: list[float] = field(default_factory=list)

    def add(self, right: float, *terms: tuple[int, float]) -> int:
        """One more; returns its number."""
        number = len(self.right)
        for column, value in terms:
            self._row.append(number)
            self._column.append(column)
            self._value.append(value)
        self.right.append(right)
        return number

    def matrix(self, columns: int) -> coo_array:
        """All of them."""
        shape = (len(self.right), columns)
        return coo_array((self._value, (self._row, self._column)), shape=shape)


class Columns:
    """Where each variable is, and its range and price."""

    def __init__(self) -> None:
        self.low: list[float] = []
        self.high: list[float] = []
        self.price: list[float] = []

    def table(
        self, hours: int, width: int, low: float, high: float, price: float = 0.0
    ) -> npt.NDArray[np.int64]:
        """Variables by hour and place."""
        first = len(self.low)
        count = hours * width
        self.low += [low] * count
        self.high += [high] * count
        self.price += [price] * count
        return np.arange(first, first + count).reshape(hours, width)


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """A solution of the relaxation: values by the name of their variables, and the prices that prove a bound."""

    value: float
    of: dict[str, Floats]
    prices: Prices


class Relaxation:
    """The program of one system, to which tangents are added."""

    def __init__(self, system: System, tank: Tank, heat: tuple[float, ...], *, slack: float = _SLACK) -> None:
        """Set it up.

        Args:
            heat: what the hubs together owe in each hour, kW.
            slack: part of a current or apparent power by which its circle or cone may be missed.
        """
        self._slack = slack
        self.system, self.tank, self.heat = system, tank, heat
        hours, hubs, lines = system.hours, len(system.hubs), len(system.lines)
        nodes = len(system.loads)
        columns = self.columns = Columns()
        most = system.most_flow
        self.at = {
            "chp": columns.table(hours, hubs, 0.0, system.chp),
            "cost": columns.table(hours, hubs, 0.0, np.inf, 1.0),
            "reactive": columns.table(hours, hubs, 0.0, system.chp),
            "boiler": columns.table(hours, hubs, 0.0, 0.0, system.boiler_cost),
            "charged": columns.table(hours, hubs, 0.0, system.battery.most_in),
            "discharged": columns.table(hours, hubs, 0.0, system.battery.most_out),
            "battery": columns.table(hours, hubs, system.battery.smallest, system.battery.largest),
            "stored": columns.table(hours, hubs, 0.0, system.tank.most_in),
            "released": columns.table(hours, hubs, 0.0, system.tank.most_out),
            "tank": columns.table(hours, hubs, system.tank.smallest, system.tank.largest),
            "grid": columns.table(hours, 2, 0.0, 2 * most),
            "active_flow": columns.table(hours, lines, 0.0, most),
            "reactive_flow": columns.table(hours, lines, 0.0, most),
            "amps": columns.table(hours, lines, 0.0, system.amps),
            "volts": columns.table(hours, nodes, *system.volts),
        }
        self.equal, self.above = Rows(), Rows()
        self._cones: list[tuple[int, int, float, float]] = []
        self._discs: list[tuple[int, int, float, float]] = []
        self._ranges()
        self._build()

    def _ranges(self) -> None:
        low, high, price = self.columns.low, self.columns.high, self.columns.price
        for hour in range(self.system.hours):
            price[self.at["grid"][hour, 0]] = self.system.prices[hour]
            fixed = self.at["volts"][hour, self.system.source]
            low[fixed] = high[fixed] = self.system.nominal_kv**2
            for hub, place in enumerate(self.system.hubs):
                high[self.at["boiler"][hour, hub]] = place.boiler
        for name, store in (("battery", self.system.battery), ("tank", self.system.tank)):
            for first in self.at[name][0]:
                low[first] = high[first] = store.start

    def _build(self) -> None:
        hours, lines = range(self.system.hours), range(len(self.system.lines))
        self._balance = [self._balances(hour) for hour in hours]
        self._drops = [[self._drop(hour, line) for line in lines] for hour in hours]
        self._batteries = self._steps(self.system.battery, None, "battery", "charged", "discharged")
        self._tanks = self._steps(self.system.tank, self.tank, "tank", "stored", "released")
        self._heat = [self.above.add(self.heat[hour], *self.heat_terms(hour)) for hour in hours]
        self._ends = [[self._line_ends(hour, line) for line in lines] for hour in hours]
        for hour in hours:
            for hub in range(len(self.system.hubs)):
                for power in np.linspace(0, self.system.chp, _FIRST_TANGENTS):
                    self.cost_tangent(hour, hub, float(power))
                for angle in _FIRST_ANGLES:
                    self.disc_tangent(hour, hub, cos(angle), sin(angle))
            for line in lines:
                for u, w in ((2.0, 0.0), (8.0, 2.0), (12.0, 4.0)):
                    self.cone_tangent(hour, line, u, w)

    def hub_heat(self, hour: int, hub: int) -> list[tuple[int, float]]:
        """What a hub puts into its water."""
        keep = self.system.tank.efficiency
        terms = (
            ("chp", self.system.heat_per_power),
            ("boiler", 1.0),
            ("released", keep),
            ("stored", -1 / keep),
        )
        return [(int(self.at[name][hour, hub]), factor) for name, factor in terms]

    def heat_terms(self, hour: int) -> list[tuple[int, float]]:
        """What all hubs put into their water."""
        return [term for hub in range(len(self.system.hubs)) for term in self.hub_heat(hour, hub)]

    def _balances(self, hour: int) -> tuple[list[int], list[int]]:
        """Active and reactive power of each node: what comes in less what leaves is its load."""
        system, at = self.system, self.at
        active: list[list[tuple[int, float]]] = [[] for _ in system.loads]
        reactive: list[list[tuple[int, float]]] = [[] for _ in system.loads]
        keep = system.battery.efficiency
        for hub, place in enumerate(system.hubs):
            active[place.electric] += [
                (at["chp"][hour, hub], 1.0),
                (at["discharged"][hour, hub], keep),
                (at["charged"][hour, hub], -1 / keep),
            ]
            reactive[place.electric].append((at["reactive"][hour, hub], 1.0))
        active[system.source].append((at["grid"][hour, 0], 1.0))
        reactive[system.source].append((at["grid"][hour, 1], 1.0))
        for line, branch in enumerate(system.lines):
            amps = at["amps"][hour, line]
            for name, rows, loss in (
                ("active_flow", active, branch.first),
                ("reactive_flow", reactive, branch.second),
            ):
                rows[branch.start].append((at[name][hour, line], -1.0))
                rows[branch.end] += [(at[name][hour, line], 1.0), (amps, -loss / 1e3)]
        factor = system.factors[hour]
        return (
            [self.equal.add(load * factor, *row) for load, row in zip(system.loads, active, strict=True)],
            [
                self.equal.add(load * factor, *row)
                for load, row in zip(system.reactive_loads, reactive, strict=True)
            ],
        )

    def _drop(self, hour: int, line: int) -> int:
        start, end, r, x = self.system.lines[line]
        at = self.at
        return self.equal.add(
            0.0,
            (at["volts"][hour, start], 1.0),
            (at["volts"][hour, end], -1.0),
            (at["active_flow"][hour, line], -2 * r / 1e3),
            (at["reactive_flow"][hour, line], -2 * x / 1e3),
            (at["amps"][hour, line], (r * r + x * x) / 1e6),
        )

    def _steps(self, store: Store, tank: Tank | None, level: str, into: str, out: str) -> list[list[int]]:
        hours = self.system.hours
        return [
            [
                self.equal.add(
                    0.0,
                    (self.at[level][step, hub], store.retention),
                    (self.at[level][(step + 1) % hours, hub], -1.0),
                    (self.at[into][flow_hour(hours, step, tank), hub], 1.0),
                    (self.at[out][flow_hour(hours, step, tank), hub], -1.0),
                )
                for hub in range(len(self.system.hubs))
            ]
            for step in range(hours)
        ]

    def _line_ends(self, hour: int, line: int) -> tuple[int, int]:
        _, _, r, x = self.system.lines[line]
        at = self.at
        amps = at["amps"][hour, line]
        return (
            self.above.add(0.0, (at["active_flow"][hour, line], 1.0), (amps, -r / 1e3)),
            self.above.add(0.0, (at["reactive_flow"][hour, line], 1.0), (amps, -x / 1e3)),
        )

    def cost_tangent(self, hour: int, hub: int, power: float) -> None:
        """A plant costs no less than its cost's tangent at some power."""
        square, linear = self.system.plant_cost(hub)
        slope = 2 * square * power + linear
        self.above.add(
            -square * power * power, (self.at["cost"][hour, hub], 1.0), (self.at["chp"][hour, hub], -slope)
        )

    def disc_tangent(self, hour: int, hub: int, p: float, q: float) -> None:
        """A plant's active and reactive power at a point of its circle, of length 1."""
        terms = (self.at["chp"][hour, hub], -p), (self.at["reactive"][hour, hub], -q)
        number = self.above.add(-self.system.chp, *terms)
        self._discs.append((number, hour * len(self.system.hubs) + hub, p, q))

    def cone_tangent(self, hour: int, line: int, u: float, w: float) -> None:
        """``I + (u² + w²) V >= 2 u P + 2 w Q``."""
        at, start = self.at, self.system.lines[line].start
        number = self.above.add(
            0.0,
            (at["amps"][hour, line], 1.0),
            (at["volts"][hour, start], u * u + w * w),
            (at["active_flow"][hour, line], -2 * u),
            (at["reactive_flow"][hour, line], -2 * w),
        )
        self._cones.append((number, hour * len(self.system.lines) + line, u, w))

    def solve(self, rounds: int, step: Callable[[str], None] | None = None) -> Optimum:
        """Solve, and sharpen, until no tangent is missing or all rounds are through.

        Raises:
            SolverFailedError: there is no solution.
        """
        for number in range(1, rounds + 1):
            found = self._once()
            missing = self._sharpen(found.x) if number < rounds else 0
            if step is not None:
                step(f"round {number}: {found.fun:.4f} $, {missing} tangents")
            if not missing:
                return Optimum(
                    value=float(found.fun),
                    of={name: found.x[where] for name, where in self.at.items()},
                    prices=self._prices(found),
                )
        raise SolverFailedError("no rounds")

    def _once(self) -> OptimizeResult:
        count = len(self.columns.low)
        found = linprog(
            self.columns.price,
            A_ub=-self.above.matrix(count).tocsr(),
            b_ub=-np.array(self.above.right),
            A_eq=self.equal.matrix(count).tocsr(),
            b_eq=self.equal.right,
            bounds=np.column_stack((self.columns.low, self.columns.high)),
            method="highs",
            options={"dual_feasibility_tolerance": 1e-10, "primal_feasibility_tolerance": 1e-9},
        )
        if found.status != 0:
            raise SolverFailedError(str(found.message))
        return found

    def _sharpen(self, x: Floats) -> int:
        """Add the tangents that the solution lies beyond; returns how many."""
        added = 0
        for hour, hub, power, cost in self._plants(x):
            square, linear = self.system.plant_cost(hub)
            if cost < square * power * power + linear * power - _SHARP:
                self.cost_tangent(hour, hub, power)
                added += 1
            reactive = float(x[self.at["reactive"][hour, hub]])
            apparent = hypot(power, reactive)
            if apparent > self.system.chp * (1 + self._slack / 10):
                self.disc_tangent(hour, hub, power / apparent, reactive / apparent)
                added += 1
        at = self.at
        starts = [line.start for line in self.system.lines]
        flows = np.hypot(x[at["active_flow"]], x[at["reactive_flow"]])
        volts = x[at["volts"]][:, starts]
        short = flows**2 / volts - x[at["amps"]]
        for hour, line in np.argwhere(short > self._slack * (1.0 + x[at["amps"]])):
            volt = volts[hour, line]
            u, w = x[at["active_flow"][hour, line]] / volt, x[at["reactive_flow"][hour, line]] / volt
            self.cone_tangent(int(hour), int(line), float(u), float(w))
            added += 1
        return added

    def _plants(self, x: Floats) -> Iterator[tuple[int, int, float, float]]:
        for (hour, hub), column in np.ndenumerate(self.at["chp"]):
            yield hour, hub, float(x[column]), float(x[self.at["cost"][hour, hub]])

    def _prices(self, found: OptimizeResult) -> Prices:
        equal, above = found.eqlin.marginals, np.maximum(-found.ineqlin.marginals, 0.0)
        slopes: dict[int, list[tuple[float, float]]] = {}
        for number, place, p, q in self._discs:
            slopes.setdefault(place, []).append((float(above[number]) * p, float(above[number]) * q))
        hubs = len(self.system.hubs)
        weights: dict[int, list[tuple[float, float, float]]] = {}
        for number, place, u, w in self._cones:
            if above[number] > 0:
                weights.setdefault(place, []).append((float(above[number]), u, w))
        lines = len(self.system.lines)
        return Prices(
            active=_table(equal, [row[0] for row in self._balance]),
            reactive=_table(equal, [row[1] for row in self._balance]),
            drop=_table(equal, self._drops),
            cone=tuple(
                tuple(_mean(weights.get(hour * lines + line, [])) for line in range(lines))
                for hour in range(self.system.hours)
            ),
            apparent=tuple(
                tuple(
                    Slope(*(sum(part) for part in zip(*slopes[hour * hubs + hub], strict=True)))
                    for hub in range(hubs)
                )
                for hour in range(self.system.hours)
            ),
            active_end=_table(above, [[ends[0] for ends in row] for row in self._ends]),
            reactive_end=_table(above, [[ends[1] for ends in row] for row in self._ends]),
            heat=tuple(above[self._heat].tolist()),
            battery=_table(equal, self._batteries),
            tank=_table(equal, self._tanks),
        )


def _table(values: Floats, where: list[list[int]]) -> Table:
    return tuple(tuple(values[row].tolist()) for row in where)


def _mean(cuts: list[tuple[float, float, float]]) -> Cone:
    """Several tangents of one cone as one, which is no weaker than they are together."""
    weight = sum(cut[0] for cut in cuts)
    if not weight:
        return Cone(0.0, 0.0, 0.0)
    return Cone(weight, *(sum(cut[0] * cut[place] for cut in cuts) / weight for place in (1, 2)))
