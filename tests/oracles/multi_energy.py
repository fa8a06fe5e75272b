"""A second opinion on the multi-energy market: every device by trial of many inputs, no closed form, nothing shared.

Reads the market's plain numbers only. Written from the equations of the model, one bus after the other, and not from
the verifier: the bound is the least Lagrangian over a grid of inputs, so a little above the true one, never below.
"""

from __future__ import annotations

from collections.abc import Sequence

from testbed.experiments.wuzhong.model import Community, Device, Market, Settings

GAS, GRID, HEAT = 318.0, 994.7, 206.1
TRIALS = 1_000
INTO = {
    "gas to electricity and heat": ("gas", ("electricity", "heat")),
    "gas to heat": ("gas", ("heat",)),
    "electricity to cooling and heat": ("electricity", ("cooling", "heat")),
    "electricity to cooling": ("electricity", ("cooling",)),
    "heat to cooling": ("heat", ("cooling",)),
}


def flows(device: Device, x: float) -> dict[str, float]:
    """What a device takes (above 0) and gives (below 0), by carrier."""
    taken, given = INTO[device.kind.value]
    out = {taken: x}
    for carrier, slope, bend in zip(given, device.linear, device.quadratic, strict=True):
        out[carrier] = out.get(carrier, 0.0) - (slope * x + bend * x * x)
    return out


def needs(community: Community, settings: Settings) -> dict[str, float]:
    """What a community draws from outside itself, by carrier."""
    need = {"gas": 0.0, "electricity": community.electricity - settings.power}
    need |= {"heat": community.heat, "cooling": community.cooling}
    for device, x in zip(community.devices, settings.inputs, strict=True):
        for carrier, amount in flows(device, x).items():
            need[carrier] += amount
    return need


def cost(market: Market, settings: Sequence[Settings]) -> float:
    """Gas, plants, and what comes from outside; balances are taken as they are."""
    drawn = [needs(community, one) for community, one in zip(market.communities, settings, strict=True)]
    total = sum(GAS * one["gas"] for one in drawn)
    for community, one in zip(market.communities, settings, strict=True):
        if community.plant is not None:
            p = community.plant
            total += p.quadratic * one.power**2 + p.linear * one.power + p.fixed
    total += GRID * max(0.0, sum(one["electricity"] for one in drawn))
    for zone in range(len(market.heat_limits)):
        members = [one["heat"] for c, one in zip(market.communities, drawn, strict=True) if c.zone == zone]
        total += HEAT * max(0.0, sum(members))
    return total


def bound(market: Market, electricity: float, heat: Sequence[float], cooling: Sequence[float]) -> float:
    """The least Lagrangian over many inputs of every device; prices at most those outside."""
    if electricity > GRID or any(
        price > HEAT and limit > 0 for price, limit in zip(heat, market.heat_limits, strict=True)
    ):
        raise ValueError("dearer than outside: not what this oracle is for")
    total = 0.0
    for community, cool in zip(market.communities, cooling, strict=True):
        prices = {"gas": GAS, "electricity": electricity, "heat": heat[community.zone], "cooling": cool}
        total += sum(prices[name] * getattr(community, name) for name in ("electricity", "heat", "cooling"))
        for device in community.devices:
            total += min(
                sum(prices[carrier] * amount for carrier, amount in flows(device, x).items())
                for x in _trials(device.low, device.high)
            )
        if community.plant is not None:
            p = community.plant
            total += min(
                p.quadratic * x * x + p.linear * x + p.fixed - electricity * x for x in _trials(p.low, p.high)
            )
    return total


def _trials(low: float, high: float) -> list[float]:
    return [low + (high - low) * step / TRIALS for step in range(TRIALS + 1)]
