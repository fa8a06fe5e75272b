"""Checking a market whose communities show nobody their data: signed receipts of the prices that each answered.

A delegate that may not see devices cannot evaluate the whole proof. Each community checks its own part, that what it
does is best for it at the prices it was told; nobody else is needed for that. What a delegate has to add is that all
were told the same, and that purchases cancel: then the whole is best, since the market is convex.

Source: the private-data variant of the reference rule for convex problems.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import fsum, isfinite
from typing import Final

from light_client.rules.crypto import public_key_of, sign, tagged_hash, verify
from light_client.rules.encoding import encode
from light_client.rules.verdict import Accepted, Rejected, Verdict
from testbed.experiments.proof import whole
from testbed.experiments.wuzhong.model import GRID_PRICE, HEAT_PRICE

RESIDUAL_MWH: Final = 0.1
"""Largest imbalance: what rounds that stop at a change of 1e-3 CNY/MWh leave over."""
_NEAR_CNY: Final = 0.1
"""Prices are told from those outside to within this, CNY/MWh."""
_TAG: Final = "gridlight-experiment/receipt/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What one community signs: the whole list of prices that it was shown, and what it buys at them."""

    public_key: bytes
    zone: int
    electricity_price: float
    heat_prices: tuple[float, ...]
    electricity: float
    """MWh, below 0 where it sells."""
    heat: float
    signature: bytes = b""

    def signed(self, secret: bytes) -> Receipt:
        """With the signature of its key's owner."""
        return replace(self, public_key=public_key_of(secret), signature=sign(secret, self._message()))

    def holds(self) -> bool:
        """Whether its owner signed just this."""
        return verify(self.public_key, self.signature, self._message())

    def _message(self) -> bytes:
        prices = whole((self.electricity_price, self.heat_prices))
        return tagged_hash(_TAG, encode((self.zone, prices, whole((self.electricity, self.heat)))))


def check(receipts: Sequence[Receipt], members: Sequence[bytes], heat_limits: Sequence[float]) -> Verdict:
    """One receipt of each member, all of the same prices, and nothing over.

    Args:
        receipts: what communities signed.
        members: public keys of all communities, in any order.
        heat_limits: most that each zone's plant gives, MWh.
    """
    if sorted(one.public_key for one in receipts) != sorted(members) or not all(
        one.holds() for one in receipts
    ):
        return Rejected(rule="PSO-21", reason="not one signed receipt of each community")
    told = {(one.electricity_price, one.heat_prices) for one in receipts}
    if len(told) != 1:
        prices = sorted(price for price, _ in told)
        return Rejected(
            rule="PSO-22",
            reason=f"communities were told different prices: {prices[0]:.3f} to {prices[-1]:.3f}",
        )
    ((price, heat_prices),) = told
    grid = fsum(one.electricity for one in receipts)
    if not _serves(grid, price, GRID_PRICE, float("inf")):
        return Rejected(
            rule="PSO-23", reason=f"{grid:.4f} MWh of electricity are left at {price:.3f} CNY/MWh"
        )
    for zone, (heat_price, limit) in enumerate(zip(heat_prices, heat_limits, strict=True)):
        heat = fsum(one.heat for one in receipts if one.zone == zone)
        if not _serves(heat, heat_price, HEAT_PRICE, limit):
            reason = f"zone {zone + 1}: {heat:.4f} MWh of heat are left at {heat_price:.3f} CNY/MWh"
            return Rejected(rule="PSO-24", reason=reason)
    return Accepted()


def _serves(left: float, price: float, outside_price: float, limit: float) -> bool:
    """Whether what communities still want comes from outside: nothing below its price, all it can above."""
    least = limit if price > outside_price + _NEAR_CNY and isfinite(limit) else 0.0
    most = 0.0 if price < outside_price - _NEAR_CNY else limit
    return least - RESIDUAL_MWH <= left <= most + RESIDUAL_MWH
