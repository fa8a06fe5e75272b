"""The attack by intersection: what each of a home's addresses says, taken together over days and weeks.

The adversary is handed all addresses that one home used within a window, without a name, as if something outside the
ledger tied them together (an IP address, a pattern of connections), and is to name the home. Each address alone may
belong to many homes; only few are likely for all of them. Source: the intersection attack on anonymity sets, with
probabilities in place of yes and no.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import exp
from typing import Final

from testbed.adversaries.linker import Sighting
from testbed.privacy.pairs import Labelled
from testbed.privacy.sets import Belief

WINDOWS: Final = (96, 672)
"""Intervals that are taken together."""


def intersect(
    evidence: Callable[[Sighting], Sequence[float]],
    judged: Sequence[Labelled],
    window: int,
    span: range,
    place_of: Callable[[int], int],
) -> Iterator[Belief]:
    """What is believed of each home's addresses in each window; homes are alike beforehand, each has one bundle.

    Args:
        evidence: of an address for each home, nats.
        judged: addresses with their homes.
        window: length in intervals.
        span: intervals that were judged; only windows that lie in it whole count.
        place_of: of a home in the evidence.
    """
    bundles: dict[tuple[int, int], list[float]] = {}
    for home, sighting in judged:
        number = (sighting.first_interval - span.start) // window
        if span.start + (number + 1) * window <= span.stop:
            speaks = evidence(sighting)
            sums = bundles.get((home, number), [0.0] * len(speaks))
            bundles[home, number] = [one + more for one, more in zip(sums, speaks, strict=True)]
    for (home, _), sums in sorted(bundles.items()):
        highest = max(sums)
        weights = [exp(value - highest) for value in sums]
        total = sum(weights)
        yield Belief(
            group=home,
            probabilities=[weight / total for weight in weights],
            prior=[1 / len(weights)] * len(weights),
            truth=place_of(home),
        )
