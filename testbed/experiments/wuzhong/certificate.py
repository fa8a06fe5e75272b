"""What every delegate checks: a feasible answer, and prices that prove how good it is. Shares nothing with the solver.

Weak duality: for any prices not below 0 the cheapest that every device can do on its own, at these prices, is a bound
below every feasible answer's cost, whoever made the prices up. Each device's cheapest input has a closed form, so the
bound is one pass over the devices. A forged price only lowers the bound.

Source: reference rule for convex problems: accept when ``f(x) - g(prices) <= gap * max(1, |f|)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, isfinite
from typing import Any, Final

from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.verdict import Accepted, Rejected
from testbed.experiments.proof import UNIT, Judged, floats, refused, whole
from testbed.experiments.wuzhong.model import (
    GAS_PRICE,
    GRID_PRICE,
    HEAT_PRICE,
    Community,
    Device,
    Kind,
    Market,
    Settings,
    balance_of,
)

GAP: Final = 1e-6
"""Largest relative gap that passes as optimal."""
RESIDUAL_MWH: Final = 1e-3
"""Largest imbalance that is priced instead of refused."""
_MAX_BYTES: Final = 4 << 20
_GRAIN: Final = 1 / UNIT
"""What a number may change by on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A claimed solution."""

    settings: tuple[Settings, ...]
    electricity_price: float
    heat_prices: tuple[float, ...]
    cooling_prices: tuple[float, ...]

    def to_bytes(self) -> bytes:
        """Canonical bytes."""
        settings = tuple((one.inputs, one.power) for one in self.settings)
        prices = (self.electricity_price, self.heat_prices, self.cooling_prices)
        return encode(whole((settings, *prices)))


def judge(market: Market, answer: Answer) -> Judged:
    """Feasible, and proven within the gap."""
    shapes = (len(answer.settings), len(answer.heat_prices), len(answer.cooling_prices))
    expected = (len(market.communities), len(market.heat_limits), len(market.communities))
    if shapes != expected:
        return refused(
            "PSO-01", f"an answer for {shapes} communities, zones, communities; expected {expected}"
        )
    prices = (answer.electricity_price, *answer.heat_prices, *answer.cooling_prices)
    if not all(isfinite(price) and price >= 0 for price in prices):
        return refused("PSO-02", "a price that is no number or below 0")
    for community, settings in zip(market.communities, answer.settings, strict=True):
        outside = _outside(community, settings)
        if outside:
            return refused("PSO-03", f"community {community.number}: {outside}")
    cost, broken = _cost(market, answer)
    bound = _bound(market, answer)
    if broken:
        return Judged(verdict=Rejected(rule="PSO-04", reason=broken), cost=cost, bound=bound)
    if cost - bound > GAP * max(1.0, abs(cost)):
        reason = f"the answer costs {cost:,.2f} CNY, its prices prove {bound:,.2f}"
        return Judged(verdict=Rejected(rule="PSO-05", reason=reason), cost=cost, bound=bound)
    return Judged(verdict=Accepted(), cost=cost, bound=bound)


def judge_bytes(market: Market, raw: bytes) -> Judged:
    """The same of bytes that somebody sent."""
    try:
        answer = answer_from_bytes(raw)
    except RuleViolation as unreadable:
        return refused("PSO-06", str(unreadable))
    return judge(market, answer)


def answer_from_bytes(raw: bytes) -> Answer:
    """Read an answer back.

    Raises:
        RuleViolation: the bytes are no answer.
    """
    wire: Any = decode(raw, max_bytes=_MAX_BYTES)
    if type(wire) is not tuple or len(wire) != 4:
        raise RuleViolation("PSO-06", "parts of an answer", got=type(wire), expected="four")
    try:
        settings, electricity, heat, cooling = wire
        return Answer(
            settings=tuple(Settings(floats(inputs, 1), floats(power, 0)) for inputs, power in settings),
            electricity_price=floats(electricity, 0),
            heat_prices=floats(heat, 1),
            cooling_prices=floats(cooling, 1),
        )
    except (TypeError, ValueError, OverflowError) as wrong:
        raise RuleViolation("PSO-06", "shape of an answer", got=str(wrong), expected="tables") from None


def _outside(community: Community, settings: Settings) -> str:
    """Why settings cannot be; empty where they can."""
    if len(settings.inputs) != len(community.devices):
        return f"{len(settings.inputs)} inputs for {len(community.devices)} devices"
    for device, x in zip(community.devices, settings.inputs, strict=True):
        if not device.low - _GRAIN <= x <= device.high + _GRAIN:
            return f"input {x} outside {device.low} to {device.high}"
    plant = community.plant
    low, high = (0.0, 0.0) if plant is None else (plant.low, plant.high)
    return (
        ""
        if low - _GRAIN <= settings.power <= high + _GRAIN
        else f"power {settings.power} outside {low} to {high}"
    )


def _cost(market: Market, answer: Answer) -> tuple[float, str]:
    """Cost to the whole system, imbalances priced, and what is out of balance by too much."""
    balances = [balance_of(c, s) for c, s in zip(market.communities, answer.settings, strict=True)]
    parts = [GAS_PRICE * balance.gas + balance.plant_cost for balance in balances]
    broken = ""
    dearest = 4 * GRID_PRICE
    for community, balance in zip(market.communities, balances, strict=True):
        parts.append(max(0.0, -balance.cooling_spare) * dearest)
        if balance.cooling_spare < -RESIDUAL_MWH:
            broken = f"community {community.number} lacks {-balance.cooling_spare:.4f} MWh of cooling"
    grid = fsum(balance.electricity for balance in balances)
    parts.append(GRID_PRICE * max(0.0, grid))
    if grid < -RESIDUAL_MWH:
        broken = f"{-grid:.4f} MWh of electricity find no buyer"
    parts.append(max(0.0, -grid) * dearest)
    for zone, limit in enumerate(market.heat_limits):
        heat = fsum(b.heat for c, b in zip(market.communities, balances, strict=True) if c.zone == zone)
        parts += [HEAT_PRICE * max(0.0, heat), max(0.0, -heat, heat - limit) * dearest]
        if not -RESIDUAL_MWH <= heat <= limit + RESIDUAL_MWH:
            broken = f"zone {zone + 1} buys {heat:.4f} MWh of heat of at most {limit}"
    return fsum(parts), broken


def _bound(market: Market, answer: Answer) -> float:
    """The dual function at the answer's prices."""
    electricity = answer.electricity_price
    parts = [min(0.0, GRID_PRICE - electricity) * _most_grid(market)]
    parts += [
        min(0.0, HEAT_PRICE - price) * limit
        for price, limit in zip(answer.heat_prices, market.heat_limits, strict=True)
    ]
    for community, cooling in zip(market.communities, answer.cooling_prices, strict=True):
        heat = answer.heat_prices[community.zone]
        parts += [electricity * community.electricity, heat * community.heat, cooling * community.cooling]
        parts += [_cheapest(device, electricity, heat, cooling) for device in community.devices]
        if community.plant is not None:
            plant = community.plant
            best = min(max((electricity - plant.linear) / (2 * plant.quadratic), plant.low), plant.high)
            parts.append(plant.cost(best) - electricity * best)
    return fsum(parts)


def _most_grid(market: Market) -> float:
    """More electricity than all loads and devices together could ever buy."""
    loads = fsum(max(0.0, community.electricity) for community in market.communities)
    return loads + fsum(device.high for community in market.communities for device in community.devices)


def _cheapest(device: Device, electricity: float, heat: float, cooling: float) -> float:
    """The least that a device can cost at these prices: its input less the worth of its outputs."""
    cost, worth = {
        Kind.CHP: (GAS_PRICE, (electricity, heat)),
        Kind.BOILER: (GAS_PRICE, (heat,)),
        Kind.HEAT_PUMP: (electricity, (cooling, heat)),
        Kind.CHILLER: (electricity, (cooling,)),
        Kind.ABSORBER: (heat, (cooling,)),
    }[device.kind]
    linear = _dot(worth, device.linear) - cost
    quadratic = _dot(worth, device.quadratic)
    candidates = [device.low, device.high]
    if quadratic < 0:
        candidates.append(min(max(linear / (-2 * quadratic), device.low), device.high))
    return min(-(linear * x + quadratic * x * x) for x in candidates)


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return fsum(a * b for a, b in zip(one, other, strict=True))
