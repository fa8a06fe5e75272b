"""Flow on a radial grid: given what every node puts in, the one node that is left gives the rest."""

from __future__ import annotations

from typing import Final, NamedTuple

from testbed.experiments.manchester.model import System

_ROUNDS: Final = 60
_CLOSE: Final = 1e-12


class Flow(NamedTuple):
    """One hour's grid."""

    grid: float
    grid_reactive: float
    active: tuple[float, ...]
    reactive: tuple[float, ...]
    amps: tuple[float, ...]
    volts: tuple[float, ...]


def power_flow(system: System, factor: float, active: list[float], reactive: list[float]) -> Flow:
    """Flows, currents and voltages, by going up the tree with losses and down with voltages until nothing moves.

    Args:
        active: what hubs put into each electric node, kW, without the bulk power system.
        reactive: the same, kvar.
    """
    order = _outward(system)
    amps = [0.0] * len(system.lines)
    volts = [system.nominal_kv**2] * len(system.loads)
    flows = [[0.0] * len(system.lines), [0.0] * len(system.lines)]
    nets = [[], []]  # type: list[list[float]]
    for _ in range(_ROUNDS):
        for kind, (given, loads) in enumerate(((active, system.loads), (reactive, system.reactive_loads))):
            net = nets[kind] = [put - load * factor for put, load in zip(given, loads, strict=True)]
            for number, outer in reversed(order):
                line = system.lines[number]
                lost = line[2 + kind] * amps[number] / 1e3
                inner = line.start if outer == line.end else line.end
                flows[kind][number] = net[outer] if outer == line.start else lost - net[outer]
                net[inner] += net[outer] - lost
        moved = _voltages(system, order, flows, amps, volts)
        if moved < _CLOSE:
            break
    return Flow(
        -nets[0][system.source],
        -nets[1][system.source],
        tuple(flows[0]),
        tuple(flows[1]),
        tuple(amps),
        tuple(volts),
    )


def _voltages(
    system: System,
    order: list[tuple[int, int]],
    flows: list[list[float]],
    amps: list[float],
    volts: list[float],
) -> float:
    """Voltages from the source outward, and the currents that go with them; returns the largest relative change."""
    moved = 0.0
    for number, outer in order:
        start, end, r, x = system.lines[number]
        p, q = flows[0][number], flows[1][number]
        drop = 2 * (r * p + x * q) / 1e3 - (r * r + x * x) * amps[number] / 1e6
        volts[outer] = volts[start] - drop if outer == end else volts[end] + drop
        found = (p * p + q * q) / volts[start]
        moved = max(moved, abs(found - amps[number]) / (1 + found))
        amps[number] = found
    return moved


def _outward(system: System) -> list[tuple[int, int]]:
    """Lines with their outer nodes, from the source outward."""
    found: list[tuple[int, int]] = []
    inside = [system.source]
    for node in inside:
        for number, line in enumerate(system.lines):
            if node in (line.start, line.end):
                outer = line.end if node == line.start else line.start
                if outer not in inside:
                    inside.append(outer)
                    found.append((number, outer))
    return found
