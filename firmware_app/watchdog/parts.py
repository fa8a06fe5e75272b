"""Which parts of the device are watched, what counts as a sign of life, and how long each may go without.

A part shows itself *fresh* when it did its work: read a meter, stored something, verified a header. It shows itself
*idle* when it has a reason for having nothing to show, and says so again within its limit: a part that hangs can do
neither. That its loop turned is no sign of life.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One watched part.

    Attributes:
        name: stable; in status, events and metrics. A part of which there are several has a name after a colon.
        limit_ms: how long it may go without a sign of life, ms.
        fresh: what counts as its work, for people.
        idle: when it may have nothing to show, for people; empty: never.
        restarts: how often in a row the supervisor restarts it before systemd is let do so with everything.

    Raises:
        ValueError: a limit below a second, a name with blanks.
    """

    name: str
    limit_ms: int
    fresh: str
    idle: str = ""
    restarts: int = 3

    def __post_init__(self) -> None:
        if self.limit_ms < 1_000 or self.restarts < 0:
            raise ValueError(
                f"a part has a limit of at least 1000 ms and restarts of at least 0, "
                f"got {self.limit_ms} and {self.restarts}"
            )
        if not self.name or any(letter.isspace() for letter in self.name):
            raise ValueError(f"a part has a name without blanks, got {self.name!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchdogParams:
    """Limits of the parts: the table `[watchdog]` of the configuration."""

    meter_ms: int = 180_000
    """Of each bus: a meter's round ended, well or with a stated failure, ms."""
    store_ms: int = 300_000
    """A batch was committed, ms."""
    clock_ms: int = 60_000
    """Both clocks were looked at, ms."""
    market_ms: int = 1_200_000
    """A header was verified, or all servers were asked in vain, ms: above the length of an interval."""
    trader_ms: int = 1_200_000
    """The trader dealt with the end of an interval, ms: above the length of an interval."""
    page_ms: int = 120_000
    """Page and control socket answered a request of our own, ms."""

    def __post_init__(self) -> None:
        for name in ("meter_ms", "store_ms", "clock_ms", "market_ms", "trader_ms", "page_ms"):
            value = getattr(self, name)
            if not 10_000 <= value <= 86_400_000:
                raise ValueError(f"watchdog.{name} is 10000 to 86400000, got {value}")

    def parts(self, buses: tuple[str, ...]) -> tuple[Part, ...]:
        """The table of the device's parts.

        Args:
            buses: names of the ports that meters hang on.
        """
        meters = tuple(
            Part(
                name=f"meter:{bus}",
                limit_ms=self.meter_ms,
                fresh="a reading was judged",
                idle="the bus said why there is none: no answer, port gone, back-off",
            )
            for bus in buses
        )
        return (
            *meters,
            Part(
                name="store",
                limit_ms=self.store_ms,
                fresh="a batch was committed",
                idle="nothing to commit",
            ),
            Part(name="clock", limit_ms=self.clock_ms, fresh="the clocks were compared"),
            Part(
                name="market",
                limit_ms=self.market_ms,
                fresh="a header was verified",
                idle="clock not trusted; halted; no server answers, and each was asked",
            ),
            Part(
                name="trader",
                limit_ms=self.trader_ms,
                fresh="the end of an interval was dealt with",
                idle="not trading, for a stated reason",
            ),
            Part(
                name="page",
                limit_ms=self.page_ms,
                fresh="a request was answered",
                idle="switched off by the configuration",
                restarts=3,
            ),
        )


DEFAULT_PARAMS: Final = WatchdogParams()
