"""Seeded choices that stay the same on every machine and Python version.

Each choice is the hash of the seed and the *names* of what is chosen, so one more home, or a choice made in
another order, changes no other one. The generators of the standard library promise neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Chance:
    """A source of choices for one seed."""

    seed: int

    def _number(self, names: tuple[object, ...]) -> int:
        text = "\x1f".join(("gridlight scenario", str(self.seed), *map(str, names)))
        return int.from_bytes(sha256(text.encode()).digest(), "big")

    def below(self, bound: int, *names: object) -> int:
        """A whole number in ``0..bound - 1``; the bias is below ``bound / 2**256``."""
        return self._number(names) % bound

    def percent(self, share: int, *names: object) -> bool:
        """True in ``share`` of 100 cases."""
        return self.below(100, *names) < share

    def on_grid(self, low: int, high: int, step: int, *names: object) -> int:
        """One of ``low, low + step, ...`` up to ``high`` inclusive."""
        return low + step * self.below((high - low) // step + 1, *names)

    def shuffled(self, items: Iterable[T], *names: object) -> list[T]:
        """``items`` in an order that depends on the seed and on each item's own text, not on their order here."""
        return sorted(items, key=lambda item: self._number((*names, item)))
