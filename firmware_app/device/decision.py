"""When something is to be decided, as a bidder or a scenario's plan is told."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_app.trading.orders import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """When something is to be decided."""

    interval: int
    """The interval that has begun; absolute."""
    now_ms: int
    """The time, UTC ms."""
    decided: int | None
    """The last interval in which offers were decided, in this life or an earlier one; None if there was none."""
    orders: tuple[Order, ...] = ()
    """All that is remembered of earlier decisions: what may still trade, and what has."""
