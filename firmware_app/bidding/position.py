"""The net position of coming intervals: what a home will have too much or too little of, and how sure that is."""

from __future__ import annotations

from firmware_app.bidding.settings import PERMILLE
from firmware_app.forecast.quantiles import QuantileForecast
from light_client.rules.errors import LocalError


def net_of(load: QuantileForecast, generation: QuantileForecast) -> QuantileForecast:
    """Generation less load, each level paired with its opposite, over the intervals that both tell about.

    Little sun meets much use: at 10 % stands the generation's 10 % less the load's 90 %. That holds however the two
    depend on each other, and is wider than the truth where they do not: selling and buying by it err on the safe side.

    Raises:
        LocalError: they have no interval in common.
    """
    first = max(load.first_interval, generation.first_interval)
    last = min(load.first_interval + len(load.energy_j), generation.first_interval + len(generation.energy_j))
    if first >= last:
        raise LocalError("intervals of two forecasts", got=(first, last), expected="some in common")
    levels = sorted({*generation.levels_permille, *(PERMILLE - level for level in load.levels_permille)})
    return QuantileForecast(
        first_interval=first,
        levels_permille=tuple(levels),
        energy_j=tuple(
            tuple(generation.at(at, level) - load.at(at, PERMILLE - level) for level in levels)
            for at in range(first, last)
        ),
        is_fallback=load.is_fallback or generation.is_fallback,
    )


def net_of_demand(demand: QuantileForecast) -> QuantileForecast:
    """Generation less load out of a forecast of load less generation: the same, seen from the other side."""
    return QuantileForecast(
        first_interval=demand.first_interval,
        levels_permille=tuple(PERMILLE - level for level in reversed(demand.levels_permille)),
        energy_j=tuple(tuple(-value for value in reversed(values)) for values in demand.energy_j),
        is_fallback=demand.is_fallback,
    )


def sure_surplus(net: QuantileForecast, chance_permille: int) -> tuple[int, ...]:
    """Per interval the net that will be there or exceeded with this chance, J; negative: a deficit."""
    return _series(net, PERMILLE - chance_permille)


def sure_deficit(net: QuantileForecast, chance_permille: int) -> tuple[int, ...]:
    """Per interval the net that will not be exceeded with this chance, J; negative: a deficit of at least that."""
    return _series(net, chance_permille)


def _series(net: QuantileForecast, level_permille: int) -> tuple[int, ...]:
    return tuple(net.at(net.first_interval + place, level_permille) for place in range(len(net.energy_j)))
