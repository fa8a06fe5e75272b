"""How patient followers of the chain are under a hurried clock. Loaded on devices too: it knows nothing of the tier."""

from typing import Final

from firmware_app.trading.params import MeterParams
from light_client.client.params import ClientParams
from light_client.sync.follow import FollowParams
from light_client.sync.servers import ServersParams
from light_client.sync.witness import WitnessParams

LONGEST_POLL_MS: Final = 500_000
"""Five sixths of the time that a miner remembers a follower: nobody is forgotten in between."""


def at_least(virtual_ms: int, real_ms: int, speed: int) -> int:
    """The usual patience, or the virtual time that passes in `real_ms`."""
    return max(virtual_ms, real_ms * speed)


def follow_params(speed: int) -> FollowParams:
    """How often whoever follows the chain asks, and asks again."""
    return FollowParams(
        retry_ms=at_least(3_000, 400, speed), poll_ms=min(at_least(500_000, 1_000, speed), LONGEST_POLL_MS)
    )


def meter_params(speed: int, interval_s: int) -> MeterParams:
    """How patient a meter is."""
    return MeterParams(
        resend_ms=at_least(20_000, 600, speed),
        quiet_ms=min(at_least(5_000, 50, speed), interval_s * 1_000 // 3),
        client=ClientParams(
            follow=follow_params(speed),
            servers=ServersParams(rest_ms=at_least(1_000, 100, speed)),
            witness=WitnessParams(patience_ms=at_least(60_000, 1_000, speed)),
        ),
    )
