"""A made-up system of two hubs and four hours: small enough for a second, with everything that the large one has."""

from __future__ import annotations

from functools import cache

from testbed.experiments.manchester.certificate import Answer, Problem, problem_of
from testbed.experiments.manchester.model import Branch, Hub, Store, System, Tank
from testbed.experiments.manchester.planning import plan
from testbed.experiments.manchester.relaxation import Relaxation


def small_system() -> System:
    """Power comes from a bulk system and two hubs, heat from the hubs; both have a line or pipe in common."""
    return System(
        hubs=(
            Hub(1, 0, 1, 900.0, (0.0575, 10.6, 0.027, 0.92, 0.012)),
            Hub(3, 3, 2, 700.0, (0.0835, 22.6, 0.035, 2.36, 0.032)),
        ),
        chp=1_000.0,
        chp_efficiency=0.277,
        heat_per_power=1.5,
        boiler_efficiency=0.792,
        boiler_cost=0.001,
        battery=Store(60.0, 60.0, 300.0, 0.9, 0.999),
        tank=Store(50.0, 50.0, 300.0, 0.9, 0.999),
        loads=(0.0, 200.0, 300.0, 150.0),
        reactive_loads=(0.0, 60.0, 90.0, 40.0),
        lines=(Branch(0, 1, 0.03, 0.2), Branch(1, 2, 0.02, 0.015), Branch(3, 2, 0.01, 0.008)),
        source=0,
        nominal_kv=6.6,
        volts=(35.2836, 52.7076),
        amps=9_000.0,
        heat_loads=(250.0, 0.0, 400.0, 100.0, 60.0),
        pipes=(Branch(0, 1, 18.0), Branch(3, 1, 30.0), Branch(1, 2, 25.0), Branch(2, 4, 9.0)),
        draw=20.0,
        supply=85.0,
        ambient=15.0,
        heat_capacity=4.2,
        gas_loads=(0.0, 40.0, 20.0),
        gas_pipes=(Branch(0, 1, 1e-6), Branch(0, 2, 1e-6)),
        gas_source=0,
        gas_pressure=7.0,
        prices=(0.01, 0.05, 0.03, 0.012),
        factors=(0.8, 1.0, 0.95, 0.85),
    )


@cache
def solved(tank: Tank = Tank.VERBATIM) -> tuple[Problem, Answer]:
    """The problem, and an answer with its proof."""
    system = small_system()
    problem = problem_of(system, tank)
    prices = Relaxation(system, tank, problem.heat).solve(12).prices
    own = plan(system, tank, lambda _: None)
    return problem, Answer(dispatch=own.dispatch, networks=own.networks, prices=prices)
