"""A rational simplex, lexicographic in its objectives: slow, short and exact."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def maximise(
    objectives: Sequence[Sequence[int]], rows: Sequence[tuple[dict[int, int], int]], variables: int
) -> list[Fraction]:
    """Best values of ``objectives``, most important first, over ``x >= 0`` and rows ``sum c * x <= limit``.

    Every limit is at least 0, so the origin is a first vertex. Bland's rule ends in any ordered field, and
    vectors compared lexicographically are one (numbers plus infinitesimals).
    """
    width = variables + len(rows) + 1
    tableau = []
    for r, (row, limit) in enumerate(rows):
        if limit < 0:
            raise ValueError("the origin is not feasible")
        line = [Fraction(0)] * width
        for i, value in row.items():
            line[i] = Fraction(value)
        line[variables + r] = Fraction(1)
        line[-1] = Fraction(limit)
        tableau.append(line)
    costs = [[Fraction(value) for value in goal] + [Fraction(0)] * (len(rows) + 1) for goal in objectives]
    basis = list(range(variables, variables + len(rows)))
    while True:
        zero = [Fraction(0)] * len(costs)
        entering = next((j for j in range(width - 1) if [goal[j] for goal in costs] > zero), None)
        if entering is None:
            return [-goal[-1] for goal in costs]
        candidates = [
            (line[-1] / line[entering], basis[r], r) for r, line in enumerate(tableau) if line[entering] > 0
        ]
        if not candidates:
            raise ArithmeticError("the programme is unbounded")
        _, _, r = min(candidates)
        _pivot(tableau, costs, r, entering)
        basis[r] = entering


def _pivot(tableau: list[list[Fraction]], costs: list[list[Fraction]], r: int, entering: int) -> None:
    pivot = tableau[r][entering]
    tableau[r] = [value / pivot for value in tableau[r]]
    for line in (*tableau[:r], *tableau[r + 1 :], *costs):
        factor = line[entering]
        if factor:
            for j, value in enumerate(tableau[r]):
                if value:
                    line[j] -= factor * value
