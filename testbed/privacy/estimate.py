"""A share with how sure it is: days are drawn anew, since what homes do within one day belongs together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
RESAMPLES: Final = 1_000
_TAILS_PERCENT: Final = (2.5, 97.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A measured value and the interval that holds 95 % of what resampling gives.

    Source: percentile bootstrap over groups (Efron and Tibshirani).
    """

    value: float
    low: float
    high: float

    def permille(self) -> list[int]:
        """Value, low and high for JSON, in thousandths."""
        return [round(1_000 * part) for part in (self.value, self.low, self.high)]


def estimate(
    groups: Sequence[Sequence[float]], statistic: Callable[[Floats], Floats], seed: int = 1
) -> Estimate:
    """A statistic of the sums over groups, and its interval when groups are drawn with replacement.

    Args:
        groups: a row of sums for each group; at least one.
        statistic: takes sums in its last axis, and gives a value for each of the others.
    """
    table = np.asarray(groups, dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(len(table), size=(RESAMPLES, len(table)))
    low, high = np.percentile(statistic(table[drawn].sum(axis=1)), _TAILS_PERCENT)
    return Estimate(value=float(statistic(table.sum(axis=0))), low=float(low), high=float(high))


def ratio(above: Floats, below: Floats) -> Floats:
    """Parts; 0 where there is nothing to take a part of."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
