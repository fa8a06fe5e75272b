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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, inf, log2
from random import Random
from statistics import fmean
from typing import Final, Protocol

from light_client.rules.units import Side
from testbed.adversaries.linker import Linker, Sighting, Stranger
from testbed.privacy.views import WEEKS, View
from testbed.year.market import Order
from testbed.year.run import YearResult

PAIRS: Final = 4_000
MOST_JUDGED: Final = 4_000
"""Addresses that are judged, evenly spread over the time."""
_TWENTIETH: Final = 20
_DAY_S: Final = 86_400
_LEAST_PROBABILITY: Final = 1e-9

Labelled = tuple[int, Sighting]
Pair = tuple[Sighting, Sighting]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How well addresses are linked."""

    advantage: float
    effective_set: float
    prior_set: float
    worst_bits: float
    """Mean surprise at the truth, bits, of the twentieth of the addresses that is hidden worst: a mean over all of them
    hides its victims."""
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


def expose(result: YearResult, *, fresh_keys: bool, view: View = WEEKS, seed: int = 1) -> Exposure:
    """Let an adversary learn what it may of the first half of the time, and judge the second."""
    interval_s = result.village.interval_s
    seen = [(order.home, sighting_of(order, fresh_keys=fresh_keys)) for order in result.orders]
    end = result.village.first_interval + result.village.intervals
    half = (result.first_interval + end) // 2
    known = [one for one in seen if one[1].first_interval < half]
    judged = [one for one in seen if one[1].first_interval >= half and one[0] >= view.colluders]
    if not judged or not known:
        return Exposure(
            advantage=0.0, effective_set=1.0, prior_set=1.0, worst_bits=0.0, named=0.0, addresses=0
        )
    numbers = {id(sighting): number for number, (_, sighting) in enumerate(seen)}

    def shown(sighting: Sighting) -> Sighting:
        return view.of(sighting, interval_s * 1_000, numbers[id(sighting)])

    if view.known_days == 0:
        stranger = Stranger(interval_s)
        stranger.learn([shown(sighting) for _, sighting in known])
        return _judge(_Without(stranger, shown, judged, interval_s), known, judged, interval_s, seed)
    linker = Linker(len(result.village.homes), interval_s)
    last = half if view.known_days is None else result.first_interval + view.known_days * _DAY_S // interval_s
    labelled = [one for one in known if one[1].first_interval < last or one[0] < view.colluders]
    linker.learn([(home, shown(sighting)) for home, sighting in labelled])
    return _judge(_Learned(linker, shown, view.colluders), labelled, judged, interval_s, seed)


class _Adversary(Protocol):
    """What is asked of any of them."""

    def likeness(self, one: Sighting, other: Sighting) -> float:
        """How much it believes that two addresses are one home's, on any scale."""

    def belief(self, home: int, sighting: Sighting, chance: Random) -> tuple[list[float], int, float]:
        """What it takes for how probable, at which place the truth is, and how probable that was beforehand."""


class _Learned:
    """Somebody who has known homes by name."""

    def __init__(self, linker: Linker, shown: Callable[[Sighting], Sighting], colluders: int) -> None:
        self._linker = linker
        self._shown = shown
        self._out = colluders
        self._prior = self._free(linker.prior())

    def _free(self, probabilities: Sequence[float]) -> list[float]:
        """Without those homes that have said which addresses are theirs."""
        left = probabilities[self._out :]
        total = sum(left)
        return [value / total if total else 1 / len(left) for value in left]

    def likeness(self, one: Sighting, other: Sighting) -> float:
        """By its posterior probabilities."""
        return self._linker.likeness(self._shown(one), self._shown(other))

    def belief(self, home: int, sighting: Sighting, chance: Random) -> tuple[list[float], int, float]:
        """Over the homes that do not tell."""
        del chance
        at = home - self._out
        return self._free(self._linker.posterior(self._shown(sighting))), at, self._prior[at]


class _Without:
    """Somebody who knows nobody: an address is one of those of the next day, one of each home."""

    def __init__(
        self,
        stranger: Stranger,
        shown: Callable[[Sighting], Sighting],
        judged: Sequence[Labelled],
        interval_s: int,
    ) -> None:
        self._stranger = stranger
        self._shown = shown
        self._per_day = _DAY_S // interval_s
        self._days: dict[tuple[int, bool], dict[int, list[Sighting]]] = {}
        for home, sighting in judged:
            self._of(sighting, 0).setdefault(home, []).append(sighting)

    def _of(self, sighting: Sighting, later: int) -> dict[int, list[Sighting]]:
        key = (sighting.first_interval // self._per_day + later, sighting.selling)
        return self._days.setdefault(key, {})

    def likeness(self, one: Sighting, other: Sighting) -> float:
        """By what they agree in, and how rare that is."""
        return self._stranger.likeness(self._shown(one), self._shown(other))

    def belief(self, home: int, sighting: Sighting, chance: Random) -> tuple[list[float], int, float]:
        """Over the homes that are there the next day, in random order; certain where the home is the only one."""
        homes = [(other, chance.choice(found)) for other, found in self._of(sighting, 1).items()]
        if home not in [other for other, _ in homes]:
            return [1.0], 0, 1.0
        chance.shuffle(homes)
        scores = [self.likeness(sighting, candidate) for _, candidate in homes]
        weights = [exp(score - max(scores)) for score in scores]
        place = [other for other, _ in homes].index(home)
        return [weight / sum(weights) for weight in weights], place, 1 / len(homes)


def _judge(
    adversary: _Adversary, known: Sequence[Labelled], judged: Sequence[Labelled], interval_s: int, seed: int
) -> Exposure:
    chance = Random(seed)  # noqa: S311 a replayable experiment
    sample = judged[:: -(-len(judged) // MOST_JUDGED)]
    surprises, blind, hits = [], 0.0, 0
    for home, sighting in sample:
        believed, place, prior = adversary.belief(home, sighting, chance)
        surprises.append(-log2(max(believed[place], _LEAST_PROBABILITY)))
        blind -= log2(max(prior, _LEAST_PROBABILITY))
        hits += believed.index(max(believed)) == place
    threshold = _best(*_scores(adversary, known, chance, interval_s))[0]
    true, false = _scores(adversary, judged, chance, interval_s)
    worst = sorted(surprises)[: -(-len(surprises) // _TWENTIETH)]
    return Exposure(
        advantage=_share_from(true, threshold) - _share_from(false, threshold),
        effective_set=2 ** fmean(surprises),
        prior_set=2 ** (blind / len(sample)),
        worst_bits=fmean(worst),
        named=hits / len(sample),
        addresses=len(sample),
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
    linker: _Adversary, seen: Sequence[Labelled], chance: Random, interval_s: int
) -> tuple[list[float], list[float]]:
    same, different = pairs_of(seen, chance, interval_s)
    true, false = (sorted(linker.likeness(*pair) for pair in pairs) for pairs in (same, different))
    return true, false


def _best(true: Sequence[float], false: Sequence[float]) -> tuple[float, float]:
    """The threshold with the greatest advantage, and that advantage."""
    best = (inf, 0.0)
    for threshold in sorted({*true, *false}):
        advantage = _share_from(true, threshold) - _share_from(false, threshold)
        if advantage > best[1]:
            best = (threshold, advantage)
    return best


def _share_from(ascending: Sequence[float], threshold: float) -> float:
    """Share of values at or above a threshold."""
    return 1 - bisect_left(ascending, threshold) / len(ascending) if ascending else 0.0
