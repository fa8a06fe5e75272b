"""How one meter trades."""

from __future__ import annotations

from dataclasses import dataclass, field

from light_client.client.params import ClientParams
from light_client.rules.errors import LocalError
from light_client.rules.units import LOT_J


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchParams:
    """Addresses that are asked for ahead, a day's at once: nobody sees which of them offers what until it does.

    What an address is granted is the same for all, and says neither what will be offered nor when, nor on which side.
    An intent that no spare address covers gets one of its own, which is asked for at once.
    """

    addresses_per_day: int = 0
    """How many; 0: every offer's address is asked for when the offer is decided."""
    lot_j: int = 3_600_000
    """What each may sell, and what each may buy, J; a positive multiple of 1 Wh."""
    highest_price_uc_per_kwh: int = 500_000
    """The price at which each may buy its lot at most, micro-currency per kWh."""

    def __post_init__(self) -> None:
        if not 0 <= self.addresses_per_day <= 1_000:
            raise LocalError("addresses_per_day", got=self.addresses_per_day, expected="0 to 1000")
        if self.lot_j <= 0 or self.lot_j % LOT_J:
            raise LocalError("lot_j", got=self.lot_j, expected=f"a positive multiple of {LOT_J}")
        if self.highest_price_uc_per_kwh < 0:
            raise LocalError(
                "highest_price_uc_per_kwh", got=self.highest_price_uc_per_kwh, expected="0 or more"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterParams:
    """How patient a meter is, and how it hides."""

    resend_ms: int = 20_000
    """How long an answer is waited for before something is sent again, ms."""
    confirm_ms: int = 900_000
    """How long an offer that a miner has taken may wait for a block before it is sent again, ms."""
    quiet_ms: int = 5_000
    """Before the end of its interval of posting by which an offer must be out, ms."""
    kept_intervals: int = 192
    """How long an order that is settled is remembered, intervals."""
    batch: BatchParams = field(default_factory=BatchParams)
    client: ClientParams = field(default_factory=ClientParams)
    """How its light client follows the chain."""
