"""What the linker achieves against one way of trading.

- *Linking advantage*: it is shown two buyers or two sellers of one day, of one home or of two with even odds, and says
  which. Share of true pairs it finds less share of false ones it takes for true: 0 is guessing, 1 is certainty. Its
  threshold is the best one of the weeks that it learnt from.
- *Effective set*: among how many equally likely homes an address hides: 2 to the mean surprise (bits) of its
  probabilities at the truth. At most the number of homes, where it learns nothing.
- *Prior set*: the same for somebody who only knows how many addresses each home uses.

Source: the game is the usual left-or-right one; the set is that of Serjantov and Danezis (2002), with the surprise at
the truth in place of the entropy, so that an adversary who is sure of something false is not counted as successful.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from random import Random
from typing import Final

from light_client.rules.units import Side
from testbed.adversaries.linker import Linker, Sighting
from testbed.year.market import Order
from testbed.year.run import YearResult

PAIRS: Final = 4_000
_LEAST_PROBABILITY: Final = 1e-9

Labelled = tuple[int, Sighting]
Pair = tuple[Sighting, Sighting]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How well addresses are linked."""

    advantage: float
    effective_set: float
    prior_set: float
    named: float
    """Share of addresses whose home it guesses right at the first try."""
    addresses: int
    """How many it was shown."""


def sighting_of(order: Order, *, fresh_keys: bool) -> Sighting:
    """What the market plane shows of one order."""
    intent = order.intent
    return Sighting(
        selling=intent.side is Side.SELL,
        energy_j=intent.energy_j,
        price_uc_per_kwh=intent.price_uc_per_kwh,
        first_interval=intent.first_interval,
        intervals=intent.last_interval - intent.first_interval + 1,
        posted_ms=order.posted_ms,
        connection=f"address {order.number}" if fresh_keys else f"home {order.home}",
    )


def expose(result: YearResult, *, fresh_keys: bool, seed: int = 1) -> Exposure:
    """Let the linker learn from the first half of the time and judge the second."""
    interval_s = result.village.interval_s
    seen = [(order.home, sighting_of(order, fresh_keys=fresh_keys)) for order in result.orders]
    end = result.village.first_interval + result.village.intervals
    half = (result.first_interval + end) // 2
    known = [one for one in seen if one[1].first_interval < half]
    judged = [one for one in seen if one[1].first_interval >= half]
    linker = Linker(len(result.village.homes), interval_s)
    linker.learn(known)
    chance = Random(seed)  # noqa: S311 a replayable experiment
    surprise = blind = hits = 0.0
    prior = linker.prior()
    for home, sighting in judged:
        probabilities = linker.posterior(sighting)
        surprise -= log2(max(probabilities[home], _LEAST_PROBABILITY))
        blind -= log2(prior[home])
        hits += probabilities.index(max(probabilities)) == home
    threshold = _best(*_scores(linker, known, chance, interval_s))[0]
    true, false = _scores(linker, judged, chance, interval_s)
    return Exposure(
        advantage=_share_from(true, threshold) - _share_from(false, threshold),
        effective_set=2 ** (surprise / max(1, len(judged))),
        prior_set=2 ** (blind / max(1, len(judged))),
        named=hits / max(1, len(judged)),
        addresses=len(judged),
    )


def pairs_of(
    seen: Sequence[Labelled], chance: Random, interval_s: int, count: int = PAIRS
) -> tuple[list[Pair], list[Pair]]:
    """Pairs of addresses of one day and side but different intervals: of one home, and of two.

    A buyer and a seller of one day are mostly two homes, and everybody can see that: such pairs would measure nothing.
    """
    days: dict[int, dict[int, list[Sighting]]] = {}
    for home, sighting in seen:
        day = sighting.first_interval * interval_s // 86_400
        days.setdefault(day, {}).setdefault(home, []).append(sighting)
    usable = [homes for _, homes in sorted(days.items()) if len(homes) > 1]
    same: list[Pair] = []
    different: list[Pair] = []
    for _ in range(count * 4 if usable else 0):
        homes = chance.choice(usable)
        home, other = chance.sample(sorted(homes), 2)
        one, two, three = chance.choice(homes[home]), chance.choice(homes[home]), chance.choice(homes[other])
        if _comparable(one, two) and len(same) < count:
            same.append((one, two))
        if _comparable(one, three) and len(different) < count:
            different.append((one, three))
    return same, different


def _comparable(one: Sighting, other: Sighting) -> bool:
    return one.selling == other.selling and one.first_interval != other.first_interval


def _scores(
    linker: Linker, seen: Sequence[Labelled], chance: Random, interval_s: int
) -> tuple[list[float], list[float]]:
    same, different = pairs_of(seen, chance, interval_s)
    true, false = (sorted(linker.likeness(*pair) for pair in pairs) for pairs in (same, different))
    return true, false


def _best(true: Sequence[float], false: Sequence[float]) -> tuple[float, float]:
    """The threshold with the greatest advantage, and that advantage."""
    best = (2.0, 0.0)
    for threshold in sorted({*true, *false}):
        advantage = _share_from(true, threshold) - _share_from(false, threshold)
        if advantage > best[1]:
            best = (threshold, advantage)
    return best


def _share_from(ascending: Sequence[float], threshold: float) -> float:
    """Share of values at or above a threshold."""
    return 1 - bisect_left(ascending, threshold) / len(ascending) if ascending else 0.0
