"""What the published solver computes, as far as its constraints can be told: to show where it breaks the limits.

Source: the public code of the transactive-energy platform, read and described: a pair of offers of one feeder is in
both sums of that feeder's limit, and its second coefficient overwrites the first instead of cancelling it; a feeder
without both sellers and buyers has no limit at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from testbed.scenarios.transax import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedStep:
    """Its answer for one interval."""

    energy_j: float
    worst_net_j: float
    """Net export of the feeder that exports most, J."""


def published_step(rows: Sequence[Row], *, interval: int, ext_j: int) -> PublishedStep:
    """Clear the offers of one interval as published: a variable for each pair of a seller and a buyer."""
    sells = [row for row in rows if row.first == interval and row.energy_j > 0]
    buys = [row for row in rows if row.first == interval and row.energy_j < 0]
    pairs = [(s, b) for s in range(len(sells)) for b in range(len(buys))]
    matrix, limits = [], []
    for side, offers in ((0, sells), (1, buys)):
        for number, offer in enumerate(offers):
            matrix.append([float(pair[side] == number) for pair in pairs])
            limits.append(abs(offer.energy_j) / ext_j)
    for feeder in sorted({row.feeder for row in sells} & {row.feeder for row in buys}):
        net = [-1.0 if buys[b].feeder == feeder else float(sells[s].feeder == feeder) for s, b in pairs]
        matrix += [net, [-value for value in net]]
        limits += [1.0, 1.0]
    answer = linprog(
        -np.ones(len(pairs)),
        A_ub=np.array(matrix),
        b_ub=np.array(limits),
        bounds=(0, None),
        method="highs-ds",
    )
    exported: dict[int, float] = {}
    for (s, b), value in zip(pairs, answer.x, strict=True):
        exported[sells[s].feeder] = exported.get(sells[s].feeder, 0.0) + float(value)
        exported[buys[b].feeder] = exported.get(buys[b].feeder, 0.0) - float(value)
    return PublishedStep(energy_j=-float(answer.fun) * ext_j, worst_net_j=max(exported.values()) * ext_j)
