"""How far a home is from its usual just now, and how much of that will still hold later.

Each measured interval is placed in the distribution of what is usual then: a share u of 0..1, here as the logit
z = ln(u / (1 - u)), so that 0 is the middle. What is known of the home's mood are moving means of z over an instant,
some hours and a day. How much of it lasts is learnt for every lag up to a day, by least squares with forgetting: from
the products of these means with the z that came later.

A forecast shifts and narrows the shares at which it reads the usual distribution, and reads nothing else. So no
correction can leave what the home did within the days remembered, and u, z, the means and the learnt products are
bounded one by one. Source: a copula autoregression with empirical margins (docs/forecast.md); the logistic
distribution stands for the normal one because it needs no tables.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Final

_EXTREME: Final = 1 / 64
"""Shares nearer to 0 or 1 than this are read as this: few days cannot tell more."""
LIMIT: Final = math.log((1 - _EXTREME) / _EXTREME)
"""No logit lies farther from 0 than this."""
USUAL_VARIANCE: Final = 2.9656
"""Variance of the logit of a share that is uniform and read with that limit."""
_HALF_LIVES_H: Final = (0.0, 3.0, 24.0)
"""Half-lives of the moving means, hours; 0 is the last interval alone."""
MEANS: Final = len(_HALF_LIVES_H)
_FORGET_DAYS: Final = 14.0
"""Half-life of what is learnt, days."""
_PRIOR: Final = 48.0
"""So many intervals after which nothing lasted are assumed at first."""
_RIDGE: Final = 0.02 * USUAL_VARIANCE
_MOST_EXPLAINED: Final = 0.9
"""No forecast is narrower than the usual by more than what this leaves, whatever was learnt."""

Vector = list[float]
Matrix = list[Vector]


def logit(share: float) -> float:
    """Where a share lies between minus and plus `LIMIT`; 0 is the middle."""
    share = min(max(share, _EXTREME), 1 - _EXTREME)
    return math.log(share / (1 - share))


def share_at(place: float) -> float:
    """The share whose logit is ``place``."""
    return 1 / (1 + math.exp(-place))


def inverse(matrix: Matrix) -> Matrix:
    """Of a small symmetric positive definite matrix.

    Raises:
        ValueError: it is not positive definite.
    """
    size = len(matrix)
    rows = [[*row, *(float(i == j) for j in range(size))] for i, row in enumerate(matrix)]
    for i in range(size):
        pivot = rows[i][i]
        if not pivot > 0:
            raise ValueError(f"pivot {i} of a positive definite matrix is above 0, got {pivot}")
        rows[i] = [value / pivot for value in rows[i]]
        for k in range(size):
            if k != i:
                factor = rows[k][i]
                rows[k] = [value - factor * own for value, own in zip(rows[k], rows[i], strict=True)]
    return [row[size:] for row in rows]


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


class Deviation:
    """The mood of a home and how long its moods last."""

    def __init__(self, slots: int) -> None:
        """Of a home of which nothing is known, with ``slots`` intervals a day."""
        self.slots = slots
        hours = 24 / slots
        self._keep = [0.5 ** (hours / half) if half else 0.0 for half in _HALF_LIVES_H]
        self._rate = 1 - 0.5 ** (1 / (_FORGET_DAYS * slots))
        self.seen = 0.0
        """How many intervals were learnt from."""
        self.means: Vector = [0.0] * MEANS
        self._past: deque[Vector] = deque(maxlen=slots)
        self.gram: Matrix = [[USUAL_VARIANCE * (i == j) for j in range(MEANS)] for i in range(MEANS)]
        """Mean product of the means with one another."""
        self.cross: Matrix = [[0.0] * MEANS for _ in range(slots)]
        """Per lag of 1..slots, mean product of the means with the logit that came so much later."""
        self.variance = USUAL_VARIANCE
        """Mean square of the logits."""

    def learn(self, place: float | None) -> None:
        """Take in the next interval: its logit, or None where it was not measured or tells nothing."""
        if place is not None:
            self.seen += 1
            rate = max(self._rate, 1 / (self.seen + _PRIOR))
            for cross, means in zip(self.cross, reversed(self._past), strict=False):
                for i, mean in enumerate(means):
                    cross[i] += rate * (mean * place - cross[i])
            own = [
                keep * mean + (1 - keep) * place for keep, mean in zip(self._keep, self.means, strict=True)
            ]
            self.means = own
            self.variance += rate * (place * place - self.variance)
            for i, row in enumerate(self.gram):
                for j in range(MEANS):
                    row[j] += rate * (own[i] * own[j] - row[j])
        self._past.append(self.means)

    def interrupted(self) -> None:
        """Forget the mood, not how long moods last: nobody looked for a while, or time did not go on as it should."""
        self.means = [0.0] * MEANS
        self._past.clear()

    def outlook(self) -> Outlook:
        """What the mood of now means for later."""
        return Outlook(self)


class Outlook:
    """What one mood means for the intervals after it."""

    def __init__(self, deviation: Deviation) -> None:
        """Of the mood as it is now.

        Raises:
            ValueError: the learnt products belong to no real series.
        """
        gram = [
            [value + _RIDGE * (i == j) for j, value in enumerate(row)] for i, row in enumerate(deviation.gram)
        ]
        self._inverse = inverse(gram)
        self._means = [_dot(row, deviation.means) for row in self._inverse]
        self._cross = deviation.cross
        self._variance = deviation.variance

    def at(self, lag: int) -> tuple[float, float]:
        """(shift, spread) of the logits ``lag`` intervals later: (0, 1) where the usual is all that is known."""
        if not 1 <= lag <= len(self._cross):
            return 0.0, 1.0
        cross = self._cross[lag - 1]
        shift = _dot(cross, self._means)
        explained = _dot(cross, [_dot(row, cross) for row in self._inverse])
        left = self._variance - min(max(explained, 0.0), _MOST_EXPLAINED * self._variance)
        return min(max(shift, -LIMIT), LIMIT), math.sqrt(left / USUAL_VARIANCE)
