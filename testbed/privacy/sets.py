"""Among how many homes an address hides, by what an adversary believes after it has seen the address.

For the adversary's probabilities p over the homes that an address may belong to:

- *effective set*: ``2 ** H(p)``, H the entropy in bits, of the mean over all addresses; never more than the homes
- *prior set*: the same before it has seen anything of the address but that there is one
- *degree*: mean entropy over the mean of ``log2(homes)``; 1 where it believes all homes alike
- *worst twentieth*: mean min-entropy, ``-log2(max p)``, of the twentieth of the addresses that it is surest of, and how
  often it is right about these: a mean over all addresses hides its victims
- *surprise*: mean of ``-log2(p(truth))``. Not a set: far above the entropy it says that the adversary is surer than it
  should be, so that its sets are too small.

Source: Serjantov and Danezis (2002) for the set, Diaz et al. (2002) for the degree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import log2
from statistics import fmean
from typing import Final, NamedTuple

import numpy as np

from testbed.privacy.estimate import Estimate, Floats, estimate, ratio

_TWENTIETH: Final = 20
_LEAST_PROBABILITY: Final = 1e-9


class Belief(NamedTuple):
    """What an adversary takes for how probable, home by home."""

    group: int
    """What belongs together when the measurement is resampled: the day, or the home."""
    probabilities: Sequence[float]
    prior: Sequence[float]
    truth: int
    """Place of the home that it was."""

    @property
    def right(self) -> float:
        """How probably it names the home at the first try, ties broken by chance."""
        return _at_first_try(self.probabilities, self.truth)


def _at_first_try(probabilities: Sequence[float], truth: int) -> float:
    highest = max(probabilities)
    return (probabilities[truth] == highest) / sum(value == highest for value in probabilities)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hiding:
    """How well addresses hide; sets in homes, entropies in bits."""

    addresses: int
    homes: float
    """To choose from: the geometric mean over addresses."""
    prior_set: float
    effective_set: Estimate
    degree: Estimate
    surprise_bits: float
    named: Estimate
    """Share that it names rightly at the first try."""
    guessed: float
    """The same for somebody who sees nothing of the address."""
    worst_bits: float
    worst_named: float


def hiding_of(beliefs: Iterable[Belief]) -> Hiding | None:
    """Measure what an adversary believes; None where it was asked about nothing."""
    groups: dict[int, list[float]] = defaultdict(lambda: [0.0] * 4)
    told, prior, surprises, guessed = [], [], [], []
    for belief in beliefs:
        entropy = entropy_bits(belief.probabilities)
        sums = (1.0, entropy, log2(len(belief.probabilities)), belief.right)
        groups[belief.group] = [one + more for one, more in zip(groups[belief.group], sums, strict=True)]
        told.append((-log2(max(belief.probabilities)), belief.right))
        prior.append(entropy_bits(belief.prior))
        guessed.append(_at_first_try(belief.prior, belief.truth))
        surprises.append(-log2(max(belief.probabilities[belief.truth], _LEAST_PROBABILITY)))
    if not told:
        return None
    rows = [groups[group] for group in sorted(groups)]
    told.sort(key=lambda one: one[0])
    worst = told[: -(-len(told) // _TWENTIETH)]
    return Hiding(
        addresses=len(told),
        homes=2 ** (sum(row[2] for row in rows) / len(told)),
        prior_set=2 ** fmean(prior),
        effective_set=estimate(rows, lambda sums: np.exp2(ratio(sums[..., 1], sums[..., 0]))),
        degree=estimate(rows, _part(1, 2)),
        surprise_bits=fmean(surprises),
        named=estimate(rows, _part(3, 0)),
        guessed=fmean(guessed),
        worst_bits=fmean(bits for bits, _ in worst),
        worst_named=fmean(right for _, right in worst),
    )


def entropy_bits(probabilities: Sequence[float]) -> float:
    """Entropy, bits: 0 where one is certain."""
    return -sum(value * log2(value) for value in probabilities if value > 0)


def _part(above: int, below: int) -> Callable[[Floats], Floats]:
    return lambda sums: ratio(sums[..., above], sums[..., below])
