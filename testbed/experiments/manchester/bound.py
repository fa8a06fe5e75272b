"""What every delegate evaluates: a cost below which no dispatch lies, out of prices that anybody may have made up.

The dispatch problem is not convex. Its convex relaxation leaves the gas network out, keeps of the heat network only
that the hubs together give what the loads take and what is provably lost (``heat_loss``), and lets
``V I >= P² + Q²`` stand for the equality. Every dispatch that is feasible for the true model is feasible for the
relaxation, so a bound below the relaxation is one below the problem.

Weak duality gives such a bound for any prices: the least value that the Lagrangian takes on a box that holds every
feasible point. It splits into one term per variable: linear ones take an end of their range, a plant's convex cost its
vertex or an end. For any numbers ``u, w`` and any weight that is not negative, ``I + (u² + w²) V >= 2 u P + 2 w Q``
follows from ``V I >= P² + Q²``, so three numbers per line and hour carry the cone. Forged prices only lower the bound.
Nothing here is shared with the solver, which builds matrices; this is written from the equations.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import fsum, hypot, isfinite
from typing import Final, NamedTuple

from testbed.experiments.manchester.model import Store, System, Table, Tank, flow_hour

ROUNDING: Final = 1e-6
"""$ by which the bound is lowered: far more than all rounding of its some ten thousand terms."""


class Cone(NamedTuple):
    """``weight`` times ``I + (u² + w²) V - 2 u P - 2 w Q >= 0``."""

    weight: float
    u: float
    w: float


class Slope(NamedTuple):
    """``p P + q Q <= S sqrt(p² + q²)``, which follows from ``P² + Q² <= S²`` for any ``p, q``."""

    p: float
    q: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The certificate: what each constraint is worth, $ per unit of it."""

    active: Table
    reactive: Table
    """Of the balance of each electric node."""
    drop: Table
    """Of each line's voltage drop."""
    cone: tuple[tuple[Cone, ...], ...]
    apparent: tuple[tuple[Slope, ...], ...]
    """Of each plant's largest apparent power."""
    active_end: Table
    reactive_end: Table
    """Of nothing flowing back at a line's end; not negative."""
    heat: tuple[float, ...]
    """Of the heat that all hubs together owe; not negative."""
    battery: Table
    tank: Table
    """Of the step from each hour's level to the next."""


class BadPrices(ValueError):
    """Prices of the wrong shape, below 0 where they must not be, or no numbers."""


def check_prices(system: System, prices: Prices) -> None:
    """Refuse what is no certificate at all.

    Raises:
        BadPrices: with the first reason found.
    """
    hours, nodes, lines, hubs = system.hours, len(system.loads), len(system.lines), len(system.hubs)
    cone: Table = tuple(tuple(value for item in row for value in item) for row in prices.cone)
    shapes = (
        (prices.active, nodes),
        (prices.reactive, nodes),
        (prices.drop, lines),
        (cone, 3 * lines),
        (tuple(tuple(value for item in row for value in item) for row in prices.apparent), 2 * hubs),
        (prices.active_end, lines),
        (prices.reactive_end, lines),
        (prices.battery, hubs),
        (prices.tank, hubs),
    )
    if len(prices.heat) != hours or not all(map(isfinite, prices.heat)):
        raise BadPrices("prices of heat of another system, or no numbers")
    for table, width in shapes:
        if len(table) != hours or any(len(row) != width for row in table):
            raise BadPrices("prices of another system")
        if not all(isfinite(value) for row in table for value in row):
            raise BadPrices("a price that is no number")
    signed = (prices.active_end, prices.reactive_end, (prices.heat,))
    weights = (item.weight for row in prices.cone for item in row)
    if min(weights) < 0 or any(min(row) < 0 for table in signed for row in table):
        raise BadPrices("a price below 0 of an inequality")


def lower_bound(system: System, tank: Tank, heat: tuple[float, ...], prices: Prices) -> float:
    """The dual function, $: no feasible dispatch costs less.

    Args:
        heat: what the hubs together have to give in each hour, kW, provable losses included.

    Raises:
        BadPrices: no certificate.
    """
    check_prices(system, prices)
    parts: list[float] = [-ROUNDING]
    for hour in range(system.hours):
        parts += _loads(system, heat[hour], prices, hour)
        parts += _plants(system, prices, hour)
        parts += _lines(system, prices, hour)
        parts += _voltages(system, prices, hour)
    for hub, place in enumerate(system.hubs):
        power = [row[place.electric] for row in prices.active]
        steps = [row[hub] for row in prices.battery]
        parts += _store(system.battery, None, power, steps)
        parts += _store(system.tank, tank, prices.heat, [row[hub] for row in prices.tank])
    return fsum(parts)


def _least(slope: float, low: float, high: float) -> float:
    """Least value of a linear term on a range."""
    return min(slope * low, slope * high)


def _loads(system: System, heat: float, prices: Prices, hour: int) -> Iterable[float]:
    factor = system.factors[hour]
    yield prices.heat[hour] * heat
    for node, (active, reactive) in enumerate(zip(system.loads, system.reactive_loads, strict=True)):
        yield prices.active[hour][node] * active * factor
        yield prices.reactive[hour][node] * reactive * factor


def _plants(system: System, prices: Prices, hour: int) -> Iterable[float]:
    """CHP plants with their true convex cost, boilers, and the bulk power system."""
    heat = prices.heat[hour]
    for hub, place in enumerate(system.hubs):
        square, linear = system.plant_cost(hub)
        p, q = prices.apparent[hour][hub]
        yield -system.chp * hypot(p, q)
        slope = linear + p - prices.active[hour][place.electric] - system.heat_per_power * heat
        best = min(max(-slope / (2 * square), 0.0), system.chp) if square > 0 else 0.0
        yield min(slope * power + square * power * power for power in (0.0, best, system.chp))
        yield _least(q - prices.reactive[hour][place.electric], 0.0, system.chp)
        yield _least(system.boiler_cost - heat, 0.0, place.boiler)
    most = _most_bulk(system, hour)
    yield _least(system.prices[hour] - prices.active[hour][system.source], 0.0, most)
    yield _least(-prices.reactive[hour][system.source], 0.0, most)


def _most_bulk(system: System, hour: int) -> float:
    """More power than can go into the source's node: its lines, its loads, and what batteries there take."""
    leaving = sum(line.start == system.source for line in system.lines)
    charging = sum(hub.electric == system.source for hub in system.hubs)
    loads = max(system.loads[system.source], system.reactive_loads[system.source]) * system.factors[hour]
    battery = system.battery.most_in / system.battery.efficiency
    return leaving * system.most_flow + loads + charging * battery


def _lines(system: System, prices: Prices, hour: int) -> Iterable[float]:
    """Flows and currents: each within what voltage and current allow."""
    active, reactive = prices.active[hour], prices.reactive[hour]
    for line, (start, end, r, x) in enumerate(system.lines):
        drop, (weight, u, w) = prices.drop[hour][line], prices.cone[hour][line]
        floor, reactive_floor = prices.active_end[hour][line], prices.reactive_end[hour][line]
        slope = active[start] - active[end] + 2 * drop * r / 1e3 - floor + 2 * weight * u
        yield _least(slope, 0.0, system.most_flow)
        slope = reactive[start] - reactive[end] + 2 * drop * x / 1e3 - reactive_floor + 2 * weight * w
        yield _least(slope, 0.0, system.most_flow)
        losses = (active[end] + floor) * r / 1e3 + (reactive[end] + reactive_floor) * x / 1e3
        yield _least(losses - drop * (r * r + x * x) / 1e6 - weight, 0.0, system.amps)


def _voltages(system: System, prices: Prices, hour: int) -> Iterable[float]:
    slopes = [0.0] * len(system.loads)
    for line, (start, end, _, _) in enumerate(system.lines):
        drop, (weight, u, w) = prices.drop[hour][line], prices.cone[hour][line]
        slopes[start] -= drop + weight * (u * u + w * w)
        slopes[end] += drop
    for node, slope in enumerate(slopes):
        fixed = system.nominal_kv**2
        yield slope * fixed if node == system.source else _least(slope, *system.volts)


def _store(store: Store, tank: Tank | None, worth: Iterable[float], steps: list[float]) -> Iterable[float]:
    """A store's flows and levels over the day.

    Args:
        worth: price of what it gives, by hour.
        steps: price of each step from level to level.
    """
    hours, keep = len(steps), store.efficiency
    gained = [0.0] * hours
    for step, price in enumerate(steps):
        gained[flow_hour(hours, step, tank)] += price
    for price, gain in zip(worth, gained, strict=True):
        yield _least(price / keep - gain, 0.0, store.most_in)
        yield _least(gain - keep * price, 0.0, store.most_out)
    yield (steps[-1] - store.retention * steps[0]) * store.start
    for hour in range(1, hours):
        yield _least(steps[hour - 1] - store.retention * steps[hour], store.smallest, store.largest)
