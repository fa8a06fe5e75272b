"""From hourly energies to quarter hours without losing or inventing a joule."""

from __future__ import annotations

from collections.abc import Sequence

QUARTERS = 4
_SCALE = 32
"""A quarter of a linear hour is ``E/4 + slope * (2q - 3)/32``: all four are whole numbers of 1/32 J."""


def _limited_slope(before: int, here: int, after: int) -> int:
    """Slope inside an hour (J per hour), such that its line nowhere passes the neighbours' means.

    The monotonised central limiter: zero at a peak or a trough, so that neither is exaggerated and nothing
    turns negative.
    """
    down, up = here - before, after - here
    if (down > 0) != (up > 0) or down == 0 or up == 0:
        return 0
    size = min(2 * abs(down), 2 * abs(up), abs(after - before) // 2)
    return size if up > 0 else -size


def _largest_remainder(parts: Sequence[int], scale: int) -> list[int]:
    """Round ``parts / scale`` to whole numbers that keep the total; ties go to the earlier part."""
    whole = [part // scale for part in parts]
    missing = sum(parts) // scale - sum(whole)
    by_remainder = sorted(range(len(parts)), key=lambda index: (-(parts[index] % scale), index))
    for index in by_remainder[:missing]:
        whole[index] += 1
    return whole


def quarters_of_hours(hours_j: Sequence[int]) -> tuple[int, ...]:
    """Four quarter-hour energies (J) for each hourly energy (J).

    Each hour becomes a straight line whose slope follows its neighbours; its four integrals are rounded by
    largest remainder. Every hour keeps its energy exactly, and no quarter is negative if no hour is.
    """
    quarters: list[int] = []
    for index, here in enumerate(hours_j):
        before = hours_j[max(index - 1, 0)]
        after = hours_j[min(index + 1, len(hours_j) - 1)]
        slope = _limited_slope(before, here, after)
        parts = [8 * here + slope * (2 * quarter - 3) for quarter in range(QUARTERS)]
        quarters += _largest_remainder(parts, _SCALE)
    return tuple(quarters)
