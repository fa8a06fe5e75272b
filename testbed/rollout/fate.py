"""What happens to which meter while a rollout runs: drawn by a seed, each meter one fate at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from light_client.rules.errors import LocalError


class Fate(StrEnum):
    """Of a meter."""

    HEALTHY = "healthy"
    OFFLINE = "offline"
    """Away until the rollout is through."""
    FAILING = "failing"
    """Ill with the new configuration."""
    POWERCUT = "powercut"
    """Its power fails once, at a step of taking the new configuration over."""


class Cut(StrEnum):
    """Where the power fails."""

    KEPT = "kept"
    """It is written down what is about to be applied, and not done."""
    APPLIED = "applied"
    """Done, and nobody was told."""
    TRIAL = "trial"
    """In the middle of showing that it is well."""
    PROVEN = "proven"
    """The new configuration is kept, and nobody was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How many meters in a thousand.

    Raises:
        LocalError: more than there are.
    """

    offline: int = 0
    failing: int = 0
    powercut: int = 0

    def __post_init__(self) -> None:
        parts = (self.offline, self.failing, self.powercut)
        if min(parts) < 0 or sum(parts) > 1_000:
            raise LocalError("shares of meters", got=parts, expected="0 to 1000 in all")


def fates(names: Sequence[str], shares: Shares, seed: int) -> dict[str, Fate]:
    """Who gets which; shares are rounded to the nearest meter."""
    order = list(names)
    Random(f"fates {seed}").shuffle(order)  # noqa: S311 - to be drawn again
    found = dict.fromkeys(names, Fate.HEALTHY)
    for fate, share in (
        (Fate.OFFLINE, shares.offline),
        (Fate.FAILING, shares.failing),
        (Fate.POWERCUT, shares.powercut),
    ):
        for _ in range((len(names) * share + 500) // 1_000):
            found[order.pop()] = fate
    return found


def cut_of(name: str, seed: int) -> Cut:
    """Where the power of a meter fails."""
    return Random(f"cut {seed} {name}").choice(list(Cut))  # noqa: S311 - the same
