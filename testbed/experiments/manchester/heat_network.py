"""Water and warmth: what flows in the pipes of one hour lead to, and which flows give hubs the heat that is wanted."""

from __future__ import annotations

from math import inf
from typing import Final, NamedTuple

from testbed.experiments.manchester.model import System, upward

LEAST_WATER: Final = 1e-5
"""Least flow in a pipe, kg/s."""
_ROUNDS: Final = 60
_CLOSE_KW: Final = 1e-7
_GAIN: Final = 0.5
_STEP_KW: Final = 5.0
_GOOD_KW: Final = 0.02
_COLD: Final = (0.01, 0.001, 0.05, 0.2, 0.5, 0.8)


class Warmth(NamedTuple):
    """What follows from the flows of one hour; temperatures in degrees above the ground."""

    heat: tuple[float, ...]
    """That each hub gives, kW."""
    supply: tuple[float, ...]
    back: tuple[float, ...]
    """At each node."""
    losses: tuple[float, ...]
    """Of each pipe, supply and return, kW."""


class Tree:
    """The heat network's pipes, by the nodes that they leave and come to."""

    def __init__(self, system: System) -> None:
        self.system = system
        nodes = range(len(system.heat_loads))
        self.order = upward(len(nodes), system.pipes)
        """Nodes, each after those that its water comes from."""
        self.leaving = [[n for n, pipe in enumerate(system.pipes) if pipe.start == node] for node in nodes]
        self.coming = [[n for n, pipe in enumerate(system.pipes) if pipe.end == node] for node in nodes]
        self.sources = frozenset(hub.heat for hub in system.hubs)
        self.slack = max(range(len(system.hubs)), key=lambda hub: system.hubs[hub].boiler)
        """The hub with the largest boiler."""
        self.draws = [system.draw if load > 0 else 0.0 for load in system.heat_loads]
        self.least = self._least()
        self.peeled = self._peel(system.hubs[self.slack].heat)
        """Pipes with their outer nodes, from the leaves to the slack hub."""

    def _least(self) -> list[float]:
        """Least flow in the pipes that leave each node."""
        least = [0.0] * len(self.draws)
        for node in self.order:
            if self.draws[node] or node in self.sources:
                least[node] = LEAST_WATER
            for number in self.leaving[node]:
                least[self.system.pipes[number].end] += least[node]
        return least

    def _peel(self, root: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        reached = [root]
        for node in reached:
            for number in (*self.leaving[node], *self.coming[node]):
                pipe = self.system.pipes[number]
                outer = pipe.end if pipe.start == node else pipe.start
                if outer not in reached:
                    reached.append(outer)
                    found.append((number, outer))
        return found[::-1]

    def through(self, water: tuple[float, ...]) -> tuple[list[float], list[float]]:
        """Flow that comes to each node out of pipes, and flow that leaves it, kg/s."""
        into = [sum(water[number] for number in numbers) for numbers in self.coming]
        out = [
            draw + sum(water[number] for number in numbers)
            for draw, numbers in zip(self.draws, self.leaving, strict=True)
        ]
        return into, out

    def warmth(self, factor: float, water: tuple[float, ...]) -> Warmth:
        """Temperatures down the supply pipes and back up the return pipes, and the heat that hubs give for it."""
        system, pipes = self.system, self.system.pipes
        capacity, top = system.heat_capacity, system.supply - system.ambient
        kept = [system.cooled(pipe, flow) for pipe, flow in zip(pipes, water, strict=True)]
        into, out = self.through(water)
        supply = [
            top * (o - i) if node in self.sources else 0.0
            for node, (i, o) in enumerate(zip(into, out, strict=True))
        ]
        back, losses = [0.0] * len(out), [0.0] * len(pipes)
        for node in self.order:
            supply[node] /= out[node]
            for number in self.leaving[node]:
                carried = supply[node] * water[number]
                supply[pipes[number].end] += carried * kept[number]
                losses[number] += capacity * carried * (1 - kept[number])
        for node in reversed(self.order):
            returned = self.draws[node] * supply[node] - system.heat_loads[node] * factor / capacity
            for number in self.leaving[node]:
                carried = back[pipes[number].end] * water[number]
                returned += carried * kept[number]
                losses[number] += capacity * carried * (1 - kept[number])
            back[node] = returned / out[node]
        heat = tuple(
            capacity * (out[hub.heat] - into[hub.heat]) * (top - back[hub.heat]) for hub in system.hubs
        )
        return Warmth(heat, tuple(supply), tuple(back), tuple(losses))

    def water_for(self, factor: float, wanted: tuple[float, ...]) -> tuple[float, ...]:
        """Flows with which hubs give about the heat that is wanted of them, kg/s: the closest of a few searches."""
        best: tuple[float, ...] = ()
        closest = inf
        for cold in _COLD:
            water = self._search(factor, wanted, cold)
            heat = self.warmth(factor, water).heat
            miss = sum(abs(want - given) for want, given in zip(wanted, heat, strict=True))
            if miss < closest:
                best, closest = water, miss
            if closest < _GOOD_KW:
                break
        return best

    def _search(self, factor: float, wanted: tuple[float, ...], cold: float) -> tuple[float, ...]:
        """Split water as heat is wanted, see what comes of it, and ask for what was missed besides.

        What all hubs together give too much or too little appears at the slack hub.

        Args:
            cold: a pipe that is all but shut counts as if its water kept so much of its warmth.
        """
        system = self.system
        losses = (0.0,) * len(system.pipes)
        aim = list(wanted)
        inlet = [1.0] * len(system.pipes)
        water: tuple[float, ...] = ()
        for _ in range(_ROUNDS):
            water = self._split(self._delivered(factor, aim, losses), inlet)
            found = self.warmth(factor, water)
            losses = found.losses
            inlet = []
            for pipe, flow in zip(system.pipes, water, strict=True):
                warmer = found.supply[pipe.start] - found.back[pipe.end]
                lost = found.supply[pipe.start] * (1 - system.cooled(pipe, flow))
                inlet.append(system.heat_capacity * max(cold * warmer, warmer - lost))
            misses = [want - heat for want, heat in zip(wanted, found.heat, strict=True)]
            if max(abs(miss) for hub, miss in enumerate(misses) if hub != self.slack) < _CLOSE_KW:
                break
            aim = [
                goal + _GAIN * min(max(miss, -_STEP_KW), _STEP_KW)
                for goal, miss in zip(aim, misses, strict=True)
            ]
        return water

    def _delivered(self, factor: float, wanted: list[float], losses: tuple[float, ...]) -> list[float]:
        """Heat that arrives at each pipe's end, kW: on a tree, what one side has too much the other gets."""
        surplus = [-load * factor for load in self.system.heat_loads]
        for hub, heat in zip(self.system.hubs, wanted, strict=True):
            surplus[hub.heat] += heat
        found = [0.0] * len(losses)
        for number, node in self.peeled:
            pipe = self.system.pipes[number]
            if node == pipe.start:
                found[number] = surplus[node] - losses[number]
                surplus[pipe.end] += found[number]
            else:
                found[number] = -surplus[node]
                surplus[pipe.start] += surplus[node] - losses[number]
        return found

    def _split(self, delivered: list[float], inlet: list[float]) -> tuple[float, ...]:
        """Flows from the loads upward: a node's water comes out of its pipes as its heat does.

        Args:
            inlet: heat that a kg of water of each pipe leaves at its end, kJ.
        """
        need = list(self.draws)
        water = [0.0] * len(delivered)
        for node in reversed(self.order):
            pipes = self.coming[node]
            shares = [max(0.0, delivered[number] / inlet[number]) for number in pipes]
            whole = sum(shares)
            for number, share in zip(pipes, shares, strict=True):
                part = share if node in self.sources or not whole else share / whole * need[node]
                water[number] = max(self.least[self.system.pipes[number].start], part)
            if pipes and node not in self.sources:
                excess = sum(water[number] for number in pipes) - need[node]
                water[max(pipes, key=water.__getitem__)] -= excess
            for number in pipes:
                need[self.system.pipes[number].start] += water[number]
        return tuple(water)
