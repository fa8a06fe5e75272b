"""The game of pairs: two buyers or two sellers of one day, of one home or of two with even odds; which is it?

*Linking accuracy* is the share it says right, *linking advantage* how much of the way from guessing (one half) to
certainty that is: true pairs found less false ones taken for true. Its threshold is the best one of what it learnt
from.

Source: the usual left-or-right game; accuracy and advantage are two scales of one figure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Final, NamedTuple

from testbed.adversaries.linker import Sighting
from testbed.privacy.estimate import Estimate, Floats, estimate, ratio

PAIRS: Final = 4_000
_DAY_S: Final = 86_400

Labelled = tuple[int, Sighting]
Likeness = Callable[[Sighting, Sighting], float]


class Pair(NamedTuple):
    """Two addresses of one day."""

    day: int
    one: Sighting
    other: Sighting


@dataclass(frozen=True, slots=True, kw_only=True)
class Linking:
    """How well pairs are told apart."""

    accuracy: Estimate
    """1/2 is guessing."""

    @property
    def advantage(self) -> Estimate:
        """0 is guessing, 1 is certainty."""
        return Estimate(
            value=2 * self.accuracy.value - 1, low=2 * self.accuracy.low - 1, high=2 * self.accuracy.high - 1
        )


def play(
    likeness: Likeness, known: Sequence[Labelled], judged: Sequence[Labelled], chance: Random, interval_s: int
) -> Linking:
    """Choose a threshold on what is known, and decide pairs of what is not."""
    scored = [
        sorted(likeness(pair.one, pair.other) for pair in pairs)
        for pairs in pairs_of(known, chance, interval_s)
    ]
    threshold = _best(*scored)
    same, different = pairs_of(judged, chance, interval_s)
    days: dict[int, list[float]] = defaultdict(lambda: [0.0] * 4)
    for place, pairs in ((0, same), (2, different)):
        for pair in pairs:
            sums = days[pair.day]
            sums[place] += likeness(pair.one, pair.other) >= threshold
            sums[place + 1] += 1
    return Linking(accuracy=estimate([days[day] for day in sorted(days)] or [[0.0] * 4], _accuracy))


def _accuracy(sums: Floats) -> Floats:
    found, false = ratio(sums[..., 0], sums[..., 1]), ratio(sums[..., 2], sums[..., 3])
    accuracy: Floats = (1 + found - false) / 2
    return accuracy


def pairs_of(
    seen: Sequence[Labelled], chance: Random, interval_s: int, count: int = PAIRS
) -> tuple[list[Pair], list[Pair]]:
    """Pairs of addresses of one day and side but different intervals: of one home, and of two.

    A buyer and a seller of one day are mostly two homes, and everybody can see that: such pairs would measure nothing.
    """
    days: dict[int, dict[int, list[Sighting]]] = {}
    for home, sighting in seen:
        day = sighting.first_interval * interval_s // _DAY_S
        days.setdefault(day, {}).setdefault(home, []).append(sighting)
    usable = [(day, homes) for day, homes in sorted(days.items()) if len(homes) > 1]
    same: list[Pair] = []
    different: list[Pair] = []
    for _ in range(count * 4 if usable else 0):
        day, homes = chance.choice(usable)
        home, other = chance.sample(sorted(homes), 2)
        one, two, three = chance.choice(homes[home]), chance.choice(homes[home]), chance.choice(homes[other])
        if _comparable(one, two) and len(same) < count:
            same.append(Pair(day, one, two))
        if _comparable(one, three) and len(different) < count:
            different.append(Pair(day, one, three))
    return same, different


def _comparable(one: Sighting, other: Sighting) -> bool:
    return one.selling == other.selling and one.first_interval != other.first_interval


def _best(true: Sequence[float], false: Sequence[float]) -> float:
    """The threshold with the greatest advantage."""
    best, most = inf, 0.0
    for threshold in sorted({*true, *false}):
        advantage = _share_from(true, threshold) - _share_from(false, threshold)
        if advantage > most:
            best, most = threshold, advantage
    return best


def _share_from(ascending: Sequence[float], threshold: float) -> float:
    """Share of values at or above a threshold."""
    return 1 - bisect_left(ascending, threshold) / len(ascending) if ascending else 0.0
