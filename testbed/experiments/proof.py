"""What the checks of proven answers share: what a check comes to, and numbers as they travel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from light_client.rules.verdict import Rejected, Verdict

UNIT: Final = 10**12
"""Numbers travel as whole multiples of its inverse: fine enough for the smallest flow of water."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a check came to."""

    verdict: Verdict
    cost: float
    bound: float

    @property
    def gap(self) -> float:
        """Distance of the cost from the bound, in parts of the cost."""
        return (self.cost - self.bound) / max(1.0, abs(self.cost))


def refused(rule: str, reason: str) -> Judged:
    """An answer that is not worth a bound."""
    return Judged(verdict=Rejected(rule=rule, reason=reason), cost=float("nan"), bound=float("-inf"))


def whole(value: Any) -> Any:
    """Floats, alone or in tuples within tuples, as whole numbers of units."""
    return tuple(whole(item) for item in value) if isinstance(value, tuple) else round(value * UNIT)


def floats(value: Any, depth: int) -> Any:
    """The same back.

    Args:
        depth: tuples within tuples around each number: 2 in a table.

    Raises:
        TypeError: something is no whole number, or not at this depth.
    """
    if depth:
        if not isinstance(value, tuple):
            raise TypeError(f"{type(value).__name__} where a row is expected")
        return tuple(floats(item, depth - 1) for item in value)
    if type(value) is not int:
        raise TypeError(f"{type(value).__name__} where a number is expected")
    return value / UNIT
