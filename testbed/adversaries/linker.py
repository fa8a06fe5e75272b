"""Somebody who reads the whole market plane and wants to know which addresses belong to one home.

What it sees of each address: side, energy, price and intervals of its offer, when it was posted, and the key of the
connection it came over. What it knows beforehand: whose address was whose for some weeks (a landlord, a former
installer, or anybody who watched the house). From that it learns how each home behaves and judges addresses it has
never seen. It does not see the management plane, IP addresses, or meters.

It is a naive Bayes classifier: each home by how often it shows each value of each feature, features taken as
independent but for what belongs together (side, hour and size). That is strong enough to find habits, and its
probabilities are kept honest by adding to every count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Final

_DAY_S: Final = 86_400
_TWENTIETH: Final = 20
"""Parts of an interval that a moment of posting is told apart by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One address as the market plane shows it."""

    selling: bool
    energy_j: int
    price_uc_per_kwh: int
    first_interval: int
    intervals: int
    """How many intervals its offer names."""
    posted_ms: int
    connection: str
    """Transport key under which it spoke."""

    def features(self, interval_s: int) -> tuple[object, ...]:
        """What is counted: each entry is one feature."""
        hour = self.first_interval * interval_s % _DAY_S // 3_600
        length_ms = interval_s * 1_000
        moment = self.posted_ms % length_ms * _TWENTIETH // length_ms
        lead = self.first_interval - self.posted_ms // length_ms
        octave = self.energy_j.bit_length()
        return (
            (self.selling, hour, octave),
            (self.selling, self.price_uc_per_kwh),
            self.energy_j % 360_000,
            (self.intervals, lead),
            moment,
        )


class Linker:
    """The adversary."""

    def __init__(self, homes: int, interval_s: int, *, smoothing: float = 1.0) -> None:
        self._homes = homes
        self._interval_s = interval_s
        self._smoothing = smoothing
        self._seen = [0] * homes
        self._counts: list[list[Counter[object]]] = []
        self._kinds: list[set[object]] = []
        self._owner: dict[str, int] = {}
        self._uses: Counter[str] = Counter()

    def learn(self, sightings: Sequence[tuple[int, Sighting]]) -> None:
        """Take in labelled addresses: (home, what was seen)."""
        for home, sighting in sightings:
            features = sighting.features(self._interval_s)
            if not self._counts:
                self._counts = [[Counter() for _ in features] for _ in range(self._homes)]
                self._kinds = [set() for _ in features]
            self._seen[home] += 1
            self._owner[sighting.connection] = home
            self._uses[sighting.connection] += 1
            for place, value in enumerate(features):
                self._counts[home][place][value] += 1
                self._kinds[place].add(value)

    def prior(self) -> tuple[float, ...]:
        """How probable each home is before anything is seen of an address: by how many addresses it uses."""
        total = sum(self._seen) + self._smoothing * self._homes
        return tuple((seen + self._smoothing) / total for seen in self._seen)

    def posterior(self, sighting: Sighting) -> tuple[float, ...]:
        """How probable each home is, given one address."""
        if self._uses[sighting.connection] > 1:  # a key that is used again tells everything
            owner = self._owner[sighting.connection]
            return tuple(1.0 if home == owner else 0.0 for home in range(self._homes))
        scores = []
        features = sighting.features(self._interval_s)
        for home, share in enumerate(self.prior()):
            score = log(share)
            for place, value in enumerate(features):
                kinds = len(self._kinds[place]) + 1
                count = self._counts[home][place][value] + self._smoothing
                score += log(count / (self._seen[home] + self._smoothing * kinds))
            scores.append(score)
        highest = max(scores)
        weights = [exp(score - highest) for score in scores]
        return tuple(weight / sum(weights) for weight in weights)

    def likeness(self, one: Sighting, other: Sighting) -> float:
        """How much it believes that two addresses belong to one home, 0..1."""
        if one.connection == other.connection:
            return 1.0
        pairs = zip(self.posterior(one), self.posterior(other), strict=True)
        return sum(left * right for left, right in pairs)
