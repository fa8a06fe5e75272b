"""The composite score of a candidate: S = alpha * reputation + beta * amount, in whole numbers.

Source: score-based DPoS of "An Exploration of the Optimization of Distributed Power Transaction Models Based on
Blockchain" (FAIA241134), S_rep = 1 - |Epre - Ereal| / Epre and S_amt = |E - Emin| / |Emax - Emin|. What it leaves
open is settled here:

    Epre = 0            nothing promised: the newcomer's reputation if nothing was delivered either, else 0
    S_rep < 0           counts as 0
    Emax = Emin         the amount tells candidates apart no more: 0 for all
    last trade or all   all reports of the history, deviations added up without their signs, so that too much now does
                        not make up for too little later
    E                   energy that was promised and delivered: neither empty promises nor what nobody asked for counts
    a whale             amounts count up to a multiple of the median of the positive ones

Safety rests on none of it: a score chooses who sits and who leads, never what is valid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from light_client.rules.ledger.epochs import PPM, EpochParams


class Delivery(NamedTuple):
    """What one candidate promised and delivered, added up over reports."""

    promised_j: int = 0
    deviation_j: int = 0
    """Sum of |promised - delivered| over the reports, J."""
    amount_j: int = 0
    """Sum of min(promised, delivered) over the reports, J."""

    def plus(self, other: Delivery) -> Delivery:
        """Both together."""
        return Delivery(
            self.promised_j + other.promised_j,
            self.deviation_j + other.deviation_j,
            self.amount_j + other.amount_j,
        )


NO_DELIVERY = Delivery()


def delivery_of(promised_j: int, delivered_j: int) -> Delivery:
    """One report."""
    return Delivery(promised_j, abs(promised_j - delivered_j), min(promised_j, delivered_j))


def reputation_ppm(delivery: Delivery, newcomer_ppm: int) -> int:
    """S_rep in parts per million, 0 to ``PPM``, rounded down."""
    promised_j, deviation_j, _ = delivery
    if not promised_j:
        return 0 if deviation_j else newcomer_ppm
    return max(0, promised_j - deviation_j) * PPM // promised_j


def amounts_ppm(amounts_j: Sequence[int], cap: int) -> tuple[int, ...]:
    """S_amt of each candidate in parts per million, 0 to ``PPM``, rounded down.

    Args:
        amounts_j: not negative, one for each candidate.
        cap: amounts count up to this many times the lower median of the positive ones.
    """
    positive = sorted(amount for amount in amounts_j if amount)
    if not positive:
        return (0,) * len(amounts_j)
    limit = cap * positive[(len(positive) - 1) // 2]
    counted = [min(amount, limit) for amount in amounts_j]
    low, high = min(counted), max(counted)
    if low == high:
        return (0,) * len(counted)
    return tuple((amount - low) * PPM // (high - low) for amount in counted)


def scores(deliveries: Mapping[bytes, Delivery], params: EpochParams) -> dict[bytes, int]:
    """S of each candidate, in parts per million squared: 0 to ``PPM * PPM``.

    Args:
        deliveries: public key of each candidate -> what it delivered within the history.
    """
    amounts = amounts_ppm([delivery.amount_j for delivery in deliveries.values()], params.amount_cap)
    return {
        key: params.alpha_ppm * reputation_ppm(delivery, params.newcomer_ppm) + params.beta_ppm * amount
        for (key, delivery), amount in zip(deliveries.items(), amounts, strict=True)
    }
