"""A dispatch that the true model allows: the relaxation with heat that flows, and then the networks solved exactly.

Heat may flow through the pipes as the tree allows, each open pipe with the loss that the round before found; opening
one costs that loss, so few are. Flows, currents and temperatures follow exactly; what is left over, watts, is taken up
by boilers and the bulk power system. Nothing here proves anything: ``bound`` does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from testbed.experiments.manchester.feasibility import broken
from testbed.experiments.manchester.heat_network import Tree
from testbed.experiments.manchester.model import (
    Dispatch,
    Networks,
    System,
    Table,
    Tank,
    heat_of,
    power_of,
)
from testbed.experiments.manchester.power_flow import power_flow
from testbed.experiments.manchester.relaxation import Floats, Optimum, Relaxation, SolverFailedError

_ROOM: Final = 2e-3
"""Part of currents and apparent powers that a plan leaves free for what tangents miss."""
_SPARE_KW: Final = 0.5
"""Of each boiler, and a tenth of it at the end of each line: taken up when the networks are solved."""
_TYPICAL_KW: Final = 300.0
_REOPENED_KW: Final = 2.0
_EXACT: Final = 5e-6
_EXACT_ROUNDS: Final = 8

Tell = Callable[[str], None]


class Planning(Relaxation):
    """The relaxation with heat that flows through pipes instead of one balance for all."""

    def __init__(self, system: System, tank: Tank) -> None:
        super().__init__(_with_room(system), tank, (0.0,) * system.hours)
        hours = range(system.hours)
        self._tree = Tree(system)
        self._pipes = self.columns.table(system.hours, len(system.pipes), 0.0, np.inf)
        self.at["pipes"] = self._pipes
        self._nodes = [self._flows(hour) for hour in hours]
        for row in self.at["boiler"]:
            for column in row:
                self.columns.low[column] = _SPARE_KW
        for row in self._ends:
            for ends in row:
                for number in ends:
                    self.above.right[number] = _SPARE_KW / 10
        self.lose(np.zeros((system.hours, len(system.pipes))))

    def _flows(self, hour: int) -> list[int]:
        terms: list[list[tuple[int, float]]] = [[] for _ in self.system.heat_loads]
        for hub, place in enumerate(self.system.hubs):
            terms[place.heat] += self.hub_heat(hour, hub)
        for number, pipe in enumerate(self.system.pipes):
            terms[pipe.start].append((int(self._pipes[hour, number]), -1.0))
            terms[pipe.end].append((int(self._pipes[hour, number]), 1.0))
        return [self.equal.add(0.0, *row) for row in terms]

    def lose(self, losses: Floats) -> None:
        """Take heat from what arrives at pipes' ends, kW."""
        for hour, factor in enumerate(self.system.factors):
            need = [load * factor for load in self.system.heat_loads]
            for number, pipe in enumerate(self.system.pipes):
                need[pipe.end] += float(losses[hour, number])
            for number, load in zip(self._nodes[hour], need, strict=True):
                self.equal.right[number] = load

    def charge(self, prices: Floats) -> None:
        """What heat costs besides for going through a pipe, $/kWh."""
        for column, price in zip(self._pipes.flat, prices.flat, strict=True):
            self.columns.price[column] = float(price)

    def heed(self, planned: Planned) -> Floats:
        """Learn from networks solved: no more current than flows, more room where a boiler had too little; losses."""
        amps, boilers = np.array(planned.networks.amps), np.array(planned.dispatch.boiler)
        columns = self.columns
        for column, value in zip(self.at["amps"].flat, amps.flat, strict=True):
            columns.high[column] = min(columns.high[column], float(value) * (1 + _ROOM / 2) + 1.0)
        most = [hub.boiler + _SPARE_KW for hub in self.system.hubs]
        for (_, hub), column in np.ndenumerate(self.at["boiler"]):
            value = float(boilers.flat[column - self.at["boiler"][0, 0]])
            if value < 0:
                columns.low[column] += _SPARE_KW - value
            elif value > most[hub]:
                columns.high[column] -= _SPARE_KW + value - most[hub]
        return np.array(
            [
                self._tree.warmth(factor, water).losses
                for factor, water in zip(self.system.factors, planned.networks.water, strict=True)
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A dispatch with its networks, and how much it took to make them exact."""

    dispatch: Dispatch
    networks: Networks
    moved_kw: float
    """Largest change of a boiler or of what the bulk power system gives."""


def plan(
    system: System, tank: Tank, tell: Tell, distort: Callable[[Planning], None] | None = None
) -> Planned:
    """A dispatch of little cost.

    Args:
        distort: changes the prices first, as a dishonest solver does.
    """
    program = Planning(system, tank)
    if distort is not None:
        distort(program)
    full = np.array([pipe.first for pipe in system.pipes]) * 2 * (system.supply - system.ambient) / 1e3
    toll = np.tile(full * system.boiler_cost / _TYPICAL_KW, (system.hours, 1))
    losses: Floats = np.zeros_like(toll)
    for rounds in (9, 2, 2):
        program.charge(toll)
        program.lose(losses)
        flows = program.solve(rounds).of["pipes"]
        toll = full * system.boiler_cost / np.maximum(flows, _REOPENED_KW)
        losses = np.where(flows < _REOPENED_KW, 0.0, full)
        tell("which pipes to open")
    for _ in range(_EXACT_ROUNDS):
        program.charge(toll)
        program.lose(losses)
        found = program.solve(5)
        planned = complete(system, dispatch_of(found), _rows(found.of["reactive"]))
        tell("networks solved")
        if not broken(system, tank, planned.dispatch, planned.networks):
            return planned
        losses = program.heed(planned)
    raise SolverFailedError("no dispatch was found that the networks allow")


def recorded(system: System, tank: Tank, dispatch: Dispatch) -> Planned:
    """A recorded dispatch with the networks that the record leaves out: reactive power that loses little, and so on."""
    program = Relaxation(system, tank, (0.0,) * system.hours, slack=_EXACT)
    for name, table in (
        ("chp", dispatch.chp),
        ("charged", dispatch.charged),
        ("discharged", dispatch.discharged),
    ):
        for column, value in zip(program.at[name].flat, np.array(table).flat, strict=True):
            program.columns.low[column] = program.columns.high[column] = float(value)
    return complete(system, dispatch, _rows(program.solve(8).of["reactive"]))


def complete(system: System, dispatch: Dispatch, reactive: Table) -> Planned:
    """Solve the networks exactly; boilers and the bulk power system give what follows."""
    power, heat, tree = power_of(system, dispatch), heat_of(system, dispatch), Tree(system)
    grids, waters, boilers = [], [], []
    for hour, factor in enumerate(system.factors):
        active, other = [0.0] * len(system.loads), [0.0] * len(system.loads)
        for hub, p, q in zip(system.hubs, power[hour], reactive[hour], strict=True):
            active[hub.electric] += p
            other[hub.electric] += q
        grids.append(power_flow(system, factor, active, other))
        waters.append(tree.water_for(factor, heat[hour]))
        asked = tree.warmth(factor, waters[-1]).heat
        boilers.append(
            tuple(
                boiler + need - given
                for boiler, need, given in zip(dispatch.boiler[hour], asked, heat[hour], strict=True)
            )
        )
    grid = tuple(flow.grid for flow in grids)
    moved = [abs(a - b) for a, b in zip(grid, dispatch.grid, strict=True)]
    moved += [
        abs(a - b)
        for one, two in zip(boilers, dispatch.boiler, strict=True)
        for a, b in zip(one, two, strict=True)
    ]
    return Planned(
        dispatch=replace(dispatch, boiler=tuple(boilers), grid=grid),
        networks=Networks(
            reactive=reactive,
            grid_reactive=tuple(flow.grid_reactive for flow in grids),
            active_flow=tuple(flow.active for flow in grids),
            reactive_flow=tuple(flow.reactive for flow in grids),
            amps=tuple(flow.amps for flow in grids),
            volts=tuple(flow.volts for flow in grids),
            water=tuple(waters),
        ),
        moved_kw=max(moved),
    )


def dispatch_of(found: Optimum) -> Dispatch:
    """The dispatch in a solution of the relaxation."""
    of = {name: _rows(values) for name, values in found.of.items()}
    return Dispatch(
        chp=of["chp"],
        boiler=of["boiler"],
        charged=of["charged"],
        discharged=of["discharged"],
        stored=of["stored"],
        released=of["released"],
        grid=tuple(row[0] for row in of["grid"]),
    )


def _rows(values: Floats) -> Table:
    return tuple(tuple(row) for row in values.tolist())


def _with_room(system: System) -> System:
    """The same system, with a little less of everything that tangents describe."""
    hubs = tuple(hub._replace(boiler=hub.boiler - _SPARE_KW) for hub in system.hubs)
    return replace(system, hubs=hubs, amps=(1 - _ROOM) * system.amps, chp=(1 - _ROOM / 20) * system.chp)
