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
from math import exp, inf, log
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
        self._known: dict[tuple[int, object], tuple[float, ...]] = {}

    def learn(self, sightings: Sequence[tuple[int, Sighting]]) -> None:
        """Take in labelled addresses: (home, what was seen)."""
        self._known.clear()
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
        pairs = zip(self.prior(), self.evidence(sighting), strict=True)
        scores = [log(share) + speaks for share, speaks in pairs]
        highest = max(scores)
        weights = [exp(score - highest) for score in scores]
        total = sum(weights)
        return tuple(weight / total for weight in weights)

    def evidence(self, sighting: Sighting) -> tuple[float, ...]:
        """How an address speaks for each home, nats."""
        if self._uses[sighting.connection] > 1:  # a key that is used again tells everything
            owner = self._owner[sighting.connection]
            return tuple(0.0 if home == owner else -inf for home in range(self._homes))
        features = enumerate(sighting.features(self._interval_s))
        parts = [self._evidence(place, value) for place, value in features if len(self._kinds[place]) > 1]
        return tuple(map(sum, zip(*parts, strict=True))) if parts else (0.0,) * self._homes

    def _evidence(self, place: int, value: object) -> tuple[float, ...]:
        """How a value of a feature speaks for each home, nats; the same few values come again and again."""
        found = self._known.get((place, value))
        if found is None:
            kinds = len(self._kinds[place]) + 1
            found = self._known[place, value] = tuple(
                log((counts[place][value] + self._smoothing) / (seen + self._smoothing * kinds))
                for counts, seen in zip(self._counts, self._seen, strict=True)
            )
        return found

    def likeness(self, one: Sighting, other: Sighting) -> float:
        """How much it believes that two addresses belong to one home, 0..1."""
        if one.connection == other.connection:
            return 1.0
        pairs = zip(self.posterior(one), self.posterior(other), strict=True)
        return sum(left * right for left, right in pairs)


class Stranger:
    """Somebody who has never known whose any address was, and has only read what all of them did.

    Two addresses that agree in something rare are probably one home's: each feature in which they agree counts by how
    rare its value is (the weights of Fellegi and Sunter, with certain agreement within a home).
    """

    def __init__(self, interval_s: int) -> None:
        self._interval_s = interval_s
        self._counts: list[Counter[object]] = []
        self._seen = 0

    def learn(self, sightings: Sequence[Sighting]) -> None:
        """Take in addresses without any label."""
        for sighting in sightings:
            features = sighting.features(self._interval_s)
            self._counts = self._counts or [Counter() for _ in features]
            self._seen += 1
            for counts, value in zip(self._counts, features, strict=True):
                counts[value] += 1

    def likeness(self, one: Sighting, other: Sighting) -> float:
        """Nats in favour of both belonging to one home; any number from 0 on."""
        pairs = zip(one.features(self._interval_s), other.features(self._interval_s), strict=True)
        agreed = [
            (counts[left], left == right) for counts, (left, right) in zip(self._counts, pairs, strict=True)
        ]
        return sum(-log(max(count, 1) / self._seen) for count, same in agreed if same)
