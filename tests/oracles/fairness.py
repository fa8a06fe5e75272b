"""Slow, obvious versions of the sharing and pricing rules, in fractions; no code of the product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from math import floor


def pro_rata(weights: Sequence[int], total: int) -> list[int]:
    """Member i gets the whole joules that the proportional line crosses on its stretch."""
    whole = sum(weights)
    line = [
        Fraction(total * sum(weights[:i]), whole) if whole else Fraction(0) for i in range(len(weights) + 1)
    ]
    return [floor(right) - floor(left) for left, right in pairwise(line)]


def water_level(demands: Sequence[tuple[int, int, int]], needed: int) -> list[Fraction]:
    """Exact levels ``clamp(rho * demand, low, high)`` that add up to ``needed``, found by bisection on rho.

    Args:
        demands: ``(demand, low, high)`` with ``low <= high <= demand``.
        needed: between the sums of lows and highs.
    """

    def served(rho: Fraction) -> list[Fraction]:
        return [min(max(rho * demand, Fraction(low)), Fraction(high)) for demand, low, high in demands]

    bends = {Fraction(edge, entry[0]) for entry in demands if entry[0] for edge in entry[1:]}
    below, above = Fraction(0), Fraction(1)
    while inside := sorted(bend for bend in bends if below < bend < above):
        middle = inside[len(inside) // 2]
        if sum(served(middle)) < needed:
            below = middle
        else:
            above = middle
    start, end = sum(served(below)), sum(served(above))
    if start == end:
        return served(above)
    return served(below + (above - below) * (needed - start) / (end - start))  # a straight line between bends


def is_max_min_fair(served: Mapping[int, Fraction], demands: Mapping[int, tuple[int, int, int]]) -> bool:
    """Whether no feeder's served share can grow at the cost of larger shares only."""
    for feeder, (demand, _, high) in demands.items():
        if not demand or served[feeder] >= high:
            continue
        for other, (other_demand, other_low, _) in demands.items():
            gives = other != feeder and other_demand and served[other] > other_low
            if gives and served[other] / other_demand > served[feeder] / demand:
                return False
    return True


def unit_prices(
    sold: Sequence[tuple[int, int]], bought: Sequence[tuple[int, int]]
) -> tuple[dict[int, Fraction], dict[int, Fraction]]:
    """Average midpoint per price on each side, pairing joule by joule, cheapest with cheapest.

    Args:
        sold: ``(price, joules)`` of each seller.
        bought: ``(price, joules)`` of each buyer; the same number of joules in all.
    """
    seller_joules = sorted(price for price, joules in sold for _ in range(joules))
    buyer_joules = sorted(price for price, joules in bought for _ in range(joules))
    midpoints = [Fraction(s + b, 2) for s, b in zip(seller_joules, buyer_joules, strict=True)]

    def averages(prices: list[int]) -> dict[int, Fraction]:
        return {
            price: sum((m for p, m in zip(prices, midpoints, strict=True) if p == price), Fraction(0))
            / prices.count(price)
            for price in set(prices)
        }

    return averages(seller_joules), averages(buyer_joules)
