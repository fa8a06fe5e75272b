"""One clearing problem: the classes of open offers at one moment, the grid, and the parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from light_client.rules.market.grid import Grid
from light_client.rules.market.intervals import Ranges, cut_before, members
from light_client.rules.market.mechanisms.reaction import Reaction
from light_client.rules.market.offer import ClassKey, OpenOffer
from light_client.rules.market.params import MarketParams
from light_client.rules.units import FeederId, OfferId, Side


class SpotClass(NamedTuple):
    """A class that only one interval is left to, as the bound walks it."""

    feeder: int
    price_uc_per_kwh: int
    energy_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Everything a plan is judged against; derived by each verifier from its own state, never taken from a solver."""

    first_interval: int
    """The interval that becomes final next; every class has been cut to it."""
    params: MarketParams
    grid: Grid
    classes: dict[ClassKey, int]
    """Class -> energy left in it, J."""
    shares: dict[ClassKey, tuple[tuple[OfferId, int], ...]] = field(repr=False)
    """Class -> its offers in ascending order with the energy left in each, J."""
    reaction: Reaction | None = None
    """Between the stages of an auction: the average that was broadcast, and the limits improved since."""
    two_sided: frozenset[int] = field(init=False, repr=False)
    """Intervals that at least one sell and one buy offer contain: nothing trades elsewhere."""
    spot: tuple[dict[int, list[SpotClass]], dict[int, list[SpotClass]]] = field(init=False, repr=False)
    """Per side: interval -> the classes left with this interval alone."""
    flexible: tuple[list[tuple[ClassKey, int]], list[tuple[ClassKey, int]]] = field(init=False, repr=False)
    """Per side: the classes with several intervals, and their energy."""

    def __post_init__(self) -> None:
        spot: tuple[dict[int, list[SpotClass]], dict[int, list[SpotClass]]] = ({}, {})
        flexible: tuple[list[tuple[ClassKey, int]], list[tuple[ClassKey, int]]] = (
            [],
            [],
        )
        covered: tuple[set[int], set[int]] = (set(), set())
        for key, energy_j in self.classes.items():
            side, feeder, price, ranges = key
            first = ranges[0][0]
            if first == ranges[-1][1]:
                spot[side].setdefault(first, []).append(SpotClass(feeder, price, energy_j))
            else:
                flexible[side].append((key, energy_j))
                covered[side].update(members(ranges))
        both = (covered[Side.SELL] | spot[Side.SELL].keys()) & (covered[Side.BUY] | spot[Side.BUY].keys())
        object.__setattr__(self, "spot", spot)
        object.__setattr__(self, "flexible", flexible)
        object.__setattr__(self, "two_sided", frozenset(both))

    @property
    def uniform(self) -> bool:
        """Whether all offers have one price, so that the served share is levelled across feeders."""
        return self.params.uniform_price_uc_per_kwh is not None


def problem_to_wire(problem: Problem) -> tuple[Any, ...]:
    """Canonical form: the interval and, per class in order, its key and its offers with the energy left in each.

    Between two stages also the average and the gate, not the limits: these come later than a gate is recorded.
    """
    rows = []
    for key, entries in problem.shares.items():
        ranges = tuple(value for pair in key.ranges for value in pair)
        flat = tuple(value for pair in entries for value in pair)
        rows.append((key.side, key.feeder, key.price_uc_per_kwh, ranges, flat))
    reaction = problem.reaction
    stage = () if reaction is None else (reaction.average_uc_per_kwh, reaction.gate_offer)
    return (problem.first_interval, tuple(rows), stage)


def problem_from_wire(wire: Any, *, params: MarketParams, grid: Grid) -> Problem:
    """Read back bytes that the rules made: the caller knows their hash, and nothing is checked here."""
    first_interval, rows, stage = wire
    shares = {
        ClassKey(side, feeder, price, _pairs(ranges)): tuple(
            (OfferId(offer_id), energy_j) for offer_id, energy_j in _pairs(flat)
        )
        for side, feeder, price, ranges, flat in rows
    }
    classes = {key: sum(energy_j for _, energy_j in entries) for key, entries in shares.items()}
    reaction = None
    if stage:
        average, gate_offer = stage
        reaction = Reaction(interval=first_interval, average_uc_per_kwh=average, gate_offer=gate_offer)
    return Problem(
        first_interval=first_interval,
        params=params,
        grid=grid,
        classes=classes,
        shares=shares,
        reaction=reaction,
    )


def _pairs(flat: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    return tuple(zip(flat[::2], flat[1::2], strict=True))


def problem_of(
    offers: Iterable[OpenOffer],
    *,
    first_interval: int,
    params: MarketParams,
    grid: Grid,
    reaction: Reaction | None = None,
) -> Problem:
    """Group open offers into the problem whose next final interval is ``first_interval``.

    Offers whose last interval has passed are left out; the order of ``offers`` does not matter.
    """
    shares: dict[tuple[Side, FeederId, int, Ranges], list[tuple[OfferId, int]]] = {}
    # bare tuples, since this is the hottest loop of a day
    for offer_id, _, side, feeder, price, ranges, remaining_j, _ in offers:
        left = ranges
        if left[0][0] < first_interval:
            if left[-1][1] < first_interval:
                continue
            left = cut_before(left, first_interval)
        key = (side, feeder, price, left)
        if key in shares:
            shares[key].append((offer_id, remaining_j))
        else:
            shares[key] = [(offer_id, remaining_j)]
    ordered: dict[ClassKey, tuple[tuple[OfferId, int], ...]] = {}
    totals: dict[ClassKey, int] = {}
    for key in sorted(shares):
        entries = shares[key]
        side, feeder, price, ranges = key
        named = ClassKey(int(side), feeder, price, ranges)
        if len(entries) > 1:
            entries.sort()
            totals[named] = sum([energy_j for _, energy_j in entries])
        else:
            totals[named] = entries[0][1]
        ordered[named] = tuple(entries)
    return Problem(
        first_interval=first_interval,
        params=params,
        grid=grid,
        classes=totals,
        shares=ordered,
        reaction=reaction,
    )
