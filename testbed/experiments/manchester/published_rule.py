"""The published check of an answer, as far as its hole goes: reproduced to show what passes it, and used for nothing.

It adds up residuals of stationarity, absolute and whatever their units, and accepts up to 0.05; every price of the
problem is at most 0.06 $/kWh. Signs and bounds are not looked at, and complementarity vanishes with multipliers of 0.
So one price for all nodes, halfway between the dearest and the cheapest source of each hour, passes for any feasible
dispatch.
"""

from __future__ import annotations

from typing import Final

from testbed.experiments.manchester.bound import Cone, Prices, Slope
from testbed.experiments.manchester.model import Dispatch, System

LIMIT: Final = 0.05
"""What it accepts."""


def marginal_costs(system: System, dispatch: Dispatch, hour: int) -> list[float]:
    """What one more kWh costs from each CHP plant, its heat not counted, and from the bulk power system, $."""
    found = [system.prices[hour]]
    for hub, power in zip(system.hubs, dispatch.chp[hour], strict=True):
        a, b, _, _, e = hub.cost
        found.append((2 * a * power / 1e3 + b + e * system.heat_per_power * power / 1e3) / 1e3)
    return found


def forged_levels(system: System, dispatch: Dispatch) -> tuple[float, ...]:
    """The one price of each hour that a forger states, $/kWh."""
    costs = [marginal_costs(system, dispatch, hour) for hour in range(system.hours)]
    return tuple((min(row) + max(row)) / 2 for row in costs)


def published_flag(system: System, dispatch: Dispatch) -> float:
    """What the published check finds with forged prices: the largest residual of stationarity, $/kWh."""
    levels = forged_levels(system, dispatch)
    return max(
        abs(cost - level)
        for hour, level in enumerate(levels)
        for cost in marginal_costs(system, dispatch, hour)
    )


def forged_prices(system: System, dispatch: Dispatch) -> Prices:
    """The same forgery as a certificate of ours: one price at all nodes, nothing else worth anything."""
    hours, lines, hubs = range(system.hours), len(system.lines), len(system.hubs)

    def zeros(width: int) -> tuple[tuple[float, ...], ...]:
        return tuple((0.0,) * width for _ in hours)

    nodes = len(system.loads)
    return Prices(
        active=tuple((level,) * nodes for level in forged_levels(system, dispatch)),
        reactive=zeros(nodes),
        drop=zeros(lines),
        cone=tuple((Cone(0.0, 0.0, 0.0),) * lines for _ in hours),
        apparent=tuple((Slope(0.0, 0.0),) * hubs for _ in hours),
        active_end=zeros(lines),
        reactive_end=zeros(lines),
        heat=(0.0,) * system.hours,
        battery=zeros(hubs),
        tank=zeros(hubs),
    )
