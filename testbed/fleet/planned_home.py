"""A home of a scenario: it decides once, everything that was planned for its day, and keeps no history."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from firmware_app.device.decision import Occasion
from firmware_app.trading.intent import Intent
from firmware_app.trading.news import News
from firmware_app.trading.orders import Order
from firmware_app.trading.reservation import Reservation


class PlannedHome:
    """Decides by a plan; what was decided before a restart is not decided again."""

    def __init__(self, intents: Iterable[Intent], is_measured: Callable[[int], bool]) -> None:
        self._intents = tuple(intents)
        self._is_measured = is_measured

    def is_measured(self, now_ms: int) -> bool:
        """What its virtual meter says of itself, if it has one."""
        return self._is_measured(now_ms)

    def decide(self, occasion: Occasion) -> tuple[Intent, ...]:
        """The whole plan on the first occasion."""
        return self._intents if occasion.decided is None else ()

    def reserve(
        self, first_interval: int, last_interval: int, orders: tuple[Order, ...]
    ) -> tuple[Reservation, ...]:
        """None: who knows the whole day asks for what it takes, at once."""
        del first_interval, last_interval, orders
        return ()

    def hear(self, news: News, now_ms: int) -> None:
        """The chain is its history."""
        del news, now_ms
