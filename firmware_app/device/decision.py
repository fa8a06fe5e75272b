"""The seam between the device and whoever decides what the home offers: a bidder, or a scenario's plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from firmware_app.trading.intent import Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """When something is to be decided."""

    interval: int
    """The interval that has begun; absolute."""
    now_ms: int
    """The time, UTC ms."""
    decided: int | None
    """The last interval in which offers were decided, in this life or an earlier one; None if there was none."""


Decide: TypeAlias = Callable[[Occasion], Iterable[Intent]]
"""What the home offers from now on, beyond what it has decided before. Asked once in each interval, or less often."""
