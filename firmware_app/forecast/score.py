"""The running score: what the learnt forecast lost, beside what the seasonal-naive one would have lost.

Judged are forecasts made a fixed time ahead, both made in the same moment with the same knowledge, and both however
bad they were: the learnt one is judged while the naive one speaks too, or it could never come back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from firmware_app.forecast.quantiles import PERMILLE
from light_client.rules.errors import LocalError


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well the learnt forecast did lately. Older intervals count less, so that the numbers follow the home."""

    lead_intervals: int
    """How many intervals ahead the judged forecasts were made."""
    intervals: int
    """How many judged intervals the numbers rest on, the older ones counted less."""
    model_loss_j: int
    """Mean pinball loss of the learnt forecast over its levels, J for each interval."""
    naive_loss_j: int
    """The same of the seasonal-naive forecast."""
    skill_permille: int | None
    """How much smaller the loss is than the naive one's, per mille of the latter; negative is worse, None unknown."""
    error_permille: int | None
    """Mean absolute error of the median, per mille of the naive one's (the relative MASE); None unknown."""
    coverage_permille: int | None
    """Share of intervals between the lowest and the highest level; None unknown."""
    nominal_permille: int
    """What the coverage should be."""


def pinball(energy_j: int, quantiles: Sequence[int], levels_permille: Sequence[int]) -> float:
    """Mean pinball loss of one interval over all levels, J. Source: Koenker and Bassett 1978, equation 1.3."""
    total = 0
    for level, value in zip(levels_permille, quantiles, strict=True):
        miss = energy_j - value
        total += level * miss if miss >= 0 else (level - PERMILLE) * miss
    return total / (PERMILLE * len(levels_permille))


@dataclass(slots=True, kw_only=True)
class Sums:
    """What is summed up with forgetting; all of it is kept."""

    weight: float = 0.0
    model: float = 0.0
    naive: float = 0.0
    model_error: float = 0.0
    naive_error: float = 0.0
    inside: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    interval: int
    model: tuple[int, ...]
    naive: tuple[int, ...]
    point: int


class RunningScore:
    """Keeps forecasts until their interval is over, and judges them."""

    def __init__(self, levels_permille: tuple[int, ...], *, lead: int, half_life: float) -> None:
        """Judge forecasts made ``lead`` intervals ahead; an interval counts half after ``half_life`` more."""
        self.lead: Final = lead
        self._levels = levels_permille
        self._median = levels_permille.index(PERMILLE // 2)
        self._keep = 0.5 ** (1 / half_life)
        self._pending: deque[_Pending] = deque(maxlen=lead)
        self.sums = Sums()

    def expect(self, interval: int, model: tuple[int, ...], naive: tuple[int, ...], point: int) -> None:
        """Note two forecasts of an interval to come, and the naive point.

        Raises:
            LocalError: it does not come after the one noted last.
        """
        if self._pending and interval <= self._pending[-1].interval:
            raise LocalError(
                "interval to be judged", got=interval, expected=f"above {self._pending[-1].interval}"
            )
        self._pending.append(_Pending(interval=interval, model=model, naive=naive, point=point))

    def interrupted(self) -> None:
        """Drop what waits: time did not go on as it should."""
        self._pending.clear()

    def judge(self, interval: int, energy_j: int | None) -> None:
        """Judge what was noted of an interval that is over; None where it was not measured."""
        while self._pending and self._pending[0].interval < interval:
            self._pending.popleft()
        if not self._pending or self._pending[0].interval != interval:
            return
        noted = self._pending.popleft()
        if energy_j is None:
            return
        new = (
            1.0,
            pinball(energy_j, noted.model, self._levels),
            pinball(energy_j, noted.naive, self._levels),
            float(abs(energy_j - noted.model[self._median])),
            float(abs(energy_j - noted.point)),
            float(noted.model[0] <= energy_j <= noted.model[-1]),
        )
        for name, value in zip(Sums.__slots__, new, strict=True):
            setattr(self.sums, name, self._keep * getattr(self.sums, name) + value)

    def score(self) -> Score:
        """The score as of now."""
        sums = self.sums
        weight = max(sums.weight, 1.0)
        return Score(
            lead_intervals=self.lead,
            intervals=round(sums.weight),
            model_loss_j=round(sums.model / weight),
            naive_loss_j=round(sums.naive / weight),
            skill_permille=_permille(sums.naive - sums.model, sums.naive),
            error_permille=_permille(sums.model_error, sums.naive_error),
            coverage_permille=_permille(sums.inside, sums.weight),
            nominal_permille=self._levels[-1] - self._levels[0],
        )


def _permille(part: float, whole: float) -> int | None:
    return round(PERMILLE * part / whole) if whole > 0 else None
