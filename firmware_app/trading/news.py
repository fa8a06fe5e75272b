"""What a trading meter tells whoever keeps its history: verified facts only, each at least once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from firmware_app.trading.orders import Order
from light_client.rules.ledger.block import Header
from light_client.rules.market.clearing import Trade


class Final(NamedTuple):
    """An own trade that is final."""

    order: Order
    trade: Trade
    height: int
    """Of the block that made it final; 0 where an earlier life has kept it."""


@dataclass(slots=True, kw_only=True)
class News:
    """What has happened since the last news."""

    orders: list[Order] = field(default_factory=list)
    """Orders that have changed, in the order of their changes."""
    finals: list[Final] = field(default_factory=list)
    """After a restart those of all remembered orders come once more."""
    headers: list[Header] = field(default_factory=list)
    """Blocks that were verified and judged whole."""
    alarms: list[tuple[int, str]] = field(default_factory=list)
    """(Height, reason): up to where the chain is believed, and why no further."""
