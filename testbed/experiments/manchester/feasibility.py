"""Whether a dispatch can be: every equation and bound of the true, nonconvex model by name, with its largest breach.

A breach is measured in parts of a scale of its own kind (a megawatt, a squared voltage, a tank), so that no unit hides
it. A dispatch that uses all of the tolerance everywhere is some hundredths of a dollar cheaper than one that uses none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isnan
from typing import Final, NamedTuple

from testbed.experiments.manchester.heat_network import LEAST_WATER, Tree
from testbed.experiments.manchester.model import (
    GAS_KWH_PER_M3,
    Dispatch,
    Networks,
    Store,
    System,
    Table,
    Tank,
    heat_of,
    levels,
    power_of,
    upward,
)

TOLERANCE: Final = 1e-5
"""Largest breach that passes, in parts of its scale."""


class Breach(NamedTuple):
    """The largest breach of one equation or bound."""

    name: str
    worst: float
    """In parts of the scale; 0 where it holds with room."""


def breaches(system: System, tank: Tank, dispatch: Dispatch, networks: Networks) -> tuple[Breach, ...]:
    """All checks, each with its largest breach; more than ``TOLERANCE`` of any is no dispatch."""
    if not _shaped(system, dispatch, networks):
        return (Breach("every number is there", float("inf")),)
    return tuple(
        Breach(name, max((float("inf") if isnan(worst) else worst for worst in check), default=0.0))
        for name, check in (
            ("plants within their ranges", _plants(system, dispatch, networks)),
            ("stores within their ranges", _stores(system, tank, dispatch)),
            ("stores end where they began", _ends(system, tank, dispatch)),
            ("active power balances", _balance(system, dispatch, networks, 0)),
            ("reactive power balances", _balance(system, dispatch, networks, 1)),
            ("voltage drops along lines", _drops(system, networks)),
            ("V I = P² + Q²", _cones(system, networks)),
            ("flows forward and within limits", _lines(system, networks)),
            ("water balances and flows forward", _water(system, networks)),
            ("heat of every hub", _heat(system, dispatch, networks)),
            ("pressure of gas", _gas(system, dispatch)),
        )
    )


def broken(system: System, tank: Tank, dispatch: Dispatch, networks: Networks) -> str:
    """The worst check that does not hold, as a sentence; empty where all hold."""
    worst = max(breaches(system, tank, dispatch, networks), key=lambda breach: breach.worst)
    return f"{worst.name}: missed by {worst.worst:.2e}" if worst.worst > TOLERANCE else ""


def _shaped(system: System, dispatch: Dispatch, networks: Networks) -> bool:
    hubs, lines = len(system.hubs), len(system.lines)
    of_hubs = (
        dispatch.chp,
        dispatch.boiler,
        dispatch.charged,
        dispatch.discharged,
        dispatch.stored,
        dispatch.released,
        networks.reactive,
    )
    of_lines = (networks.active_flow, networks.reactive_flow, networks.amps)
    widths = (
        *((table, hubs) for table in of_hubs),
        *((table, lines) for table in of_lines),
        (networks.volts, len(system.loads)),
        (networks.water, len(system.pipes)),
        (tuple((value,) for value in dispatch.grid), 1),
        (tuple((value,) for value in networks.grid_reactive), 1),
    )
    return all(
        len(table) == system.hours and all(len(row) == width for row in table) for table, width in widths
    )


def _outside(value: float, low: float, high: float) -> float:
    return max(low - value, value - high)


def _rows(*tables: Table) -> Iterator[tuple[float, ...]]:
    """The same cell of several tables, cell by cell."""
    for rows in zip(*tables, strict=True):
        yield from zip(*rows, strict=True)


def _plants(system: System, dispatch: Dispatch, networks: Networks) -> Iterable[float]:
    chp = system.chp
    for power, reactive in _rows(dispatch.chp, networks.reactive):
        yield max(-power, -reactive) / chp
        yield (power * power + reactive * reactive) / (chp * chp) - 1
    for row in dispatch.boiler:
        for heat, hub in zip(row, system.hubs, strict=True):
            yield _outside(heat, 0.0, hub.boiler) / chp
    for power in (*dispatch.grid, *networks.grid_reactive):
        yield -power / chp


def _each_store(
    system: System, tank: Tank, dispatch: Dispatch
) -> Iterator[tuple[Store, Tank | None, tuple[float, ...], tuple[float, ...]]]:
    for store, kind, into, out in (
        (system.battery, None, dispatch.charged, dispatch.discharged),
        (system.tank, tank, dispatch.stored, dispatch.released),
    ):
        for ins, outs in zip(zip(*into, strict=True), zip(*out, strict=True), strict=True):
            yield store, kind, ins, outs


def _stores(system: System, tank: Tank, dispatch: Dispatch) -> Iterable[float]:
    for store, kind, into, out in _each_store(system, tank, dispatch):
        for level in levels(store, into, out, kind):
            yield _outside(level, store.smallest, store.largest) / store.largest
        yield from (_outside(flow, 0.0, store.most_in) / store.largest for flow in into)
        yield from (_outside(flow, 0.0, store.most_out) / store.largest for flow in out)


def _ends(system: System, tank: Tank, dispatch: Dispatch) -> Iterable[float]:
    for store, kind, into, out in _each_store(system, tank, dispatch):
        yield abs(levels(store, into, out, kind)[-1] - store.start) / store.largest


def _balance(system: System, dispatch: Dispatch, networks: Networks, kind: int) -> Iterable[float]:
    """What comes in at each electric node is what leaves it."""
    put = (power_of(system, dispatch), networks.reactive)[kind]
    grid = (dispatch.grid, networks.grid_reactive)[kind]
    loads = (system.loads, system.reactive_loads)[kind]
    flows = (networks.active_flow, networks.reactive_flow)[kind]
    for hour, factor in enumerate(system.factors):
        net = [-load * factor for load in loads]
        net[system.source] += grid[hour]
        for hub, power in zip(system.hubs, put[hour], strict=True):
            net[hub.electric] += power
        for line, flow, amps in zip(system.lines, flows[hour], networks.amps[hour], strict=True):
            net[line.start] -= flow
            net[line.end] += flow - line[2 + kind] * amps / 1e3
        yield from (abs(value) / system.chp for value in net)


def _drops(system: System, networks: Networks) -> Iterable[float]:
    scale = system.nominal_kv**2
    for hour, volts in enumerate(networks.volts):
        yield abs(volts[system.source] - scale) / scale
        yield from (_outside(volt, *system.volts) / scale for volt in volts)
        for number, (start, end, r, x) in enumerate(system.lines):
            p, q = networks.active_flow[hour][number], networks.reactive_flow[hour][number]
            lost = (r * r + x * x) * networks.amps[hour][number] / 1e6
            yield abs(volts[start] - volts[end] - 2 * (r * p + x * q) / 1e3 + lost) / scale


def _cones(system: System, networks: Networks) -> Iterable[float]:
    for hour, volts in enumerate(networks.volts):
        rows = zip(
            system.lines,
            networks.active_flow[hour],
            networks.reactive_flow[hour],
            networks.amps[hour],
            strict=True,
        )
        for line, p, q, amps in rows:
            yield abs(volts[line.start] * amps - p * p - q * q) / system.chp**2


def _lines(system: System, networks: Networks) -> Iterable[float]:
    flows = zip(networks.active_flow, networks.reactive_flow, networks.amps, strict=True)
    for active, reactive, currents in flows:
        for line, p, q, amps in zip(system.lines, active, reactive, currents, strict=True):
            yield (line.first * amps / 1e3 - p) / system.chp
            yield (line.second * amps / 1e3 - q) / system.chp
            yield _outside(amps, 0.0, system.amps) / system.amps


def _water(system: System, networks: Networks) -> Iterable[float]:
    scale = system.draw * len(system.heat_loads)
    tree = Tree(system)
    for water in networks.water:
        yield from ((LEAST_WATER - flow) / LEAST_WATER for flow in water)
        for node, (into, out) in enumerate(zip(*tree.through(water), strict=True)):
            yield (into - out if node in tree.sources else abs(into - out)) / scale


def _heat(system: System, dispatch: Dispatch, networks: Networks) -> Iterable[float]:
    """Each hub gives the heat that flows and temperatures ask of it."""
    given, tree = heat_of(system, dispatch), Tree(system)
    for hour, factor in enumerate(system.factors):
        if min(networks.water[hour]) < LEAST_WATER / 2:
            yield float("inf")
            continue
        asked = tree.warmth(factor, networks.water[hour]).heat
        yield from (abs(a - b) / system.chp for a, b in zip(asked, given[hour], strict=True))


def _gas(system: System, dispatch: Dispatch) -> Iterable[float]:
    """Pressure falls along pipes by Weymouth's law, and stays above 0 everywhere."""
    order = upward(len(system.gas_loads), system.gas_pipes)
    for hour, factor in enumerate(system.factors):
        need = [load * factor / GAS_KWH_PER_M3 for load in system.gas_loads]
        for number, hub in enumerate(system.hubs):
            burnt = dispatch.boiler[hour][number] / system.boiler_efficiency
            burnt += dispatch.chp[hour][number] / system.chp_efficiency
            need[hub.gas] += burnt / GAS_KWH_PER_M3
        flows = [0.0] * len(system.gas_pipes)
        for node in reversed(order):
            for number, pipe in enumerate(system.gas_pipes):
                if pipe.end == node:
                    flows[number] = need[node]
                    need[pipe.start] += need[node]
        pressure = [system.gas_pressure] * len(need)
        for node in order:
            for number, pipe in enumerate(system.gas_pipes):
                if pipe.start == node:
                    pressure[pipe.end] = pressure[node] - pipe.first * flows[number] ** 2
        yield from (-value / system.gas_pressure for value in pressure)
        yield from (-flow / GAS_KWH_PER_M3 / system.chp for flow in flows)
