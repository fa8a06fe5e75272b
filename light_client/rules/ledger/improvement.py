"""Improved limits: how a party answers the average that was broadcast between two stages of an auction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from light_client.rules.errors import RuleViolation
from light_client.rules.units import MAX_PRICE_UC_PER_KWH, OfferId


@dataclass(frozen=True, slots=True, kw_only=True)
class ImproveOffer:
    """Transaction: an address improves the limit of its open offer for the second stage of the interval under way.

    Raises:
        RuleViolation: LED-02, MKT-06.
    """

    sequence: int
    offer_id: OfferId
    limit_uc_per_kwh: int
    """Least a seller accepts now, most a buyer pays now."""

    def __post_init__(self) -> None:
        if type(self.offer_id) is not int or not 0 < self.offer_id < 1 << 62:
            raise RuleViolation("LED-02", "number of an offer", got=self.offer_id, expected="a whole number")
        limit = self.limit_uc_per_kwh
        if type(limit) is not int or not 0 <= limit <= MAX_PRICE_UC_PER_KWH:
            raise RuleViolation(
                "MKT-06", "improved limit of an offer", got=limit, expected=f"0..{MAX_PRICE_UC_PER_KWH}"
            )

    def to_fields(self) -> tuple[Any, ...]:
        """Fields after the kind."""
        return (self.sequence, self.offer_id, self.limit_uc_per_kwh)


def improvement_from_fields(fields: tuple[Any, ...]) -> ImproveOffer:
    """Read the fields after the kind back; their number is that of the kind.

    Raises:
        RuleViolation: LED-02, MKT-06.
    """
    sequence, offer_id, limit = fields
    return ImproveOffer(sequence=sequence, offer_id=offer_id, limit_uc_per_kwh=limit)
