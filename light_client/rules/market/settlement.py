"""Who pays whom: price groups at midpoints, equals pay equal, payments equal receipts to the last unit.

In one interval, price groups (all energy of one side at one price) are paired ascending by two pointers; a
pair trades at the midpoint of its two prices; each group collects its midpoints and every member gets the
group's average unit price. So the price depends on side and price alone, never on an offer's number, and lies
between the reservation prices (equation (9)).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from light_client.rules.errors import RuleViolation
from light_client.rules.market.intervals import Ranges, count
from light_client.rules.units import JOULES_PER_KWH, payment_ceiling_uc

HALF_UNITS_PER_UC = 2 * JOULES_PER_KWH
"""Group values are sums of ``q * (R_s + R_b)``: twice the money, times joules per kWh."""


class Fill(NamedTuple):
    """What one offer trades in the interval that becomes final."""

    offer_id: int
    side: int
    price_uc_per_kwh: int
    energy_j: int


def group_values(sold: Sequence[Fill], bought: Sequence[Fill]) -> tuple[dict[int, int], dict[int, int]]:
    """Per side: price -> ``sum q * (R_s + R_b)`` over the pairs of that group.

    Both sides must trade the same energy, and matching must be possible (MKT-18), which the caller has checked.
    """
    sellers, buyers = _groups(sold), _groups(bought)
    seller_value = dict.fromkeys(sellers, 0)
    buyer_value = dict.fromkeys(buyers, 0)
    offered = iter(sorted(sellers.items()))
    price_s, left = next(offered, (0, 0))
    for price_b, wanted in sorted(buyers.items()):
        need = wanted
        while need:
            quantity = min(need, left)
            value = quantity * (price_s + price_b)
            seller_value[price_s] += value
            buyer_value[price_b] += value
            need -= quantity
            left -= quantity
            if not left:
                price_s, left = next(offered, (0, need))
    return seller_value, buyer_value


def _groups(fills: Sequence[Fill]) -> dict[int, int]:
    groups: dict[int, int] = {}
    for fill in fills:
        groups[fill.price_uc_per_kwh] = groups.get(fill.price_uc_per_kwh, 0) + fill.energy_j
    return groups


def amounts(fills: Sequence[Fill], value_of: dict[int, int]) -> dict[int, int]:
    """Offer -> money in micro-currency, for one side of one interval.

    With ``cum`` running over (price, offer number) as an exact fraction, a member's amount is the difference of
    ``floor(cum / HALF_UNITS_PER_UC)``: both sides end at the same floor, and no price limit is missed by 1 uc or more.
    """
    ordered = sorted(fills, key=lambda fill: (fill.price_uc_per_kwh, fill.offer_id))
    energy_of = _groups(fills)
    result: dict[int, int] = {}
    done = value_before = paid = 0
    price = -1
    for fill in ordered:
        if fill.price_uc_per_kwh != price:
            value_before += value_of.get(price, 0)
            price, done = fill.price_uc_per_kwh, 0
        done += fill.energy_j
        group_j = energy_of[price]
        upto = (value_before * group_j + value_of[price] * done) // (group_j * HALF_UNITS_PER_UC)
        result[fill.offer_id] = upto - paid
        paid = upto
    return result


def most_owed_uc(energy_j: int, price_uc_per_kwh: int, ranges: Ranges) -> int:
    """The most that a buyer can ever owe for an offer, micro-currency.

    Each interval rounds up by less than one unit by itself, so a second interval can cost one unit more than
    the ceiling of the whole: without it, an offer that trades in several intervals could end with a debt.
    """
    return payment_ceiling_uc(energy_j, price_uc_per_kwh) + count(ranges) - 1


def prices_are_within_reservations(fills: Sequence[Fill], value_of: dict[int, int], *, selling: bool) -> None:
    """MKT-19, equation (9): a group's unit price is at least a seller's, at most a buyer's reservation price.

    It follows from MKT-18; asking again makes a mistake in the pairing harmless.
    """
    for price, energy_j in _groups(fills).items():
        limit = 2 * price * energy_j
        if value_of[price] < limit if selling else value_of[price] > limit:
            raise RuleViolation(
                "MKT-19",
                f"the group at {price} uc/kWh trades beyond its price",
                got=value_of[price],
                expected=limit,
            )
