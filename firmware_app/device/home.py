"""The seam between the device and the home it stands in: what is metered, what is decided, what is written down."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from firmware_app.device.decision import Occasion
from firmware_app.trading.intent import Intent
from firmware_app.trading.news import News
from firmware_app.trading.orders import Order
from firmware_app.trading.reservation import Reservation


class Home(Protocol):
    """A real home with its meters and a bidder, or one of a scenario with a plan."""

    def is_measured(self, now_ms: int) -> bool:
        """Whether what the electricity meter says is to be believed at a time, UTC ms."""

    def decide(self, occasion: Occasion) -> Iterable[Intent]:
        """What is offered beyond what was decided before. Asked at most once in each interval."""

    def reserve(
        self, first_interval: int, last_interval: int, orders: tuple[Order, ...]
    ) -> Iterable[Reservation]:
        """The spare addresses of a day. Asked once for each day, ahead of it; none to do without."""

    def hear(self, news: News, now_ms: int) -> None:
        """Write down what has happened on the market."""
