"""Settings of the clock gate: the table `[clock]` of the configuration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockParams:
    """How much the board's clock must show before it is believed.

    Raises:
        ValueError: a number outside its bounds.
    """

    jump_ms: int = 2_000
    """Difference of wall and monotonic clock that counts as a jump, ms; slewing moves both, so it is never one."""
    settle_ms: int = 10_000
    """How long a synchronised clock must stand still against the monotonic one before it is believed, ms."""
    dispute_ms: int = 300_000
    """The same after a jump to another time than the one that was trusted, unless signed time agrees, ms."""
    max_error_ms: int = 1_000
    """Largest error that the time service may estimate, ms."""
    holdover_ms: int = 86_400_000
    """How long the clock is believed after its last synchronisation, ms: a crystal of 50 ppm drifts 4.3 s in a day."""
    rescue_servers: int = 2
    """Servers of the tier whose signed times must agree to stand in for a time service."""
    rescue_spread_ms: int = 60_000
    """How far signed times, brought forward to now, may lie apart, ms."""
    rescue_hold_ms: int = 21_600_000
    """How long a signed time vouches for the time after it, ms."""
    rescue_horizon_ms: int = 604_800_000
    """How far behind the newest trusted header signed time may lead, ms; after a longer absence NTP must help."""

    def __post_init__(self) -> None:
        bounds = {
            "jump_ms": (100, 60_000),
            "settle_ms": (0, 3_600_000),
            "dispute_ms": (0, 86_400_000),
            "max_error_ms": (1, 60_000),
            "holdover_ms": (0, 7 * 86_400_000),
            "rescue_servers": (1, 16),
            "rescue_spread_ms": (1_000, 600_000),
            "rescue_hold_ms": (60_000, 86_400_000),
            "rescue_horizon_ms": (3_600_000, 14 * 86_400_000),
        }
        for name, (least, most) in bounds.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"clock.{name} is {least} to {most}, got {value}")
        if self.dispute_ms < self.settle_ms:
            raise ValueError(
                f"clock.dispute_ms is not below settle_ms {self.settle_ms}, got {self.dispute_ms}"
            )
