"""Equals share pro rata: how a class total is split among its members, exactly and without any choice."""

from __future__ import annotations

from collections.abc import Sequence


def prefix_shares(weights: Sequence[int], total: int) -> list[int]:
    """Split ``total`` in proportion to ``weights`` by prefix floors.

    With prefix sums ``P`` and ``R = P[-1]``, member i gets ``floor(P_i * total / R) - floor(P_{i-1} * total / R)``.
    The shares add up to ``total``; for ``total <= R`` each is between 0 and its weight (a difference of floors is at
    most the ceiling of ``weight * total / R``), and less than one unit away from the exact proportion.

    Args:
        weights: not negative, in the order that the rule fixes (offer number, or feeder number).
        total: 0 .. sum of weights.
    """
    whole = sum(weights)
    shares = []
    prefix = given = 0
    for weight in weights:
        prefix += weight
        upto = prefix * total // whole if whole else 0
        shares.append(upto - given)
        given = upto
    return shares
