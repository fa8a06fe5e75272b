"""A home that decides once: everything that a scenario planned for its day."""

from __future__ import annotations

from collections.abc import Iterable

from firmware_app.device.decision import Occasion
from firmware_app.trading.intent import Intent


class PlannedHome:
    """Decides by a plan; what was decided before a restart is not decided again."""

    def __init__(self, intents: Iterable[Intent]) -> None:
        self._intents = tuple(intents)

    def decide(self, occasion: Occasion) -> tuple[Intent, ...]:
        """The whole plan on the first occasion."""
        return self._intents if occasion.decided is None else ()
