"""What a user may set of the forecast, and which kinds of series there are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from firmware_app.forecast.quantiles import PERMILLE
from light_client.rules.errors import LocalError

DAY_S: Final = 86_400
MAX_SLOTS: Final = 288
"""Most intervals of a day: five minutes each. Shorter ones would cost memory for nothing that a market trades."""
MAX_ENERGY_J: Final = (1 << 31) - 1
"""Most energy of one interval, J: 596 kWh."""


class Series(IntEnum):
    """What is forecast; the numbers are those of the kept state."""

    LOAD = 0
    """Energy consumed, never negative: follows habits, so days of work and of rest differ."""
    GENERATION = 1
    """Energy generated, never negative: follows the sun, which knows no weekend."""
    NET = 2
    """Load less generation, of either sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSettings:
    """The table ``[forecast]`` of the configuration.

    Raises:
        LocalError: a value is out of its bounds.
    """

    levels_permille: tuple[int, ...] = (50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 950)
    """Which quantiles are told, per mille, ascending; 500 must be among them."""
    history_days: int = 21
    """Days remembered, 7..56: they bound the memory and everything that can be forecast."""
    half_life_days: int = 7
    """After how many days a day counts half, 1..56."""
    least_days: int = 3
    """Days' worth of measured intervals before the learnt model is believed, 2..28."""
    power_limit_w: int = 100_000
    """What the connection can carry, W: an interval beyond it is not learnt."""
    scored_lead_min: int = 240
    """How far ahead the forecasts were made that the running score judges, minutes, 1..1440."""
    score_half_life_days: int = 7
    """After how many days a judged interval counts half in the running score, 1..56."""

    def __post_init__(self) -> None:
        levels = self.levels_permille
        ascending = list(levels) == sorted(set(levels)) and len(levels) <= 99
        if not ascending or PERMILLE // 2 not in levels or not 0 < levels[0] <= levels[-1] < PERMILLE:
            raise LocalError(
                "levels_permille of [forecast]", got=levels, expected="ascending, 1 to 999, 500 among them"
            )
        for name, least, most in (
            ("history_days", 7, 56),
            ("half_life_days", 1, 56),
            ("least_days", 2, 28),
            ("power_limit_w", 1, 1_000_000_000),
            ("scored_lead_min", 1, 1_440),
            ("score_half_life_days", 1, 56),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise LocalError(f"{name} of [forecast]", got=value, expected=f"{least} to {most}")
        if self.least_days > self.history_days:
            raise LocalError(
                "least_days of [forecast]", got=self.least_days, expected=f"at most {self.history_days}"
            )
