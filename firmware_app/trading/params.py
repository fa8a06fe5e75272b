"""How one meter trades."""

from __future__ import annotations

from dataclasses import dataclass, field

from light_client.client.params import ClientParams


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterParams:
    """How patient a meter is."""

    resend_ms: int = 20_000
    """How long an answer is waited for before something is sent again, ms."""
    confirm_ms: int = 900_000
    """How long an offer that a miner has taken may wait for a block before it is sent again, ms."""
    quiet_ms: int = 5_000
    """Before the end of its interval of posting by which an offer must be out, ms."""
    kept_intervals: int = 192
    """How long an order that is settled is remembered, intervals."""
    client: ClientParams = field(default_factory=ClientParams)
    """How its light client follows the chain."""
