"""What an adversary achieves against one way of trading: it learns in half of the time, is judged in the rest.

Three measures: the game of pairs (`pairs`), the sets in which single addresses hide (`sets`), and what is left of these
when a home's addresses are taken together (`intersection`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import exp
from random import Random
from typing import Final, Protocol

from light_client.rules.units import Side
from testbed.adversaries.linker import Linker, Sighting, Stranger
from testbed.privacy.intersection import WINDOWS, intersect
from testbed.privacy.pairs import Labelled, Linking, play
from testbed.privacy.sets import Belief, Hiding, hiding_of
from testbed.privacy.views import WEEKS, View
from testbed.year.market import Order
from testbed.year.run import YearResult

MOST_JUDGED: Final = 4_000
"""Addresses whose sets are measured, evenly spread over the time."""
_DAY_S: Final = 86_400


class NothingSeenError(ValueError):
    """There is no address to learn from, or none to judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How exposed a way of trading is to one adversary."""

    linking: Linking
    hiding: Hiding
    intersected: dict[int, Hiding]
    """By window, in intervals: those that the time holds, and only for who has known homes by name."""


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
    """Let an adversary learn what it may of the first half of the time, and judge the second.

    Raises:
        NothingSeenError: nobody traded in one of them.
    """
    interval_s = result.village.interval_s
    seen = [(order.home, sighting_of(order, fresh_keys=fresh_keys)) for order in result.orders]
    end = result.village.first_interval + result.village.intervals
    half = (result.first_interval + end) // 2
    known = [one for one in seen if one[1].first_interval < half]
    judged = [one for one in seen if one[1].first_interval >= half and one[0] >= view.colluders]
    numbers = {id(sighting): number for number, (_, sighting) in enumerate(seen)}

    def shown(sighting: Sighting) -> Sighting:
        return view.of(sighting, interval_s * 1_000, numbers[id(sighting)])

    adversary: _Adversary
    if view.known_days == 0:
        stranger = Stranger(interval_s)
        stranger.learn([shown(sighting) for _, sighting in known])
        adversary = _Without(stranger, shown, judged, interval_s)
    else:
        linker = Linker(len(result.village.homes), interval_s)
        last = (
            half
            if view.known_days is None
            else result.first_interval + view.known_days * _DAY_S // interval_s
        )
        known = [one for one in known if one[1].first_interval < last or one[0] < view.colluders]
        linker.learn([(home, shown(sighting)) for home, sighting in known])
        adversary = _Learned(linker, shown, view.colluders, _DAY_S // interval_s)
    chance = Random(seed)  # noqa: S311 a replayable experiment
    sample = judged[:: -(-len(judged) // MOST_JUDGED) or 1]
    hiding = hiding_of(adversary.beliefs(sample, chance)) if known else None
    if hiding is None:
        raise NothingSeenError("nobody traded in the time that is learnt from or judged")
    return Exposure(
        linking=play(adversary.likeness, known, judged, chance, interval_s),
        hiding=hiding,
        intersected=adversary.intersected(judged, range(half, end)),
    )


class _Adversary(Protocol):
    """What is asked of any of them."""

    def likeness(self, one: Sighting, other: Sighting) -> float:
        """How much it believes that two addresses are one home's, on any scale."""

    def beliefs(self, sample: Sequence[Labelled], chance: Random) -> Iterator[Belief]:
        """What it takes for how probable, address by address."""

    def intersected(self, judged: Sequence[Labelled], span: range) -> dict[int, Hiding]:
        """What it makes of bundles."""


class _Learned:
    """Somebody who has known homes by name."""

    def __init__(
        self, linker: Linker, shown: Callable[[Sighting], Sighting], colluders: int, per_day: int
    ) -> None:
        self._linker = linker
        self._shown = shown
        self._out = colluders
        self._per_day = per_day
        self._prior = self._free(linker.prior())

    def _free(self, probabilities: Sequence[float]) -> list[float]:
        """Without those homes that have said which addresses are theirs."""
        left = probabilities[self._out :]
        total = sum(left)
        return [value / total if total else 1 / len(left) for value in left]

    def likeness(self, one: Sighting, other: Sighting) -> float:
        """By its posterior probabilities."""
        return self._linker.likeness(self._shown(one), self._shown(other))

    def beliefs(self, sample: Sequence[Labelled], chance: Random) -> Iterator[Belief]:
        """Over the homes that do not tell."""
        del chance
        for home, sighting in sample:
            yield Belief(
                group=sighting.first_interval // self._per_day,
                probabilities=self._free(self._linker.posterior(self._shown(sighting))),
                prior=self._prior,
                truth=home - self._out,
            )

    def intersected(self, judged: Sequence[Labelled], span: range) -> dict[int, Hiding]:
        """By the product of what each address says."""

        def evidence(sighting: Sighting) -> Sequence[float]:
            return self._linker.evidence(self._shown(sighting))[self._out :]

        measured = {
            window: hiding_of(intersect(evidence, judged, window, span, lambda home: home - self._out))
            for window in WINDOWS
        }
        return {window: hiding for window, hiding in measured.items() if hiding is not None}


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
        return self._days.get(key, {}) if later else self._days.setdefault(key, {})

    def likeness(self, one: Sighting, other: Sighting) -> float:
        """By what they agree in, and how rare that is."""
        return self._stranger.likeness(self._shown(one), self._shown(other))

    def beliefs(self, sample: Sequence[Labelled], chance: Random) -> Iterator[Belief]:
        """Over the homes that trade the next day, in random order; of those addresses that have a next one at all."""
        for home, sighting in sample:
            homes = [(other, chance.choice(found)) for other, found in self._of(sighting, 1).items()]
            if home not in [other for other, _ in homes]:
                continue
            chance.shuffle(homes)
            scores = [self.likeness(sighting, candidate) for _, candidate in homes]
            weights = [exp(score - max(scores)) for score in scores]
            yield Belief(
                group=sighting.first_interval // self._per_day,
                probabilities=[weight / sum(weights) for weight in weights],
                prior=[1 / len(homes)] * len(homes),
                truth=[other for other, _ in homes].index(home),
            )

    def intersected(self, judged: Sequence[Labelled], span: range) -> dict[int, Hiding]:
        """It has no names to name a home by."""
        del judged, span
        return {}
