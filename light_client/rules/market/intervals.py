"""Sets of intervals: sorted, disjoint, non-touching ranges of interval indices, one spelling per set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from light_client.rules.errors import RuleViolation
from light_client.rules.units import MAX_INTERVAL

Ranges = tuple[tuple[int, int], ...]
"""A set of intervals as ``((first, last), ...)``, both ends included."""

MAX_RANGES = 16
"""Most ranges in one offer: bounds its size on the wire."""


def check_ranges(ranges: Ranges) -> None:
    """Refuse any spelling but the canonical one.

    Raises:
        RuleViolation: MKT-04 when the set is empty, unsorted, overlapping, touching, too long or out of range.
    """
    if type(ranges) is not tuple or not 1 <= len(ranges) <= MAX_RANGES:
        raise RuleViolation(
            "MKT-04",
            "a set of intervals",
            got=ranges,
            expected=f"a tuple of 1..{MAX_RANGES} ranges",
        )
    previous = -2
    for entry in ranges:
        if (
            type(entry) is not tuple
            or len(entry) != 2
            or type(entry[0]) is not int
            or type(entry[1]) is not int
        ):
            raise RuleViolation(
                "MKT-04",
                "an interval range is a pair of whole numbers",
                got=entry,
                expected="(first, last)",
            )
        first, last = entry
        if first < previous + 2 or last < first or last >= MAX_INTERVAL:
            raise RuleViolation(
                "MKT-04",
                "interval ranges are not ascending and apart",
                got=ranges,
                expected="ascending",
            )
        previous = last


def members(ranges: Ranges) -> Iterator[int]:
    """Every interval of the set, ascending."""
    for first, last in ranges:
        yield from range(first, last + 1)


def contains(ranges: Ranges, interval: int) -> bool:
    """Whether ``interval`` belongs to the set."""
    return any(first <= interval <= last for first, last in ranges)


def count(ranges: Ranges) -> int:
    """How many intervals the set has."""
    return sum(last - first + 1 for first, last in ranges)


def cut_before(ranges: Ranges, first_interval: int) -> Ranges:
    """The part of the set at or after ``first_interval``; its last interval never changes."""
    if ranges[0][0] >= first_interval:
        return ranges
    return tuple((max(first, first_interval), last) for first, last in ranges if last >= first_interval)


def ranges_of(intervals: Iterable[int]) -> Ranges:
    """The canonical ranges of a collection of intervals."""
    result: list[tuple[int, int]] = []
    for interval in sorted(set(intervals)):
        if result and result[-1][1] == interval - 1:
            result[-1] = (result[-1][0], interval)
        else:
            result.append((interval, interval))
    return tuple(result)
